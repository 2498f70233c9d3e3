//! What the PostgreSQL store relies on: `check` and the feed name each assumption that is broken.

use crate::support::{feeds, pg};
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    store::{
        Directory,
        FeedEvent::{Lost, Restored},
        ManageStore, Owner,
    },
};

use std::{error::Error, time::Duration};

use feeds::{
    EVERYTHING, TEST_TIMEOUT, credential, disconnect_feeds, events_so_far, events_until, next,
    store_in,
};
use sqlx::{Executor, postgres::PgPoolOptions};
use tower_api_key_sqlx::{BrokenAssumption, PostgresStore, SetupError};

fn broken(outcome: Result<(), SetupError>, name: &str) -> Vec<BrokenAssumption> {
    match outcome {
        Err(SetupError::BrokenAssumptions { broken, .. }) => broken,
        other => panic!("{name}: {other:?}"),
    }
}

/// SQL that breaks a trigger, SQL that restores it, and what the error must contain.
fn trigger_cases() -> Vec<(String, String, String)> {
    let mut table = Vec::new();
    for (of, trigger) in [
        ("organizations", "logged"),
        ("users", "logged"),
        ("memberships", "logged"),
        ("credentials", "logged"),
        ("organizations", "truncated"),
        ("users", "truncated"),
        ("memberships", "truncated"),
        ("credentials", "truncated"),
        ("changes", "pruned"),
        ("changes", "altered"),
        ("changes", "truncated"),
    ] {
        let undo = format!("ALTER TABLE {of} ENABLE ALWAYS TRIGGER {trigger}");
        for (switch, expected) in [
            ("DISABLE", "is disabled"),
            ("ENABLE", "not fire always"),
            ("ENABLE REPLICA", "not fire always"),
        ] {
            let expected = format!(
                "{trigger:?} on {of} {}",
                expected.replace("not", "does not")
            );
            table.push((
                format!("ALTER TABLE {of} {switch} TRIGGER {trigger}"),
                undo.clone(),
                expected,
            ));
        }
        let renamed = format!("ALTER TRIGGER {trigger} ON {of} RENAME TO other");
        let back = format!("ALTER TRIGGER other ON {of} RENAME TO {trigger}");
        table.push((renamed, back, format!("{trigger:?} on {of} is missing")));
    }
    table
}

#[tokio::test]
async fn check_and_the_feed_name_a_broken_change_log() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let psql = |sql: &str| cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
    let mut table = trigger_cases();
    let body = |name: &str| psql(&format!("SELECT pg_get_functiondef('{name}'::regproc)"));
    for name in ["log_change", "log_truncation", "move_horizon"] {
        let other = format!(
            "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger \
             LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END'"
        );
        table.push((other, body(name), format!("{name}() is not the one")));
        table.push((
            format!("ALTER FUNCTION {name}() SECURITY INVOKER"),
            body(name),
            format!("{name}() is not the one"),
        ));
        table.push((
            format!("ALTER FUNCTION {name}() RESET search_path"),
            body(name),
            format!("{name}() is not the one"),
        ));
    }
    for of in ["changes", "horizon"] {
        for sql in ["ENABLE", "ENABLE ROW LEVEL SECURITY, FORCE"] {
            let undo =
                format!("ALTER TABLE {of} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY");
            let expected = format!("row-level security is enabled on {of}");
            table.push((
                format!("ALTER TABLE {of} {sql} ROW LEVEL SECURITY"),
                undo,
                expected,
            ));
        }
    }
    let mut feed = store
        .feed()
        .await
        .unwrap()
        .with_keep_alive(Duration::ZERO, TEST_TIMEOUT);
    for (sql, undo, expected) in &table {
        psql(sql);
        let named = broken(store.check().await, sql);
        assert!(
            named
                .iter()
                .any(|broken| broken.to_string().contains(expected)),
            "{sql}: {named:?}"
        );
        assert!(!broken(store.migrate().await, sql).is_empty());
        let refused = store.feed().await.unwrap_err();
        assert!(
            refused.source().unwrap().to_string().contains(expected),
            "{sql}: {refused:?}"
        );
        assert_eq!(next(&mut feed).await, Lost, "{sql}");
        let fault = feed.fault().unwrap().source().unwrap().to_string();
        assert!(fault.contains(expected), "{sql}: {fault}");
        psql(undo);
        assert_eq!(next(&mut feed).await, EVERYTHING, "{sql}");
        events_until(&mut feed, &Restored).await;
        store
            .check()
            .await
            .unwrap_or_else(|refusal| panic!("{undo}: {refusal}"));
        // The feed may notice the change of the trigger itself once more.
        events_so_far(&store, &mut feed).await;
    }
}

