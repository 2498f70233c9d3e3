//! PostgreSQL: triggers of a row, rules and policies.

use crate::support::pg;
use tower_api_key::{manage::Manager, scope::Catalogue, store::ManageStore};

use super::{ENDINGS, SKIPPED, Scene, is_refused, used};
use sqlx::postgres::PgPoolOptions;
use tower_api_key_sqlx::PostgresStore;

struct Database {
    cluster: &'static pg::Cluster,
    schema: String,
    scene: Scene<PostgresStore>,
}

impl Database {
    async fn new() -> Option<Self> {
        let (cluster, schema) = (pg::shared()?, pg::fresh_schema());
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        Some(Self {
            cluster,
            schema,
            scene: Scene::new(store).await,
        })
    }

    fn psql(&self, sql: &str) -> String {
        let path = format!("SET search_path TO {}", self.schema);
        self.cluster
            .psql(&format!("{path}; SET client_min_messages = warning; {sql}"))
    }

    fn rows(&self) -> String {
        let tables = "organizations users memberships credentials events changes";
        let rows =
            |table: &str| format!("SELECT string_agg(t::text, ' ' ORDER BY t) FROM {table} t");
        self.psql(&tables.split(' ').map(rows).collect::<Vec<_>>().join("; "))
    }

    async fn check(&self) -> String {
        let checked = self.scene.store.check().await;
        checked.map_or_else(|error| error.to_string(), |()| "done".into())
    }

    /// Breaks the database, makes calls that have to fail and change nothing, and repairs it.
    async fn refuses(&self, (sql, undo): (&str, &str), calls: &[&str], named: &str) {
        self.psql(sql);
        let before = self.rows();
        for name in calls {
            let answer = self.scene.call(name).await;
            assert!(is_refused(name, &answer), "{sql}, {name}: {answer}");
            assert_eq!(self.rows(), before, "{sql}, {name}");
        }
        let checked = self.check().await;
        assert!(checked.contains(named), "{sql}: {checked}");
        self.psql(undo);
        assert_eq!(self.check().await, "done", "{undo}");
    }
}

fn function(name: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql \
         SET search_path FROM CURRENT AS $$BEGIN {body} END$$;
        REVOKE ALL ON FUNCTION {name}() FROM PUBLIC"
    )
}

#[tokio::test]
async fn no_change_that_postgres_skips_is_reported_as_made() {
    let Some(database) = Database::new().await else {
        return;
    };
    database.psql(&function("skip", "RETURN NULL;"));
    for (event, table, calls) in SKIPPED {
        let sql = format!(
            "CREATE TRIGGER skip BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION skip()"
        );
        let undo = format!("DROP TRIGGER skip ON {table}");
        let named = format!("{table} has the trigger \"skip\"");
        database.refuses((&sql, &undo), calls, &named).await;
    }
    for name in ENDINGS
        .iter()
        .take(1)
        .chain(&["disable_user", "delete_user"])
    {
        assert_eq!(database.scene.call(name).await, "done", "{name}");
    }
}

#[tokio::test]
async fn no_ending_that_postgres_undoes_is_reported_as_made() {
    let Some(database) = Database::new().await else {
        return;
    };
    database.psql(&function("keep", "NEW.status := OLD.status; RETURN NEW;"));
    database.psql(&function(
        "restore",
        "IF pg_trigger_depth() = 1 THEN UPDATE credentials SET status = OLD.status \
         WHERE kind = OLD.kind AND id = OLD.id; END IF; RETURN NULL;",
    ));
    let (keep, restore) = (
        "CREATE TRIGGER keep BEFORE UPDATE ON credentials FOR EACH ROW EXECUTE FUNCTION keep()",
        "CREATE TRIGGER restore AFTER UPDATE ON credentials FOR EACH ROW EXECUTE FUNCTION restore()",
    );
    let rule = "CREATE RULE mute AS ON UPDATE TO credentials DO INSTEAD NOTHING";
    let undo = |what: &str| format!("DROP {what} ON credentials");
    let (undo_keep, undo_restore, undo_rule) = (
        undo("TRIGGER keep"),
        undo("TRIGGER restore"),
        undo("RULE mute"),
    );
    let cases = [
        (keep, &undo_keep, &ENDINGS[..], "the trigger \"keep\""),
        (
            restore,
            &undo_restore,
            &ENDINGS[..],
            "the trigger \"restore\"",
        ),
        (rule, &undo_rule, &ENDINGS[..], "the rule mute"),
    ];
    for (sql, undo, calls, named) in cases {
        database.refuses((sql, undo), calls, named).await;
    }
    assert_eq!(database.scene.call("delete").await, "done");
}

/// A row that a policy hides is an error for management, and not one that is not there.
#[tokio::test]
async fn no_change_of_rows_that_a_policy_hides_is_reported_as_made() {
    let Some(database) = Database::new().await else {
        return;
    };
    let (role, schema) = (format!("{}_service", database.schema), &database.schema);
    database.psql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};
        GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}"
    ));
    let options = database.cluster.options().username(&role);
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let store = PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap();
    store.check().await.unwrap();
    let scene = Scene {
        manager: Manager::new(store.clone()),
        store,
        key: database.scene.key.clone(),
        token: database.scene.token.clone(),
    };
    for policies in [
        "SELECT",
        "CREATE POLICY seen ON credentials FOR SELECT USING (true);
        CREATE POLICY added ON credentials FOR INSERT WITH CHECK (true)",
    ] {
        database.psql(&format!(
            "ALTER TABLE credentials ENABLE ROW LEVEL SECURITY; {policies}"
        ));
        let before = database.rows();
        for name in [
            "delete",
            "disable",
            "revoke_all",
            "rotate",
            "issue",
            "import",
        ] {
            let answer = scene.call(name).await;
            assert_eq!(answer, "store_unavailable", "{policies}, {name}");
        }
        assert_eq!(database.rows(), before, "{policies}");
        let checked = scene.store.check().await.unwrap_err().to_string();
        let named = "row-level security is enabled on credentials";
        assert!(checked.contains(named), "{checked}");
    }
    database.psql("ALTER TABLE credentials DISABLE ROW LEVEL SECURITY");
    assert_eq!(scene.call("delete").await, "done");
}

/// A use that is not written is kept by the caller.
#[tokio::test(flavor = "multi_thread")] // the rollback must not wait for the test
async fn no_use_that_postgres_skips_counts_as_recorded() {
    let Some(database) = Database::new().await else {
        return;
    };
    database.psql(&function("skip", "RETURN NULL;"));
    database.psql("CREATE TRIGGER skip BEFORE UPDATE ON uses FOR EACH ROW EXECUTE FUNCTION skip()");
    database.scene.store.record_uses(&used()).await.unwrap_err();
    database.psql("DROP TRIGGER skip ON uses");
    database.scene.store.record_uses(&used()).await.unwrap();
}
