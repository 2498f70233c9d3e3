//! Rights in the schema of the PostgreSQL store: the documented rights suffice and allow nothing
//! more.

use std::{error::Error, time::Duration};

use crate::support::{
    feeds::{EVERYTHING, disconnect_feeds, events_until},
    pg,
};

use sqlx::{Connection, PgConnection, postgres::PgPoolOptions};
use tower_api_key::{
    manage::Manager,
    scope::Catalogue,
    secret::Digest,
    store::{
        Change, CredentialStore, Directory, Feed, FeedEvent, Lookup, LookupKey, ManageStore,
        Record, Retention, Status,
    },
};
use tower_api_key_sqlx::{BrokenAssumption, PostgresStore, SetupError};

/// The statements from the documentation.
const RIGHTS: &str = include_str!("../../src/postgres/rights.sql");

/// A schema with an owner, a service and a reader: roles without any other rights.
struct Fixture {
    cluster: &'static pg::Cluster,
    schema: String,
}

impl Fixture {
    async fn migrated() -> Option<Self> {
        let fixture = Self::empty()?;
        fixture.store("owner").migrate().await.unwrap();
        fixture.grant();
        Some(fixture)
    }

    /// An empty schema.
    fn empty() -> Option<Self> {
        Some(Self::empty_in(pg::shared()?))
    }

    fn empty_in(cluster: &'static pg::Cluster) -> Self {
        let fixture = Self {
            cluster,
            schema: pg::fresh_schema(),
        };
        let roles = ["owner", "service", "eraser", "sweeper", "reader"];
        let create = roles.map(|role| format!("CREATE ROLE {} LOGIN;", fixture.role(role)));
        let (schema, owner) = (&fixture.schema, fixture.role("owner"));
        let create = create.concat();
        cluster.psql(&format!(
            "{create} CREATE SCHEMA {schema} AUTHORIZATION {owner}"
        ));
        fixture
    }

    fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.schema)
    }

    fn store(&self, role: &str) -> PostgresStore {
        let options = self.cluster.options().username(&self.role(role));
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect_lazy_with(options);
        PostgresStore::new(pool, Catalogue::anyreach())
            .with_schema(&self.schema)
            .unwrap()
    }

    fn grant(&self) {
        let rights = RIGHTS.replace("tower_api_key", &self.schema);
        let rights = rights.replace("api_key_service", &self.role("service"));
        let rights = rights.replace("api_key_eraser", &self.role("eraser"));
        let rights = rights.replace("api_key_sweeper", &self.role("sweeper"));
        self.psql(
            "owner",
            &rights.replace("api_key_reader", &self.role("reader")),
        )
        .unwrap();
    }

    /// Gives the service the rights of other roles.
    fn grant_to_service(&self, roles: &[&str]) {
        let roles = roles.iter().map(|role| self.role(role));
        let (roles, service) = (roles.collect::<Vec<_>>().join(", "), self.role("service"));
        self.cluster.psql(&format!("GRANT {roles} TO {service}"));
    }

    /// Runs statements as a role; `@` stands for the schema.
    fn psql(&self, role: &str, sql: &str) -> Result<String, String> {
        self.cluster
            .psql_as(&self.role(role), &sql.replace('@', &self.schema))
    }

    /// Counts credentials, events, uses and tombstones.
    fn count_old(&self) -> String {
        let counts = ["credentials", "events", "uses", "tombstones"]
            .map(|table| format!("(SELECT count(*) FROM @.{table})"));
        let counts = format!("SELECT concat_ws(' ', {})", counts.join(", "));
        self.psql("owner", &counts).unwrap()
    }

    /// Every row of the schema, its privileges and its triggers.
    fn snapshot(&self) -> String {
        let tables = self.cluster.psql(&format!(
            "SELECT string_agg(format('SELECT t::text FROM %I.%I t', nspname, relname), \
             ' UNION ALL ' ORDER BY relname) || ' ORDER BY 1'
            FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '{}' \
            AND relkind = 'r'",
            self.schema
        ));
        let objects = format!(
            "SELECT relname, relacl FROM pg_class WHERE relnamespace = '{0}'::regnamespace \
             ORDER BY 1;
            SELECT proname, proacl FROM pg_proc WHERE pronamespace = '{0}'::regnamespace ORDER BY 1;
            SELECT tgname, relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
            WHERE relnamespace = '{0}'::regnamespace ORDER BY 1, 2",
            self.schema
        );
        self.cluster.psql(&tables) + &self.cluster.psql(&objects)
    }
}