#[tokio::test]
async fn check_names_row_security_and_rights_of_other_roles() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let psql = |sql: &str| cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
    psql("CREATE ROLE stranger_test LOGIN");
    let tables = "organizations users memberships credentials uses events changes horizon \
                  compatibility _migrations";
    let mut table = Vec::new();
    for of in tables.split(' ') {
        let undo =
            format!("ALTER TABLE {of} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY");
        let expected = format!("row-level security is enabled on {of}");
        table.push((
            format!("ALTER TABLE {of} ENABLE ROW LEVEL SECURITY"),
            undo.clone(),
            expected.clone(),
        ));
        table.push((
            format!("ALTER TABLE {of} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
            undo,
            expected,
        ));
        for right in [
            "INSERT",
            "UPDATE",
            "DELETE",
            "TRUNCATE",
            "REFERENCES",
            "TRIGGER",
        ] {
            let undo = format!("REVOKE ALL ON {of} FROM PUBLIC");
            table.push((
                format!("GRANT {right} ON {of} TO PUBLIC"),
                undo,
                format!("PUBLIC has the right {right} on table"),
            ));
        }
    }
    for (sql, undo, expected) in [
        (
            "GRANT UPDATE (status) ON credentials TO PUBLIC",
            "REVOKE UPDATE (status) ON credentials FROM PUBLIC",
            "column status",
        ),
        (
            "GRANT EXECUTE ON FUNCTION log_change() TO PUBLIC",
            "REVOKE ALL ON FUNCTION log_change() FROM PUBLIC",
            "EXECUTE on function",
        ),
        (
            "CREATE FUNCTION public.theirs() RETURNS trigger \
             LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            ALTER FUNCTION public.theirs() OWNER TO stranger_test;
            CREATE TRIGGER theirs AFTER INSERT ON credentials EXECUTE FUNCTION public.theirs()",
            "DROP FUNCTION public.theirs() CASCADE",
            "\"theirs\" on credentials runs a function of the role \"stranger_test\"",
        ),
        (
            "DELETE FROM horizon",
            "INSERT INTO horizon (pruned_through) VALUES (pg_current_xact_id())",
            "horizon has 0 rows",
        ),
    ] {
        table.push((sql.into(), undo.into(), expected.into()));
    }
    for (sql, undo, expected) in &table {
        psql(sql);
        let named = broken(store.check().await, sql);
        assert!(
            named
                .iter()
                .any(|broken| broken.to_string().contains(expected)),
            "{sql}: {named:?}"
        );
        psql(&format!("SET client_min_messages = warning; {undo}"));
        store
            .check()
            .await
            .unwrap_or_else(|refusal| panic!("{undo}: {refusal}"));
    }
}

#[tokio::test]
async fn a_database_that_cannot_store_every_id_is_refused() {
    let Some(cluster) = pg::shared() else { return };
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = format!("{}_test", encoding.to_lowercase());
        cluster.psql(&format!(
            "CREATE DATABASE {database} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
        ));
        let pool = PgPoolOptions::new().connect_lazy_with(cluster.options().database(&database));
        let store = PostgresStore::new(pool.clone(), Catalogue::anyreach());
        for refused in [store.migrate().await, store.check().await] {
            let named = broken(refused, encoding);
            assert_eq!(
                named,
                [BrokenAssumption::Encoding {
                    encoding: encoding.into()
                }]
            );
        }
        let created = sqlx::query("SELECT FROM pg_namespace WHERE nspname = 'tower_api_key'");
        assert!(
            created.fetch_optional(&pool).await.unwrap().is_none(),
            "no schema is created"
        );
    }
}

#[tokio::test]
async fn a_server_that_can_lose_commits_is_refused_unless_allowed() {
    for setting in ["fsync", "full_page_writes"] {
        let Some(cluster) = pg::Cluster::start_with(&format!("-c {setting}=off")) else {
            return;
        };
        let store = cluster.unmigrated_store(&pg::fresh_schema());
        let named = broken(store.migrate().await, setting);
        assert_eq!(
            named,
            [BrokenAssumption::NotDurable {
                setting: setting.into()
            }]
        );
        store
            .clone()
            .danger_allow_lost_commits()
            .check()
            .await
            .unwrap();
        store
            .danger_allow_lost_commits()
            .with_schema("another")
            .unwrap()
            .migrate()
            .await
            .unwrap();
    }
}

