//! The migrations as SQL, run by an administrator; the store then opens without changing the
//! schema.

use crate::support::pg;

use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::SqliteConnectOptions,
};
use tower_api_key::{
    credential::{Kind, TokenFormat},
    scope::Catalogue,
    store::{Directory, ManageStore, Record},
};
use tower_api_key_sqlx::{PostgresStore, SetupError, SqliteStore, postgres, sqlite};

/// Writes what a service writes.
async fn use_it(store: &(impl Directory + ManageStore)) {
    store.create_organization("org_1", None).await.unwrap();
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    let key = Record::org_key(&minted.id, minted.digest, "org_1")
        .with_role("admin", store.catalogue())
        .unwrap();
    store.insert(key).await.unwrap();
}

/// Everything that migrating leaves in a file, except when it was done.
async fn schema_of(db: &mut SqliteConnection) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', type, name, sql) FROM sqlite_schema UNION ALL
        SELECT concat_ws(' ', version, description, success, hex(checksum))
        FROM tower_api_key_migrations ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(db).await.unwrap()
}

#[tokio::test]
async fn the_script_for_sqlite_does_what_opening_does() {
    let directory = tempfile::tempdir().unwrap();
    let (by_hand, by_store) = (
        directory.path().join("by_hand.db"),
        directory.path().join("by_store.db"),
    );
    let plain = SqliteConnectOptions::new()
        .filename(&by_hand)
        .create_if_missing(true);
    let mut db = SqliteConnection::connect_with(&plain).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sqlite::migration_sql(None)))
        .execute(&mut db)
        .await
        .unwrap();
    let before = schema_of(&mut db).await;
    let store = SqliteStore::open_existing(&by_hand, Catalogue::anyreach())
        .await
        .unwrap();
    use_it(&store).await;
    store.check().await.unwrap();
    assert_eq!(schema_of(&mut db).await, before);

    SqliteStore::open(&by_store, Catalogue::anyreach())
        .await
        .unwrap();
    let mut other = SqliteConnection::connect_with(&SqliteStore::options(&by_store))
        .await
        .unwrap();
    assert_eq!(schema_of(&mut other).await, before);
}

#[test]
fn a_script_has_the_migrations_that_were_not_run() {
    for applied in 0..=6 {
        let postgres = postgres::migration_sql("keys", Some(applied)).unwrap();
        for script in [sqlite::migration_sql(Some(applied)), postgres] {
            for version in 1..=6 {
                let is_recorded = script.contains(&format!("VALUES ({version}, '"));
                assert_eq!(is_recorded, version > applied, "{version} after {applied}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_whose_recorded_checksum_is_another_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    let script = sqlite::migration_sql(None).replacen("TRUE, x'", "TRUE, x'00", 1);
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut db)
        .await
        .unwrap();
    let refused = SqliteStore::open_existing(&path, Catalogue::anyreach()).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(
        matches!(refused, SetupError::UnknownSchema { .. }),
        "{refused:?}"
    );
}

/// A role that may log in and nothing else.
fn role(cluster: &pg::Cluster, name: &str) -> PgConnectOptions {
    cluster.psql(&format!("CREATE ROLE {name} LOGIN"));
    cluster.options().username(name)
}

fn store_as(options: PgConnectOptions, schema: &str) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options);
    PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap()
}

#[tokio::test]
async fn after_the_script_for_postgres_a_service_without_the_right_to_migrate_starts() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let owner = format!("{schema}_owner");
    let service = format!("{schema}_service");
    role(cluster, &owner);
    let service_options = role(cluster, &service);
    cluster.psql(&format!("GRANT CREATE ON DATABASE postgres TO {owner}"));

    let store = store_as(service_options.clone(), &schema);
    let missing = store.check().await.unwrap_err();
    assert!(
        matches!(missing, SetupError::MissingMigration { found: None, .. }),
        "{missing:?}"
    );
    let denied = store.migrate().await.unwrap_err();
    assert!(matches!(denied, SetupError::Denied { .. }), "{denied:?}");

    let script = postgres::migration_sql(&schema, None).unwrap();
    cluster.psql_as(&owner, &script).unwrap();
    let rights = include_str!("../../src/postgres/rights.sql")
        .replace("tower_api_key", &schema)
        .replace("api_key_service", &service);
    let rights = rights.split("-- Only where").next().unwrap();
    cluster.psql_as(&owner, rights).unwrap();

    store.migrate().await.unwrap();
    store.check().await.unwrap();
    use_it(&store).await;
    let _feed = store.feed().await.unwrap();
    let public = format!(
        "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = '{schema}'::regnamespace AND a.grantee = 0"
    );
    assert_eq!(cluster.psql(&public), "0");
}

/// What one of both records is what the other does, so that either may run what comes later.
#[tokio::test]
async fn the_script_for_postgres_records_what_migrate_records() {
    let Some(cluster) = pg::shared() else { return };
    let (by_hand, by_store) = (pg::fresh_schema(), pg::fresh_schema());
    cluster.psql(&postgres::migration_sql(&by_hand, None).unwrap());
    let store = cluster.unmigrated_store(&by_store);
    store.migrate().await.unwrap();
    let recorded = |schema: &str| {
        let columns = "version, description, success, checksum";
        let rows = cluster.psql(&format!("SELECT {columns} FROM {schema}._migrations"));
        let table = "format('%s %s %s %s', attname, atttypid::regtype, attnotnull, atthasdef)";
        let columns = cluster.psql(&format!(
            "SELECT {table} FROM pg_attribute
            WHERE attrelid = '{schema}._migrations'::regclass AND attnum > 0 ORDER BY attnum"
        ));
        (rows, columns)
    };
    assert_eq!(recorded(&by_hand), recorded(&by_store));
    cluster.unmigrated_store(&by_hand).migrate().await.unwrap();
}

#[test]
fn a_script_for_later_migrations_creates_nothing_that_is_there() {
    let rest = postgres::migration_sql("tower_api_key", Some(i64::MAX)).unwrap();
    assert!(!rest.contains("CREATE"), "{rest}");
    let rest = sqlite::migration_sql(Some(i64::MAX));
    assert!(!rest.contains("INSERT"), "{rest}");
}

#[test]
fn a_script_is_refused_for_what_is_not_a_name_of_a_schema() {
    for name in ["", "Upper", "a\"; DROP TABLE x; --", "pg_x", "9a"] {
        let refused = postgres::migration_sql(name, None).unwrap_err();
        let SetupError::InvalidSchema { name: refused } = refused else {
            panic!("{name}: {refused:?}");
        };
        assert_eq!(*refused, *name);
    }
}
