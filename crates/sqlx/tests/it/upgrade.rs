//! An older program meets a schema that a newer version has migrated, and a newer one what an older
//! one has stored.

use crate::support::pg;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, migrate::Migrator};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{
        Directory, Feed, Filter, Lookup, LookupKey, ManageStore, Owner, Usage, backend::ListQuery,
    },
};
use tower_api_key_sqlx::{SetupError, SqliteStore, postgres, sqlite};

/// A node that was rolled back, or not updated yet, opens the schema of a later version.
#[tokio::test]
async fn an_older_node_accepts_a_newer_schema_only_if_it_is_marked_compatible() {
    let Some(cluster) = pg::shared() else { return };
    let known = sqlx::migrate!("migrations/postgres")
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap();
    let (next, later) = (known + 1, known + 2);
    for (name, compatible, works) in [
        (
            "both are compatible",
            format!("({next}, {known}), ({later}, 1)"),
            true,
        ),
        (
            "the next is incompatible",
            format!("({next}, {next}), ({later}, 1)"),
            false,
        ),
        (
            "the later is incompatible",
            format!("({next}, 1), ({later}, {next})"),
            false,
        ),
        (
            "the next is not marked",
            format!("({later}, {known})"),
            false,
        ),
    ] {
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        cluster.psql(&format!(
            "SET search_path TO {schema};
            INSERT INTO _migrations SELECT n, 'newer', now(), true, '', 0 \
            FROM generate_series({next}, {later}) n;
            INSERT INTO compatibility VALUES {compatible};
            ALTER TABLE credentials ADD COLUMN newer text;
            CREATE OR REPLACE FUNCTION announce(channel text) RETURNS void LANGUAGE sql \
            SET search_path = pg_catalog
                AS 'SELECT pg_notify(channel, current_user)'"
        ));
        let migrations = || {
            cluster.psql(&format!(
                "SELECT string_agg(m::text, ' ') FROM {schema}._migrations m"
            ))
        };
        let before = migrations();
        for outcome in [store.migrate().await, store.check().await] {
            match outcome {
                Ok(()) => assert!(works, "{name}"),
                Err(SetupError::UnknownSchema { source, .. }) => {
                    let text = source.to_string();
                    assert!(
                        !works && text.contains("run the newer version on this node"),
                        "{name}: {text}"
                    );
                }
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            migrations(),
            before,
            "{name}: an older node must not migrate"
        );
        if works {
            let mut feed = store.feed().await.unwrap();
            store.create_user("u").await.unwrap();
            assert!(
                format!("{:?}", feed.next().await).contains("User"),
                "{name}"
            );
        }
    }
}

/// Returns the script that creates the schema of the first version.
fn first_version(script: &str, migrations: &Migrator) -> String {
    let second = migrations.iter().nth(1).unwrap();
    let (first, _) = script.split_once(second.sql.as_str()).unwrap();
    format!("{first}COMMIT;")
}

/// What the first version stored; the names of tables begin with `$`.
const ROWS: &str = "
    INSERT INTO $organizations (id) VALUES ('org_1');
    INSERT INTO $users (id) VALUES ('alice');
    INSERT INTO $memberships (user_id, organization_id, role) VALUES ('alice', 'org_1', 'viewer');
    INSERT INTO $credentials (kind, id, digest, organization_id, role)
        VALUES ('org_key', 'k1', $blob, 'org_1', 'admin');
    INSERT INTO $credentials (kind, id, digest, user_id) VALUES ('pat', 't1', $blob, 'alice');";

fn token() -> Digest {
    Digest::of(b"pat_test-of-the-first-version")
}

async fn assert_means_the_same(store: &impl ManageStore) {
    let catalogue = Catalogue::anyreach();
    let digest = token();
    for (name, key, organization, role) in [
        ("key", LookupKey::OrgKey { id: "k1" }, None, "admin"),
        (
            "token",
            LookupKey::PersonalToken { digest: &digest },
            Some("org_1"),
            "viewer",
        ),
    ] {
        let found = store.find(&Lookup::new(key, organization)).await;
        let found = found.unwrap().unwrap();
        assert_eq!(found.restrictions(), None, "{name}");
        assert_eq!(
            Some(found.scopes().clone()),
            catalogue.scopes_of(role),
            "{name}"
        );
    }
    let owner = Owner::of(Kind::PersonalToken, "alice");
    let info = store.credential(&owner, "t1").await.unwrap().unwrap();
    assert_eq!((&info.scopes, &info.organizations), (&None, &None));
    assert!(!info.damaged);
}

#[tokio::test]
async fn what_the_first_version_stored_in_postgres_means_the_same() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let script = postgres::migration_sql(&schema, None).unwrap();
    let digest = hex::encode(token().to_bytes());
    let rows = ROWS
        .replace("$blob", &format!("decode('{digest}', 'hex')"))
        .replace('$', &format!("{schema}."));
    let script = first_version(&script, &sqlx::migrate!("migrations/postgres"));
    cluster.psql(&format!("{script} {rows}"));
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.check().await.unwrap();
    assert_means_the_same(&store).await;
}