/// Whatever the settings of the role or the database, an acknowledged commit has reached the disk.
#[tokio::test]
async fn an_acknowledged_change_is_durable() {
    let Some(cluster) = pg::Cluster::start_with("-c wal_writer_delay=10000 -c autovacuum=off")
    else {
        return;
    };
    let (_, schema) = store_in(&cluster).await;
    cluster.psql("ALTER DATABASE postgres SET synchronous_commit = off");
    let pool = PgPoolOptions::new().connect_lazy_with(cluster.options());
    let store = PostgresStore::new(pool.clone(), Catalogue::anyreach())
        .with_schema(&schema)
        .unwrap();
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(setting, "off");
    let position = |function: &str| {
        cluster
            .psql(&format!("SELECT {function}() - '0/0'"))
            .parse::<u64>()
            .unwrap()
    };
    for (name, outcome) in [
        (
            "organization",
            async { store.create_organization("o", None).await }.await,
        ),
        ("key", async { store.insert(feeds::key("k2")).await }.await),
    ] {
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let written = position("pg_current_wal_insert_lsn");
    store
        .delete(&Owner::of(Kind::OrgKey, "org_test"), "k_test")
        .await
        .unwrap();
    assert!(position("pg_current_wal_flush_lsn") > written, "revoked");
    let written = position("pg_current_wal_insert_lsn");
    store.set_user_enabled("user_test", false).await.unwrap();
    assert!(position("pg_current_wal_flush_lsn") > written, "disabled");
    let written = position("pg_current_wal_insert_lsn");
    cluster.psql(&format!("UPDATE {schema}.organizations SET deleted = true"));
    assert!(position("pg_current_wal_flush_lsn") > written, "by hand");
    let kept = format!(
        "BEGIN; SET LOCAL synchronous_commit = remote_apply; \
         UPDATE {schema}.users SET enabled = true; SHOW synchronous_commit; COMMIT"
    );
    assert_eq!(
        cluster.psql(&kept),
        "remote_apply",
        "a stronger setting is kept"
    );
}

#[tokio::test]
async fn a_dump_of_an_older_cluster_is_named_tolerated_and_repaired() {
    let (Some(old), Some(newer)) = (pg::Cluster::start(), pg::Cluster::start()) else {
        return;
    };
    old.psql(
        "DO 'BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'",
    );
    let (store, schema) = store_in(&old).await;
    assert!(store.prune(Duration::ZERO).await.unwrap() > 0);
    store.create_user("late").await.unwrap();
    newer.psql(&old.dump(&["-n", &schema]));

    let restored = newer.unmigrated_store(&schema);
    assert_eq!(
        broken(restored.check().await, "a dump"),
        [BrokenAssumption::ForeignLog]
    );
    let mut feed = restored.feed().await.unwrap();
    restored
        .delete(&Owner::of(Kind::OrgKey, "org_test"), "k_test")
        .await
        .unwrap();
    assert_eq!(
        events_so_far(&restored, &mut feed).await,
        [credential(Kind::OrgKey, "k_test")]
    );
    assert_eq!(
        events_so_far(&restored, &mut feed).await,
        [],
        "no event is emitted twice"
    );
    restored.set_user_enabled("user_test", false).await.unwrap();
    assert!(restored.prune(Duration::ZERO).await.unwrap() > 0);
    assert_eq!(
        events_so_far(&restored, &mut feed).await,
        [EVERYTHING],
        "a prune is noticed"
    );

    newer.psql(&format!(
        "INSERT INTO {schema}.changes (xid, subject) OVERRIDING SYSTEM VALUE \
         VALUES ('99999', 'user')"
    ));
    assert_eq!(
        broken(restored.check().await, "a row"),
        [BrokenAssumption::ForeignLog]
    );
    restored.migrate().await.unwrap();
    restored.check().await.unwrap();
    assert_eq!(events_so_far(&restored, &mut feed).await, [EVERYTHING]);
    restored.prune(Duration::ZERO).await.unwrap();
    assert_eq!(
        events_so_far(&restored, &mut feed).await,
        [],
        "pruning read rows is harmless again"
    );
}

#[tokio::test]
async fn a_dump_restored_in_place_is_noticed_by_a_running_feed() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let clean = cluster.dump(&["-n", &schema, "--clean", "--if-exists"]);
    let data = cluster.dump(&["-n", &schema, "--data-only", "--disable-triggers"]);
    let mut feed = store
        .feed()
        .await
        .unwrap()
        .with_keep_alive(Duration::from_millis(1), TEST_TIMEOUT);
    for in_one_transaction in [true, false] {
        match in_one_transaction {
            true => cluster.psql(&clean),
            false => clean
                .split_inclusive(";\n\n")
                .map(|part| cluster.psql(part))
                .collect(),
        };
        assert!(
            events_so_far(&store, &mut feed).await.contains(&EVERYTHING),
            "in one transaction: {in_one_transaction}"
        );
        store.check().await.unwrap();
    }
    // Restoring the rows alone leaves triggers that do not always fire.
    let tables = "organizations, users, memberships, credentials, owner_turns, uses, events, \
                  changes, horizon, expiry_watch, tombstones, compatibility, _migrations";
    cluster.psql(&format!(
        "SET search_path TO {schema}; TRUNCATE {tables}; {data}"
    ));
    let named = broken(store.check().await, "rows");
    assert!(
        named
            .iter()
            .any(|broken| broken.to_string().contains("ENABLE ALWAYS TRIGGER")),
        "{named:?}"
    );
    events_until(&mut feed, &Lost).await;
    for broken in named {
        let (_, remedy) = broken
            .to_string()
            .split_once(": ")
            .map(|(problem, remedy)| (problem.to_owned(), remedy.to_owned()))
            .unwrap();
        cluster.psql(&remedy);
    }
    assert!(
        events_until(&mut feed, &Restored)
            .await
            .contains(&EVERYTHING)
    );
    store.check().await.unwrap();
}

