-- What the catalogs say of the schema $1: each row has a name for what it says, and up to three texts.
--
-- Functions are qualified and the operands of operators have exactly the operators' types, so that nothing that a stranger
-- creates in another schema of the search path can be a better match.
WITH me AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user),
ours AS (SELECT oid, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = $1),
class AS (
    SELECT c.oid, c.relname::text AS name, c.relowner AS owner, c.relkind::text AS kind, c.relpersistence::text AS persistence,
        c.relacl, c.relrowsecurity, n.nspowner
    FROM pg_catalog.pg_class c JOIN ours n ON n.oid = c.relnamespace
),
proc AS (
    SELECT p.*, n.nspowner FROM pg_catalog.pg_proc p JOIN ours n ON n.oid = p.pronamespace
),
owned (catalog, oid, owner, namespace) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, relowner, relnamespace FROM pg_catalog.pg_class
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, proowner, pronamespace FROM pg_catalog.pg_proc
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typowner, typnamespace FROM pg_catalog.pg_type
    UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprowner, oprnamespace
        FROM pg_catalog.pg_operator
    UNION ALL SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid, opcowner, opcnamespace
        FROM pg_catalog.pg_opclass
    UNION ALL SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid, opfowner, opfnamespace
        FROM pg_catalog.pg_opfamily
    UNION ALL SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, oid, collowner, collnamespace
        FROM pg_catalog.pg_collation
    UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid, conowner, connamespace
        FROM pg_catalog.pg_conversion
    UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid, stxowner, stxnamespace
        FROM pg_catalog.pg_statistic_ext
),
expected (name, trigger, function, type, gone, come) AS (VALUES
    ('organizations', 'logged', 'log_change', 29, NULL, NULL),
    ('users', 'logged', 'log_change', 29, NULL, NULL),
    ('memberships', 'logged', 'log_change', 29, NULL, NULL),
    ('credentials', 'logged', 'log_change', 29, NULL, NULL),
    ('organizations', 'truncated', 'log_truncation', 32, NULL, NULL),
    ('users', 'truncated', 'log_truncation', 32, NULL, NULL),
    ('memberships', 'truncated', 'log_truncation', 32, NULL, NULL),
    ('credentials', 'truncated', 'log_truncation', 32, NULL, NULL),
    ('changes', 'pruned', 'move_horizon', 8, 'gone', NULL),
    ('changes', 'altered', 'move_horizon', 16, 'gone', 'come'),
    ('changes', 'truncated', 'move_horizon', 32, NULL, NULL)
),
required (name, index) AS (VALUES
    ('organizations', 'organizations_pkey'),
    ('users', 'users_pkey'),
    ('memberships', 'memberships_pkey'),
    ('credentials', 'credentials_pkey'),
    ('credentials', 'credentials_token_digest'),
    ('credentials', 'credentials_keys_by_idempotency'),
    ('credentials', 'credentials_tokens_by_idempotency'),
    ('owner_turns', 'owner_turns_pkey'),
    ('uses', 'uses_pkey'),
    ('tombstones', 'tombstones_pkey'),
    ('expiry_watch', 'expiry_watch_pkey'),
    ('changes', 'changes_pkey'),
    ('horizon', 'horizon_pkey')
),
trigger AS (
    SELECT t.oid, t.xmin, t.tgenabled::text AS state, c.name, t.tgname::text AS trigger, c.nspowner, p.proowner,
        p.pronamespace, p.proname::text AS function, t.tgtype, t.tgoldtable::text AS gone, t.tgnewtable::text AS come,
        t.tgqual IS NULL AND t.tgnargs = 0 AND t.tgattr::text = '' AS plain
    FROM pg_catalog.pg_trigger t JOIN class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal
)
SELECT 'fingerprint', pg_catalog.concat_ws(' ',
    (SELECT pg_catalog.string_agg(oid::text, ' ' ORDER BY name) FROM class WHERE name IN ('changes', 'horizon')),
    (SELECT pg_catalog.string_agg(pg_catalog.concat(oid, ':', xmin), ' ' ORDER BY oid) FROM trigger)),
    pg_catalog.pg_backend_pid()::text, NULL
UNION ALL SELECT 'encoding', pg_catalog.current_setting('server_encoding'), NULL, NULL
    WHERE pg_catalog.current_setting('server_encoding') <> 'UTF8'
UNION ALL SELECT 'durability', name, NULL, NULL FROM pg_catalog.pg_settings
    WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'
UNION ALL SELECT 'queue', NULL, NULL, NULL WHERE pg_catalog.pg_notification_queue_usage() > 0.5::pg_catalog.float8
UNION ALL SELECT 'owner', pg_catalog.pg_get_userbyid(n.nspowner)::text,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')::text, NULL
    FROM ours n, me WHERE n.nspowner <> me.oid