#[tokio::test]
async fn what_the_first_version_stored_in_sqlite_means_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("first.db");
    let script = sqlite::migration_sql(None);
    let digest = hex::encode(token().to_bytes());
    let rows = ROWS
        .replace("$blob", &format!("x'{digest}'"))
        .replace('$', "tower_api_key_");
    let script = first_version(&script, &sqlx::migrate!("migrations/sqlite"));
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let create = AssertSqlSafe(format!("{script} {rows}"));
    sqlx::raw_sql(create)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let store = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap();
    store.check().await.unwrap();
    assert_means_the_same(&store).await;
}

/// How a program of migration 3 records a use; the names of tables begin with `$`.
const OLD_USE: &str = "INSERT INTO $uses (kind, id, at) VALUES ('org_key', 'k1', $at)
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at";

/// The recorded uses of the key, after a new program has recorded one at `at`, unless it is `None`.
async fn uses_of_key(store: &impl ManageStore, at: Option<i64>) -> [Option<i64>; 2] {
    let used = at.map(|at| Usage::new(Kind::OrgKey, "k1", UnixMillis(at)));
    store.record_uses(used.as_slice()).await.unwrap();
    let owner = Owner::of(Kind::OrgKey, "org_1");
    let info = store.credential(&owner, "k1").await.unwrap().unwrap();
    let listed = store.credentials(&owner, &list()).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&info));
    [info.first_used_at, info.last_used_at].map(|at| at.map(|at| at.0))
}

fn list() -> ListQuery {
    ListQuery {
        filter: Filter::default(),
        after: None,
        limit: 10,
        now: UnixMillis(0),
    }
}

/// Records uses with an old program, through `old`, beside a new one.
async fn assert_old_uses_count(store: &impl ManageStore, old: impl AsyncFn(String)) {
    let old = async |at: i64| old(OLD_USE.replace("$at", &at.to_string())).await;
    assert_eq!(uses_of_key(store, None).await, [None, None]);
    old(1_000_000).await;
    assert_eq!(
        uses_of_key(store, None).await,
        [Some(1_000_000); 2],
        "the last use counts as the first"
    );
    old(2_000_000).await;
    assert_eq!(
        uses_of_key(store, Some(2_059_999)).await,
        [Some(2_000_000); 2]
    );
    assert_eq!(
        uses_of_key(store, Some(2_060_000)).await,
        [Some(2_000_000), Some(2_060_000)]
    );
    old(90_000_000).await;
    assert_eq!(
        uses_of_key(store, Some(176_399_999)).await,
        [Some(2_000_000), Some(90_000_000)],
        "an old program keeps the first use"
    );
}

#[tokio::test]
async fn uses_that_an_older_node_records_beside_a_newer_one_count_in_postgres() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    let run = |sql: &str| cluster.psql(&sql.replace('$', &format!("{schema}.")));
    let digest = hex::encode(token().to_bytes());
    run(&ROWS.replace("$blob", &format!("decode('{digest}', 'hex')")));
    assert_old_uses_count(&store, async |sql: String| drop(run(&sql))).await;
}

#[tokio::test]
async fn uses_that_an_older_node_records_beside_a_newer_one_count_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("beside.db");
    let store = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap();
    let url = format!("sqlite://{}", path.display());
    let run = async |sql: String| {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let sql = AssertSqlSafe(sql.replace('$', "tower_api_key_"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    let digest = hex::encode(token().to_bytes());
    run(ROWS.replace("$blob", &format!("x'{digest}'"))).await;
    assert_old_uses_count(&store, run).await;
}
