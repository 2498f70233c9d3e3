-- The schema of a store: owners, their credentials, the audit trail, and a log of every change.
-- PostgreSQL 13 or newer.
--
-- Runs with the search path set to the store's schema alone. Times are in milliseconds since 1970
-- without leap seconds. Ids are compared byte for byte (COLLATE "C"): neither case, nor trailing
-- blanks, nor Unicode make two ids equal.
--
-- The constraints on the contents of owners and credentials apply while a row is active: a row that
-- is damaged all the same, as by a failing disk, can still be disabled and deleted.

-- Owners -----------------------------------------------------------------------------------------

CREATE TABLE organizations (
    id        text COLLATE "C" PRIMARY KEY,
    parent_id text COLLATE "C" REFERENCES organizations,
    deleted   boolean NOT NULL DEFAULT false,
    CONSTRAINT id_is_not_blank CHECK (deleted OR id ~ '\S')
);

CREATE TABLE users (
    id      text COLLATE "C" PRIMARY KEY,
    enabled boolean NOT NULL DEFAULT true,
    CONSTRAINT id_is_not_blank CHECK (NOT enabled OR id ~ '\S')
);

CREATE TABLE memberships (
    user_id         text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations ON DELETE CASCADE,
    role            text COLLATE "C" NOT NULL CONSTRAINT role_is_not_empty CHECK (role <> ''),
    PRIMARY KEY (user_id, organization_id)
);

-- A transaction that issues or changes credentials of an owner locks the owner's row here, so that
-- the owner's limit is exact and the numbers of their events are in the order of the commits. Locks
-- on the owner's own row, which others take too, do not delay it.
CREATE TABLE owner_turns (
    kind text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Credentials ------------------------------------------------------------------------------------

-- A deleted credential keeps its row, so that its id stays taken.
CREATE TABLE credentials (
    kind            text COLLATE "C" NOT NULL
                    CONSTRAINT kind_is_known CHECK (kind IN ('org_key', 'pat')),
    id              text COLLATE "C" NOT NULL,
    -- The SHA-256 of the whole token; with a pepper, the HMAC-SHA-256 of that under the pepper
    -- named here.
    digest          bytea NOT NULL CONSTRAINT digest_has_32_bytes CHECK (octet_length(digest) = 32),
    pepper          text COLLATE "C",
    status          text COLLATE "C" NOT NULL DEFAULT 'active' CONSTRAINT status_is_known
                    CHECK (status IN ('active', 'disabled', 'deleted')),
    expires_at      bigint, -- NULL: never
    organization_id text COLLATE "C" REFERENCES organizations,
    user_id         text COLLATE "C" REFERENCES users,
    -- A key has a role, or scopes, or both, and then the scopes count. A personal token has
    -- neither: its rights follow from its user's memberships.
    role            text COLLATE "C",
    scopes          text[] COLLATE "C",
    name            text COLLATE "C" NOT NULL DEFAULT '',
    created_at      bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000),
    -- The ids of the credential that this one replaced and of the one that replaced it.
    rotated_from    text COLLATE "C",
    rotated_to      text COLLATE "C",
    rotated_at      bigint,
    -- The key of an idempotent request that issued this credential, and that request's SHA-256.
    idempotency_key text COLLATE "C",
    request_hash    bytea CONSTRAINT request_hash_has_32_bytes
                    CHECK (octet_length(request_hash) = 32),
    PRIMARY KEY (kind, id),
    CONSTRAINT owner_fits_kind CHECK (
        (kind = 'org_key') = (organization_id IS NOT NULL)
        AND (kind = 'pat') = (user_id IS NOT NULL)
    ),
    CONSTRAINT tokens_grant_nothing
        CHECK (kind = 'org_key' OR (role IS NULL AND scopes IS NULL)),
    CONSTRAINT id_is_not_blank CHECK (status <> 'active' OR id ~ '\S'),
    CONSTRAINT name_has_no_control CHECK (status <> 'active' OR name !~ '[\x01-\x1f\x7f]'),
    CONSTRAINT role_is_not_empty CHECK (status <> 'active' OR role <> ''),
    CONSTRAINT pepper_is_not_empty CHECK (status <> 'active' OR pepper <> ''),
    CONSTRAINT idempotency_is_whole
        CHECK (status <> 'active' OR (idempotency_key IS NULL) = (request_hash IS NULL)),
    -- Printable ASCII except space, quote and backslash (RFC 6749, section 3.3), in one dimension,
    -- without NULL.
    CONSTRAINT scopes_are_scopes CHECK (status <> 'active' OR CASE
        WHEN scopes IS NULL OR cardinality(scopes) = 0 THEN true
        WHEN array_ndims(scopes) <> 1 THEN false
        ELSE array_position(scopes, NULL) IS NULL AND array_position(scopes, '') IS NULL
            AND array_to_string(scopes, '') ~ '^[!#-[\]-~]*$'
    END)
);