UNION ALL SELECT DISTINCT 'create', CASE a.grantee WHEN 0::pg_catalog.oid THEN 'PUBLIC'
        ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, NULL, NULL
    FROM ours n, pg_catalog.aclexplode(n.nspacl) a WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
UNION ALL SELECT 'object', pg_catalog.pg_describe_object(o.catalog, o.oid, 0),
    pg_catalog.pg_get_userbyid(o.owner)::text, NULL
    FROM owned o JOIN ours n ON n.oid = o.namespace WHERE o.owner <> n.nspowner
UNION ALL SELECT 'public', pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0),
    a.privilege_type, NULL
    FROM class c, pg_catalog.aclexplode(c.relacl) a
    WHERE a.grantee = 0::pg_catalog.oid AND a.privilege_type <> 'SELECT'
UNION ALL SELECT 'public',
    pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, t.attnum::int), a.privilege_type, NULL
    FROM class c JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid, pg_catalog.aclexplode(t.attacl) a
    WHERE a.grantee = 0::pg_catalog.oid AND a.privilege_type <> 'SELECT'
UNION ALL SELECT 'public', pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0),
    a.privilege_type, NULL
    FROM proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
    WHERE a.grantee = 0::pg_catalog.oid
UNION ALL SELECT 'row security', name, NULL, NULL FROM class WHERE relrowsecurity
UNION ALL SELECT 'altered', c.name, pg_catalog.concat('has the rule ', r.rulename, ', which rewrites statements: drop it'), NULL
    FROM pg_catalog.pg_rewrite r JOIN class c ON c.oid = r.ev_class WHERE c.kind = 'r'
UNION ALL SELECT 'altered', name, 'is UNLOGGED, and empty after a crash: ALTER TABLE ... SET LOGGED', NULL
    FROM class WHERE kind = 'r' AND persistence <> 'p'
UNION ALL SELECT 'altered', c.name, 'has another default for xid: ALTER COLUMN xid SET DEFAULT pg_current_xact_id()', NULL
    FROM class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname::text = 'xid'
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.name = 'changes' AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM 'pg_current_xact_id()'
UNION ALL SELECT 'altered', r.name, pg_catalog.concat('has no valid unique index ', r.index, ': create it as the migrations do'), NULL
    FROM required r JOIN class c ON c.name = r.name AND c.kind = 'r'
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i JOIN class x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
            AND (x.name = r.index OR i.indisprimary AND r.index = pg_catalog.concat(r.name, '_pkey'))
    )
UNION ALL SELECT 'function', e.function, (
        SELECT CASE WHEN p.prosecdef OR e.function = 'announce' THEN p.prosrc END FROM proc p
        WHERE p.proname = e.function
            AND pg_catalog.array_to_string(p.proconfig, ';') =
                pg_catalog.concat('search_path=pg_catalog, ', pg_catalog.quote_ident($1), ', pg_temp')
        LIMIT 1
    ), NULL
    FROM (SELECT DISTINCT function FROM expected UNION SELECT 'announce') e (function) WHERE EXISTS (SELECT FROM ours)
UNION ALL SELECT 'foreign trigger', t.name, t.trigger, pg_catalog.pg_get_userbyid(t.proowner)::text FROM trigger t
    WHERE t.proowner <> t.nspowner AND t.proowner <> 10::pg_catalog.oid
UNION ALL SELECT 'trigger', e.name, e.trigger, CASE
        WHEN t.oid IS NULL THEN 'missing'
        WHEN t.function <> e.function OR t.tgtype <> e.type OR NOT t.plain OR t.gone IS DISTINCT FROM e.gone OR t.come IS DISTINCT FROM e.come
            OR t.pronamespace <> n.oid THEN 'replaced'
        ELSE t.state END
    FROM ours n, expected e LEFT JOIN trigger t ON t.name = e.name AND t.trigger = e.trigger
    WHERE t.oid IS NULL OR t.function <> e.function OR t.tgtype <> e.type OR NOT t.plain
        OR t.gone IS DISTINCT FROM e.gone OR t.come IS DISTINCT FROM e.come OR t.pronamespace <> n.oid OR t.state <> 'A'
UNION ALL SELECT 'altered', t.name, pg_catalog.concat('has the trigger ', t.trigger, ', which can keep the log silent: drop it'), NULL
    FROM trigger t WHERE t.name IN ('changes', 'horizon')
        AND NOT EXISTS (SELECT FROM expected e WHERE e.name = t.name AND e.trigger = t.trigger)
UNION ALL SELECT 'unknown trigger', t.name, t.trigger, NULL
    FROM trigger t WHERE t.name NOT IN ('changes', 'horizon')
        AND NOT EXISTS (SELECT FROM expected e WHERE e.name = t.name AND e.trigger = t.trigger)
