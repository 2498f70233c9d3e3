//! `migrate` and `check`.

use sqlx::{Connection, SqliteConnection};

use crate::support::{Database, pg};

/// Runs a statement on the SQLite file, as another program.
pub(crate) fn sqlite_statement(database: &Database, sql: &'static str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite://{}", database.file().display());
        let mut connection = SqliteConnection::connect(&url).await.expect("a file");
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .expect("a statement");
        connection.close().await.expect("it closes");
    });
}

#[test]
fn only_migrate_creates_a_file() {
    let database = Database::sqlite();
    for words in ["check", "org create org_1", "key list --org org_1", "prune"] {
        let err = database.run(words).refused(1);
        assert!(err.contains("api-keys migrate"), "{err}");
        assert!(!database.file().exists(), "{words}");
    }
    assert_eq!(database.run("migrate").done(), "");
    assert!(database.file().exists());
    assert_eq!(database.run("migrate --json").object()["migrated"], true);
}

#[test]
fn a_schema_that_is_missing_in_postgres_is_an_error_that_says_so() {
    let Some(database) = Database::postgres() else {
        return;
    };
    for words in ["check", "org create org_1", "key list --org org_1"] {
        let err = database.run(words).refused(1);
        assert!(err.contains("migrat"), "{words}: {err}");
    }
}

#[test]
fn a_healthy_database_is_ok() {
    for database in Database::each() {
        assert!(database.run("check").done().starts_with("ok: "));
        let json = database.run("check --json").object();
        assert_eq!(json, serde_json::json!({ "ok": true, "broken": [] }));
    }
}

#[test]
fn each_broken_assumption_is_listed_in_postgres() {
    let Some(database) = Database::each().nth(1) else {
        return;
    };
    let schema = database.schema.as_deref().unwrap();
    let cluster = pg::shared().unwrap();
    cluster.psql(&format!(
        "ALTER TABLE {schema}.credentials ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {schema}.credentials DISABLE TRIGGER ALL"
    ));
    let ended = database.run("check");
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.out.contains("row-level security") && ended.out.contains("trigger"));
    assert!(ended.out.lines().all(|line| line.starts_with("broken: ")));
    let json = database.run("check --json");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        json["broken"].as_array().unwrap().len(),
        ended.out.lines().count()
    );
}

#[test]
fn a_broken_assumption_is_listed_in_sqlite() {
    let database = Database::each().next().unwrap();
    sqlite_statement(
        &database,
        "CREATE TRIGGER mine AFTER UPDATE ON tower_api_key_credentials BEGIN SELECT 1; END",
    );
    let ended = database.run("check");
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.out.contains("mine"), "{ended:?}");
    // The store refuses to open such a file, so other commands end like that, too.
    database.run("key list --org org_1").refused(4);
}