/// A second connection tells whether a pooler shares the first. After an outage the service's pool may
/// have taken the last one, and a feed that waited for it would stay lost.
#[tokio::test]
async fn a_feed_needs_a_second_connection_to_begin_and_none_to_go_on() {
    let Some(fixture) = Fixture::migrated().await else {
        return;
    };
    let (cluster, service) = (fixture.cluster, fixture.role("service"));
    let allow = |connections: u32| {
        cluster.psql(&format!(
            "ALTER ROLE {service} CONNECTION LIMIT {connections}"
        ));
    };
    allow(1);
    let store = fixture.store("service");
    let refused = store.feed().await.unwrap_err();
    let reason = refused.source().unwrap().to_string();
    assert!(reason.contains("too many connections"), "{reason}");
    allow(2);
    let mut feed = store.feed().await.unwrap();
    allow(1);
    disconnect_feeds(cluster, &fixture.schema);
    let events = events_until(&mut feed, &FeedEvent::Restored).await;
    assert_eq!(events, [FeedEvent::Lost, EVERYTHING]);
}

/// A type whose casts run the attacker's functions, with the rights of the function that uses them.
const BAIT: &str = "
    CREATE TYPE pg_temp.bait_type AS ENUM ('x');
    CREATE FUNCTION pg_temp.run(pg_temp.bait_type) RETURNS json LANGUAGE plpgsql AS $f$ BEGIN
        INSERT INTO @.users (id) VALUES ('written as ' || current_user);
        RETURN '1';
    END $f$;
    CREATE FUNCTION pg_temp.run_text(pg_temp.bait_type) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN
        INSERT INTO @.users (id) VALUES ('written as ' || current_user);
        RETURN '1';
    END $f$;
    CREATE CAST (pg_temp.bait_type AS json) WITH FUNCTION pg_temp.run(pg_temp.bait_type);
    CREATE CAST (pg_temp.bait_type AS text) WITH FUNCTION pg_temp.run_text(pg_temp.bait_type) AS \
    IMPLICIT;
    CREATE TEMP TABLE users (id pg_temp.bait_type, kind pg_temp.bait_type, user_id \
    pg_temp.bait_type, xid xid8);
    INSERT INTO pg_temp.users VALUES ('x', 'x', 'x', '99999999999');";

/// Statements that attach each log function to the attacker's own table, in every way.
fn baits() -> Vec<String> {
    let mut baits = Vec::new();
    for function in [
        "log_change()",
        "log_change('everything', 'id')",
        "log_truncation()",
        "move_horizon()",
    ] {
        for (trigger, act) in [
            (
                "AFTER INSERT ON pg_temp.users FOR EACH ROW",
                "INSERT INTO pg_temp.users VALUES ('x', 'x', 'x', '1')",
            ),
            (
                "BEFORE UPDATE ON pg_temp.users FOR EACH ROW",
                "UPDATE pg_temp.users SET kind = 'x'",
            ),
            (
                "AFTER DELETE ON pg_temp.users REFERENCING OLD TABLE AS gone",
                "DELETE FROM pg_temp.users",
            ),
            ("AFTER TRUNCATE ON pg_temp.users", "TRUNCATE pg_temp.users"),
        ] {
            baits.push(format!(
                "{BAIT} CREATE TRIGGER t {trigger} EXECUTE FUNCTION @.{function}; {act}"
            ));
        }
    }
    baits
}