-- Personal tokens are looked up by digest.
CREATE UNIQUE INDEX credentials_token_digest ON credentials (digest) WHERE kind = 'pat';

-- One idempotency key issues one credential.
CREATE UNIQUE INDEX credentials_keys_by_idempotency
    ON credentials (organization_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND organization_id IS NOT NULL;
CREATE UNIQUE INDEX credentials_tokens_by_idempotency ON credentials (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND user_id IS NOT NULL;

-- Lists, newest first, and counts: each asks for one state at a time. A credential with an unknown
-- status is listed with the disabled ones. The first two indexes keep an owner's deleted rows
-- apart, the other two keep the expired ones apart too: there, 9223372036854775807 means never.
--
-- The indexes by expiry have state and owner in one column, so that neither kind of index can
-- answer what is meant for the other, however few rows of an owner the planner expects.
CREATE INDEX credentials_keys_by_state ON credentials (
    organization_id,
    (CASE WHEN status IN ('active', 'deleted') THEN status ELSE 'disabled' END),
    created_at,
    id
) WHERE organization_id IS NOT NULL;
CREATE INDEX credentials_tokens_by_state ON credentials (
    user_id,
    (CASE WHEN status IN ('active', 'deleted') THEN status ELSE 'disabled' END),
    created_at,
    id
) WHERE user_id IS NOT NULL;
CREATE INDEX credentials_keys_by_expiry ON credentials (
    ((CASE WHEN status IN ('active', 'deleted') THEN status ELSE 'disabled' END)
        || ':' || organization_id),
    (coalesce(expires_at, 9223372036854775807))
) WHERE organization_id IS NOT NULL;
CREATE INDEX credentials_tokens_by_expiry ON credentials (
    ((CASE WHEN status IN ('active', 'deleted') THEN status ELSE 'disabled' END)
        || ':' || user_id),
    (coalesce(expires_at, 9223372036854775807))
) WHERE user_id IS NOT NULL;

-- When a credential was last used, and whether the audit trail has its first use after a rotation.
-- A table of its own, without triggers: caches need not know of a use.
CREATE TABLE uses (
    kind              text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL,
    at                bigint NOT NULL,
    rotation_reported boolean NOT NULL DEFAULT false,
    PRIMARY KEY (kind, id)
);

-- The audit trail --------------------------------------------------------------------------------

-- `organization_id` or `user_id` is the owner of the credential. `actor_kind` is 'org_key' or 'pat'
-- (with the credential in `actor_id`, and the token's user in `actor_user_id`), 'user' (with the
-- user in `actor_user_id`), 'operator' (with a name in `actor_id`), or 'bearer': whoever presented
-- the credential itself.
CREATE TABLE events (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              bigint NOT NULL,
    action          text COLLATE "C" NOT NULL,
    organization_id text COLLATE "C",
    user_id         text COLLATE "C",
    credential_id   text COLLATE "C" NOT NULL,
    related_id      text COLLATE "C",
    actor_kind      text COLLATE "C" NOT NULL,
    actor_id        text COLLATE "C",
    actor_user_id   text COLLATE "C",
    origin          text,
    CONSTRAINT one_owner CHECK ((organization_id IS NULL) <> (user_id IS NULL))
);
CREATE INDEX events_of_organization ON events (organization_id, number)
    WHERE organization_id IS NOT NULL;
CREATE INDEX events_of_user ON events (user_id, number) WHERE user_id IS NOT NULL;
-- What a user did, which has to be found when the user is deleted.
CREATE INDEX events_by_user ON events (actor_user_id, number) WHERE actor_user_id IS NOT NULL;

-- The change log ---------------------------------------------------------------------------------

-- Written by triggers, so that every transaction of every writer is logged.
--
-- The numbers of a sequence are not handed out in the order of the commits, so a reader does not
-- rely on them: it asks for the rows whose transaction (xid) its last snapshot did not see. Within
-- one reading, `seq` is the order.
CREATE TABLE changes (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject text COLLATE "C" NOT NULL, -- credential, user, organization, everything
    kind    text COLLATE "C",          -- of a credential
    id      text COLLATE "C"
);
CREATE INDEX changes_xid ON changes (xid);

-- `pruned_through` is the newest transaction of which rows were ever removed from the log, and
-- `prunes` counts the removals, so that each of them shows. A reader whose last snapshot is older
-- has missed rows.
CREATE TABLE horizon (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    pruned_through xid8 NOT NULL,
    prunes         bigint NOT NULL DEFAULT 0
);
INSERT INTO horizon (pruned_through) VALUES (pg_current_xact_id());

-- Makes the commit durable, whatever the role or the database sets `synchronous_commit` to, and
-- wakes the followers. A transaction that is to be prepared (PREPARE TRANSACTION) cannot notify: it
-- sets `tower_api_key.notify` to off, and followers find its rows when they next read the log. The
-- same happens while the server's queue of notifications is more than half full: anyone who may
-- connect can fill it, and once it is full no transaction that notifies can commit.
CREATE FUNCTION announce(channel text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF current_setting('tower_api_key.notify', true) IS DISTINCT FROM 'off'
        AND pg_notification_queue_usage() <= 0.5 THEN
        PERFORM pg_notify(channel, '');
    END IF;
END
$$;

-- The log's functions run as their owner: a role that may write credentials needs no right to write
-- the log. So each of them, before it looks at a row, refuses to be the trigger of anything but the
-- tables of its own schema: a column of another table may have a type whose conversions are
-- functions of whoever made it.
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    what     text;
    old_kind text COLLATE "C";
    old_id   text COLLATE "C";
    new_kind text COLLATE "C";
    new_id   text COLLATE "C";
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'ROW' OR TG_NARGS <> 0 THEN
        RAISE EXCEPTION 'log_change() is for its own triggers'
            USING ERRCODE = 'insufficient_privilege';
    ELSIF TG_RELID = 'credentials'::regclass THEN
        what := 'credential';
        old_kind := OLD.kind;
        old_id := OLD.id;
        new_kind := NEW.kind;
        new_id := NEW.id;
    ELSIF TG_RELID = 'memberships'::regclass THEN
        what := 'user';
        old_id := OLD.user_id;
        new_id := NEW.user_id;
    ELSIF TG_RELID = 'users'::regclass THEN
        what := 'user';
        old_id := OLD.id;
        new_id := NEW.id;
    ELSIF TG_RELID = 'organizations'::regclass THEN
        what := 'organization';
        old_id := OLD.id;
        new_id := NEW.id;
    ELSE
        RAISE EXCEPTION 'log_change() is for its own triggers'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO changes (subject, kind, id) VALUES (what, old_kind, old_id);
    END IF;
    -- A renamed row has changed under both names.
    IF TG_OP = 'INSERT'
        OR TG_OP = 'UPDATE' AND (old_kind, old_id) IS DISTINCT FROM (new_kind, new_id) THEN
        INSERT INTO changes (subject, kind, id) VALUES (what, new_kind, new_id);
    END IF;
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

CREATE FUNCTION log_truncation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_OP <> 'TRUNCATE' OR TG_NARGS <> 0
        OR TG_RELID NOT IN ('organizations'::regclass, 'users'::regclass, 'memberships'::regclass,
            'credentials'::regclass) THEN
        RAISE EXCEPTION 'log_truncation() is for its own triggers'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO changes (subject) VALUES ('everything');
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

-- Runs when rows of the log were removed or altered. A truncation also repairs what a dump of
-- another cluster brought along, where transactions have other numbers: every reader that has not
-- seen the truncation itself has missed something.
CREATE FUNCTION move_horizon() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    newest xid8;
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'STATEMENT' OR TG_NARGS <> 0
        OR TG_RELID <> 'changes'::regclass THEN
        RAISE EXCEPTION 'move_horizon() is for its own triggers'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE horizon SET prunes = prunes + 1, pruned_through = pg_current_xact_id();
    ELSE
        IF TG_OP = 'DELETE' THEN
            SELECT xid INTO newest FROM gone ORDER BY xid DESC LIMIT 1;
        ELSE
            -- A row's time is not part of what it says.
            SELECT xid INTO newest FROM (
                SELECT seq, xid, subject, kind, id FROM gone
                EXCEPT SELECT seq, xid, subject, kind, id FROM come
            ) altered ORDER BY xid DESC LIMIT 1;
        END IF;
        IF newest IS NULL THEN
            RETURN NULL;
        END IF;
        UPDATE horizon SET prunes = prunes + 1,
            pruned_through = CASE WHEN pruned_through < newest THEN newest ELSE pruned_through END;
    END IF;
    PERFORM announce(TG_TABLE_SCHEMA || '_changes');
    RETURN NULL;
END
$$;

-- Names are looked up among the built-in functions and operators first, and among temporary tables
-- last. Only the owner may create triggers that run these functions.
DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY
        ARRAY['announce(text)', 'log_change()', 'log_truncation()', 'move_horizon()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp',
            signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;

CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON organizations
    FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON credentials
    FOR EACH ROW EXECUTE FUNCTION log_change();

CREATE TRIGGER truncated AFTER TRUNCATE ON organizations EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON users EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON memberships EXECUTE FUNCTION log_truncation();
CREATE TRIGGER truncated AFTER TRUNCATE ON credentials EXECUTE FUNCTION log_truncation();

CREATE TRIGGER pruned AFTER DELETE ON changes
    REFERENCING OLD TABLE AS gone EXECUTE FUNCTION move_horizon();
CREATE TRIGGER altered AFTER UPDATE ON changes
    REFERENCING OLD TABLE AS gone NEW TABLE AS come EXECUTE FUNCTION move_horizon();
CREATE TRIGGER truncated AFTER TRUNCATE ON changes EXECUTE FUNCTION move_horizon();

-- Also for what is written with `session_replication_role` set to `replica`, by replication or a
-- restore.
ALTER TABLE organizations ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE users ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE memberships ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE credentials ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated;
ALTER TABLE changes ENABLE ALWAYS TRIGGER pruned, ENABLE ALWAYS TRIGGER altered,
    ENABLE ALWAYS TRIGGER truncated;

-- Later migrations -------------------------------------------------------------------------------

-- A later migration that an older program can work with inserts a row here: a program that knows
-- the migrations up to `oldest` need not know `migration`. A program refuses a schema with an
-- unknown migration that has no such row.
CREATE TABLE compatibility (
    migration bigint PRIMARY KEY,
    oldest    bigint NOT NULL CHECK (oldest <= migration)
);