#[tokio::test]
async fn notifications_from_another_role_cause_a_bounded_number_of_reads() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    cluster.psql("CREATE ROLE noisy_test LOGIN");
    let scans = format!(
        "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables \
         WHERE relid = '{schema}.horizon'::regclass"
    );
    let mut feed = store
        .feed()
        .await
        .unwrap()
        .with_keep_alive(Duration::from_secs(3600), TEST_TIMEOUT);
    let noisy = PgPoolOptions::new().connect_lazy_with(cluster.options().username("noisy_test"));
    let begin = std::time::Instant::now();
    let notify = format!("NOTIFY {schema}_changes, 'test'");
    let noise = async {
        for _ in 0..3000 {
            noisy
                .execute(sqlx::AssertSqlSafe(notify.clone()))
                .await
                .unwrap();
        }
        store.create_user("last").await.unwrap();
    };
    let ((), event) = tokio::join!(noise, next(&mut feed));
    assert_eq!(event, feeds::user("last"), "the change is still emitted");
    let limit = begin.elapsed().as_millis() / 20 + 3;
    disconnect_feeds(cluster, &schema);
    drop(feed); // A connection reports its statistics when it ends.
    let alive = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{schema}_changes'"
    );
    while cluster.psql(&alive) != "0" {}
    let reads: u128 = cluster.psql(&scans).parse().unwrap();
    // The store itself read the table when it started.
    assert!(
        reads <= limit + 10,
        "{reads} reads, at most {limit} were due"
    );
}

#[tokio::test]
async fn an_altered_table_is_named() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let cases = [
        (
            "rule",
            "changes",
            "CREATE RULE mute AS ON INSERT TO changes DO INSTEAD NOTHING",
            "DROP RULE mute ON changes",
        ),
        (
            "rule",
            "credentials",
            "CREATE RULE mute AS ON UPDATE TO credentials DO INSTEAD NOTHING",
            "DROP RULE mute ON credentials",
        ),
        (
            "UNLOGGED",
            "changes",
            "ALTER TABLE changes SET UNLOGGED",
            "ALTER TABLE changes SET LOGGED",
        ),
        (
            "UNLOGGED",
            "memberships",
            "ALTER TABLE memberships SET UNLOGGED",
            "ALTER TABLE memberships SET LOGGED",
        ),
        (
            "trigger",
            "changes",
            "CREATE FUNCTION mute() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER mute BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION mute()",
            "DROP FUNCTION mute() CASCADE",
        ),
        (
            "default",
            "changes",
            "ALTER TABLE changes ALTER xid SET DEFAULT '3'",
            "ALTER TABLE changes ALTER xid SET DEFAULT pg_current_xact_id()",
        ),
        (
            "unique index",
            "credentials",
            "ALTER INDEX credentials_token_digest RENAME TO elsewhere",
            "ALTER INDEX elsewhere RENAME TO credentials_token_digest",
        ),
    ];
    for (what, table, harm, undo) in cases {
        cluster.psql(&format!("SET search_path TO {schema}; {harm}"));
        let named = broken(store.check().await, what);
        let about = |broken: &BrokenAssumption| {
            matches!(broken, BrokenAssumption::Altered { table: of, problem }
                if &**of == table && problem.contains(what))
        };
        assert!(named.iter().any(about), "{what} of {table}: {named:?}");
        if table == "changes" {
            assert!(
                store.feed().await.is_err(),
                "{what}: the feed would miss changes"
            );
        }
        cluster.psql(&format!("SET search_path TO {schema}; {undo}"));
        store.check().await.unwrap();
    }
    drop(store.feed().await.unwrap());
}