#[tokio::test]
async fn a_reader_can_only_read() {
    let Some(fixture) = Fixture::migrated().await else {
        return;
    };
    let owner = fixture.store("owner");
    owner.create_organization("org_test", None).await.unwrap();
    owner
        .insert(Record::org_key("k_test", Digest::of(b"k"), "org_test"))
        .await
        .unwrap();
    let mut attacks = baits();
    let tables = "organizations users memberships owner_turns credentials uses tombstones events \
                  expiry_watch changes horizon compatibility _migrations";
    for table in tables.split(' ') {
        for attack in [
            "INSERT INTO @.% SELECT * FROM @.%",
            "DELETE FROM @.%",
            "TRUNCATE @.%",
            "SELECT * FROM @.% FOR SHARE",
            "LOCK TABLE @.% IN ROW EXCLUSIVE MODE",
            "ALTER TABLE @.% ADD COLUMN more int",
            "ALTER TABLE @.% DISABLE ROW LEVEL SECURITY",
            "CREATE INDEX ON @.% ((1))",
            "CREATE TRIGGER t BEFORE INSERT ON @.% EXECUTE FUNCTION \
             suppress_redundant_updates_trigger()",
            "CREATE RULE r AS ON INSERT TO @.% DO INSTEAD NOTHING",
            "CREATE STATISTICS s ON ctid, xmin FROM @.%",
            "CREATE TEMP TABLE t (kept @.%)",
            "COMMENT ON TABLE @.% IS 'x'",
            "DROP TABLE @.%",
        ] {
            attacks.push(attack.replace('%', table));
        }
    }
    attacks.extend(
        [
            "UPDATE @.credentials SET status = 'active'",
            "UPDATE @.horizon SET pruned_through = '99999999999', prunes = 99",
            "CREATE TEMP TABLE t (id text REFERENCES @.users)",
            "SELECT @.announce('x')",
            "SELECT @.log_change()",
            "SELECT nextval('@.changes_seq_seq')",
            "SELECT setval('@.events_number_seq', 1)",
            "CREATE TABLE @.t (id int)",
            "CREATE FUNCTION @.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TYPE @.t AS ENUM ('x')",
            "CREATE OPERATOR @.= (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)",
            "CREATE OR REPLACE FUNCTION @.announce(channel text) RETURNS void LANGUAGE sql AS ''",
            "ALTER FUNCTION @.log_change() RESET ALL",
            "ALTER SCHEMA @ RENAME TO stolen",
        ]
        .map(String::from),
    );
    let before = fixture.snapshot();
    for attack in attacks {
        let outcome = fixture.psql("reader", &attack);
        assert!(outcome.is_err(), "not refused: {attack}");
    }
    assert_eq!(fixture.snapshot(), before);
    let reader = fixture.store("reader");
    reader.migrate().await.unwrap();
    reader.feed().await.unwrap();
    let key = Lookup::new(LookupKey::OrgKey { id: "k_test" }, None);
    assert!(reader.find(&key).await.unwrap().is_some());
}

