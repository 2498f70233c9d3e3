//! SQLite: triggers that ignore or undo a change.

use tower_api_key::{scope::Catalogue, store::ManageStore};

use super::{ENDINGS, SKIPPED, Scene, is_refused, used};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tower_api_key_sqlx::SqliteStore;

struct File {
    db: SqliteConnection,
    scene: Scene<SqliteStore>,
    _directory: tempfile::TempDir,
}

impl File {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let store = SqliteStore::open(&path, Catalogue::anyreach()).await;
        let options = SqliteStore::options(&path);
        Self {
            scene: Scene::new(store.unwrap()).await,
            db: SqliteConnection::connect_with(&options).await.unwrap(),
            _directory: directory,
        }
    }

    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        sqlx::raw_sql(sql).execute(&mut self.db).await.unwrap();
    }

    async fn rows(&mut self) -> Vec<String> {
        let sql = "SELECT json_array(id, deleted) FROM tower_api_key_organizations
            UNION ALL SELECT json_array(id, enabled) FROM tower_api_key_users
            UNION ALL SELECT json_array(user_id, organization_id, role)
                FROM tower_api_key_memberships
            UNION ALL SELECT json_array(id, status, rotated_to) FROM tower_api_key_credentials
            UNION ALL SELECT json_array(number, user_id) FROM tower_api_key_events
            UNION ALL SELECT json_array(seq) FROM tower_api_key_changes ORDER BY 1";
        sqlx::query_scalar(sql)
            .fetch_all(&mut self.db)
            .await
            .unwrap()
    }

    async fn check(&self) -> String {
        let checked = self.scene.store.check().await;
        checked.map_or_else(|error| error.to_string(), |()| "done".into())
    }

    /// Breaks the file, makes calls that have to fail and change nothing, and repairs it.
    async fn refuses(&mut self, (sql, undo): (&str, &str), calls: &[&str], named: &str) {
        self.run(sql).await;
        let before = self.rows().await;
        for name in calls {
            let answer = self.scene.call(name).await;
            assert!(is_refused(name, &answer), "{sql}, {name}: {answer}");
            assert_eq!(self.rows().await, before, "{sql}, {name}");
        }
        let checked = self.check().await;
        assert!(checked.contains(named), "{sql}: {checked}");
        self.run(undo).await;
        assert_eq!(self.check().await, "done", "{undo}");
    }
}

#[tokio::test]
async fn no_change_that_sqlite_skips_or_undoes_is_reported_as_made() {
    let mut file = File::new().await;
    for (event, table, calls) in SKIPPED {
        let table = format!("tower_api_key_{table}");
        let sql = format!(
            "CREATE TRIGGER skip BEFORE {event} ON {table} BEGIN SELECT raise(IGNORE); END"
        );
        let named = format!("{table} has the trigger \"skip\"");
        file.refuses((&sql, "DROP TRIGGER skip"), calls, &named)
            .await;
    }
    let restore = "CREATE TRIGGER restore AFTER UPDATE ON tower_api_key_credentials BEGIN
            UPDATE tower_api_key_credentials SET status = old.status
            WHERE kind = old.kind AND id = old.id; END";
    let undo = "DROP TRIGGER restore";
    file.refuses((restore, undo), &ENDINGS, "the trigger \"restore\"")
        .await;
    for name in ENDINGS
        .iter()
        .take(1)
        .chain(&["disable_user", "delete_user"])
    {
        assert_eq!(file.scene.call(name).await, "done", "{name}");
    }
}

/// A use that is not written is kept by the caller.
#[tokio::test]
async fn no_use_that_sqlite_skips_counts_as_recorded() {
    let mut file = File::new().await;
    file.run(
        "CREATE TRIGGER skip BEFORE INSERT ON tower_api_key_uses BEGIN SELECT raise(IGNORE); END",
    )
    .await;
    file.scene.store.record_uses(&used()).await.unwrap_err();
    file.run("DROP TRIGGER skip").await;
    file.scene.store.record_uses(&used()).await.unwrap();
}

/// A trigger of the store's name that does something else is not the store's.
#[tokio::test]
async fn a_replaced_trigger_of_sqlite_is_named() {
    let mut file = File::new().await;
    file.run(
        "DROP TRIGGER tower_api_key_credential_updated;
        CREATE TRIGGER tower_api_key_credential_updated AFTER UPDATE ON tower_api_key_credentials
        BEGIN SELECT 1; END",
    )
    .await;
    let checked = file.check().await;
    let named = "\"tower_api_key_credential_updated\" on tower_api_key_credentials is not the one";
    assert!(checked.contains(named), "{checked}");
}