/// The second line of defence, in case the owner has granted EXECUTE.
#[tokio::test]
async fn log_functions_work_only_on_the_tables_of_their_schema() {
    let Some(fixture) = Fixture::migrated().await else {
        return;
    };
    fixture
        .psql(
            "owner",
            &format!(
                "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA @ TO {}",
                fixture.role("reader")
            ),
        )
        .unwrap();
    let before = fixture.snapshot();
    for bait in baits() {
        let refused = fixture.psql("reader", &bait).unwrap_err();
        assert!(
            refused.contains("is for its own triggers"),
            "{bait}: {refused}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn a_service_may_prune_the_log_but_not_write_to_it() {
    let Some(fixture) = Fixture::migrated().await else {
        return;
    };
    let service = fixture.store("service");
    service.migrate().await.unwrap();
    service.create_user("u").await.unwrap();
    let before = fixture.snapshot();
    for attack in baits().into_iter().chain(
        [
            "INSERT INTO @.changes (subject) VALUES ('everything')",
            "UPDATE @.changes SET id = 'x'",
            "UPDATE @.horizon SET prunes = 0",
            "DELETE FROM @.credentials",
            "DELETE FROM @.uses",
            "DELETE FROM @.events",
            "INSERT INTO @.tombstones VALUES ('org_key', 'k')",
            "UPDATE @.events SET at = 0",
            "TRUNCATE @.changes",
            "ALTER TABLE @.credentials DISABLE TRIGGER ALL",
            "INSERT INTO @._migrations SELECT 9999, '', now(), true, '', 0",
        ]
        .map(String::from),
    ) {
        assert!(
            fixture.psql("service", &attack).is_err(),
            "not refused: {attack}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
    assert_eq!(service.prune(Duration::ZERO).await.unwrap(), 1);
}

/// Not even an eraser, which may delete credentials, but not leave tombstones.
#[tokio::test]
async fn only_a_sweeper_removes_credentials_and_events() {
    let Some(fixture) = Fixture::migrated().await else {
        return;
    };
    let store = fixture.store("service");
    store.create_organization("org_test", None).await.unwrap();
    let key = Record::org_key("k_test", Digest::of(b"k"), "org_test");
    store
        .insert(key.with_status(Status::Deleted))
        .await
        .unwrap();
    let event = "INSERT INTO @.events (at, action, organization_id, credential_id, actor_kind)
        VALUES (1, 'issued', 'org_test', 'k_test', 'bearer')";
    fixture.psql("owner", event).unwrap();
    let used = "INSERT INTO @.uses (kind, id, at) VALUES ('org_key', 'elsewhere', 1)";
    fixture.psql("owner", used).unwrap();
    let manager = Manager::new(store);
    let day = Duration::from_secs(24 * 3600);
    let [credentials, events, uses] = [
        Retention::forever().with_deleted(Duration::ZERO),
        Retention::forever().with_events(day),
        Retention::forever().with_uses(day),
    ];
    let refused = async |retention, table: &str| {
        let refused = manager.sweep(retention).await.unwrap_err();
        let reason = refused.source().and_then(Error::source);
        let reason = reason.expect("what the server said").to_string();
        let expected = format!("permission denied for table {table}");
        assert!(reason.ends_with(&expected), "{table}: {reason}");
        assert_eq!(fixture.count_old(), "1 1 1 0", "{table}");
    };
    refused(&credentials, "credentials").await;
    refused(&events, "events").await;
    refused(&uses, "uses").await;
    fixture.grant_to_service(&["eraser"]);
    refused(&credentials, "tombstones").await;
    refused(&events, "events").await;
    fixture.grant_to_service(&["sweeper"]);
    let mut removed = Vec::new();
    for retention in [&credentials, &events, &uses] {
        let swept = manager.sweep(retention).await.unwrap();
        removed.push((swept.credentials, swept.events, swept.uses));
    }
    assert_eq!(removed, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
    assert_eq!(fixture.count_old(), "0 0 0 1");
}

#[tokio::test]
async fn public_has_no_rights_whatever_the_default_privileges() {
    let Some(fixture) = Fixture::empty() else {
        return;
    };
    for kind in ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"] {
        fixture
            .psql(
                "owner",
                &format!("ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO PUBLIC"),
            )
            .unwrap();
    }
    fixture.store("owner").migrate().await.unwrap();
    let open = |catalog, acl, owner, namespace, kind| {
        format!(
            "SELECT count(*) FROM {catalog} c, aclexplode(coalesce({acl}, acldefault('{kind}', \
             {owner}))) a
            WHERE {namespace} = '{}'::regnamespace AND a.grantee = 0",
            fixture.schema
        )
    };
    for sql in [
        open("pg_class", "relacl", "relowner", "relnamespace", "r"),
        open("pg_proc", "proacl", "proowner", "pronamespace", "f"),
        open(
            "(SELECT * FROM pg_type WHERE typelem = 0)",
            "typacl",
            "typowner",
            "typnamespace",
            "T",
        ),
    ] {
        assert_eq!(fixture.cluster.psql(&sql), "0", "{sql}");
    }
}

/// Another role created the schema, or something in it, before the owner did.
#[tokio::test]
async fn a_schema_that_another_role_can_influence_is_refused_untouched() {
    type Named = fn(&BrokenAssumption) -> bool;
    let foreign_object: Named = |broken| matches!(broken, BrokenAssumption::ForeignObject { .. });
    let others: Named = |broken| matches!(broken, BrokenAssumption::OthersMayCreate { .. });
    let owner: Named = |broken| matches!(broken, BrokenAssumption::ForeignOwner { .. });
    let planted = |what: &str| {
        format!(
            "GRANT ALL ON SCHEMA @ TO %; SET ROLE %; {what}; RESET ROLE; \
             REVOKE ALL ON SCHEMA @ FROM %"
        )
    };
    let mut table: Vec<(String, Named)> = vec![
        ("ALTER SCHEMA @ OWNER TO %".into(), owner),
        ("GRANT CREATE ON SCHEMA @ TO %".into(), others),
        ("GRANT CREATE ON SCHEMA @ TO PUBLIC".into(), others),
    ];
    for what in [
        "CREATE TABLE @.t (id int)",
        "CREATE FUNCTION @.f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OPERATOR @.<> (FUNCTION = textne, LEFTARG = text, RIGHTARG = text)",
        "CREATE TYPE @.text AS ENUM ('x')",
        "CREATE COLLATION @.c FROM \"C\"",
        "CREATE SEQUENCE @.s",
        "CREATE VIEW @._migrations AS SELECT 1 AS version, true AS success",
    ] {
        table.push((planted(what), foreign_object));
    }
    for made in [false, true] {
        for (sql, named) in &table {
            let Some(fixture) = Fixture::empty() else {
                return;
            };
            // The owner may create schemas in the database, so it could have created this one.
            fixture.cluster.psql(&format!(
                "GRANT CREATE ON DATABASE postgres TO {}",
                fixture.role("owner")
            ));
            if made {
                fixture.store("owner").migrate().await.unwrap();
            }
            if made && sql.contains("_migrations") {
                continue;
            }
            fixture.cluster.psql(
                &sql.replace('@', &fixture.schema)
                    .replace('%', &fixture.role("reader")),
            );
            let store = fixture.store("owner");
            for refused in [store.migrate().await, store.check().await] {
                let Err(SetupError::BrokenAssumptions { broken, .. }) = refused else {
                    panic!("{sql}: {refused:?}")
                };
                assert!(broken.iter().any(named), "{sql}: {broken:?}");
            }
            let log = format!(
                "SELECT to_regclass('{}.changes') IS NOT NULL",
                fixture.schema
            );
            assert_eq!(
                fixture.cluster.psql(&log),
                if made { "t" } else { "f" },
                "{sql}"
            );
        }
    }
}

/// What another role creates in `public`: functions and operators with the names that our
/// statements use, including overloads for argument types that PostgreSQL's own take only after a
/// conversion. Each of them fails.
const PLANTED: &str = r"
    DO $plant$
    DECLARE
        called text;
        types  text[];
    BEGIN
        FOREACH called IN ARRAY regexp_split_to_array('unnest floor hashtextextended max count
            bool_or array_position clock_timestamp make_interval pg_notify set_config
            current_setting pg_current_snapshot pg_snapshot_xmin pg_snapshot_xmax pg_snapshot_xip
            pg_visible_in_snapshot pg_advisory_xact_lock pg_current_xact_id
            pg_notification_queue_usage pg_backend_pid date_part format concat concat_ws string_agg
            array_to_string has_database_privilege aclexplode acldefault pg_describe_object
            pg_get_userbyid', '\s+') LOOP
            FOREACH types SLICE 1 IN ARRAY ARRAY[['', ''], ['text', ''], ['text[]', ''],
                ['bigint[]', ''], ['bool[]', ''], ['numeric', ''], ['text', 'integer'],
                ['text', 'text'], ['bigint', 'integer']] LOOP
                EXECUTE format('CREATE FUNCTION public.%s(%s) RETURNS SETOF text LANGUAGE plpgsql
                    AS $f$ BEGIN RAISE ''planted''; END $f$',
                    called, array_to_string(array_remove(types, ''), ','));
            END LOOP;
        END LOOP;
        FOREACH types SLICE 1 IN ARRAY ARRAY[['numeric', 'integer'], ['bigint', 'integer'],
            ['smallint', 'bigint'], ['text', 'text'], ['text', 'varchar'], ['varchar', 'text'],
            ['text', 'integer'], ['text', 'bigint'], ['name', 'varchar'], ['xid8', 'bigint'],
            ['timestamptz', 'interval']] LOOP
            EXECUTE format('CREATE FUNCTION public.planted(%s, %s) RETURNS numeric LANGUAGE plpgsql
                AS $f$ BEGIN RAISE ''planted''; END $f$', types[1], types[2]);
            FOREACH called IN ARRAY ARRAY['*', '-', '+', '=', '<>', '<', '<=', '>', '>=', '||'] LOOP
                EXECUTE format('CREATE OPERATOR public.%s
                    (FUNCTION = public.planted, LEFTARG = %s, RIGHTARG = %s)',
                    called, types[1], types[2]);
            END LOOP;
        END LOOP;
    END
    $plant$";

/// Runs everything that management does as the documented role, while another one has created objects
/// in `public`, which is in every search path; up to PostgreSQL 14 every role may.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_of_a_service_suffice_and_no_object_of_a_stranger_is_called() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let cluster: &'static pg::Cluster = Box::leak(Box::new(cluster));
    cluster.psql("CREATE ROLE stranger LOGIN; GRANT CREATE ON SCHEMA public TO stranger");
    cluster.psql_as("stranger", PLANTED).unwrap();
    assert!(
        cluster
            .psql_as("stranger", "SELECT floor(1.5) * 1000")
            .unwrap_err()
            .contains("planted")
    );
    let make = || async {
        let fixture = Fixture::empty_in(cluster);
        fixture.store("owner").migrate().await.unwrap();
        fixture.grant();
        // The contract suite also removes users, and what is over.
        fixture.grant_to_service(&["eraser", "sweeper"]);
        fixture.store("service")
    };
    let service = make().await;
    service.migrate().await.unwrap();
    service.check().await.unwrap();
    let mut feed = service.feed().await.unwrap();
    service.create_organization("org_test", None).await.unwrap();
    let expected = FeedEvent::Changed(Change::Organization("org_test".into()));
    assert_eq!(feed.next().await, Some(expected));
    service.prune(Duration::ZERO).await.unwrap();
    let contract = tower_api_key::testing::contract::Contract::new();
    contract.run(make).await;
    contract.run_managed(make).await;
}

/// Only the owner of the schema can take the lock of a migration.
#[tokio::test(flavor = "multi_thread")]
async fn another_role_cannot_block_a_migration_with_advisory_locks() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    cluster.psql("CREATE ROLE stranger LOGIN");
    let options = cluster.options().username("stranger");
    let mut stranger = PgConnection::connect_with(&options).await.unwrap();
    for schema in ["made_by_migrate", "made_before"] {
        // Locks that an older version takes, or another migration tool.
        let lock = "SELECT pg_advisory_lock(hashtextextended($1 || '_changes', 0))";
        sqlx::query(lock)
            .bind(schema)
            .execute(&mut stranger)
            .await
            .unwrap();
    }
    cluster.psql("CREATE SCHEMA made_before; COMMENT ON SCHEMA made_before IS 'it''s kept'");
    for schema in ["made_by_migrate", "made_before"] {
        let nodes = [
            cluster.unmigrated_store(schema),
            cluster.unmigrated_store(schema),
            cluster.unmigrated_store(schema),
        ];
        let [one, two, three] = nodes.each_ref().map(PostgresStore::migrate);
        let all = async { tokio::try_join!(one, two, three) };
        tokio::time::timeout(Duration::from_secs(30), all)
            .await
            .expect("the migrations wait for no lock")
            .unwrap();
    }
    assert_eq!(
        cluster.psql("SELECT obj_description('made_before'::regnamespace, 'pg_namespace')"),
        "it's kept"
    );
}
