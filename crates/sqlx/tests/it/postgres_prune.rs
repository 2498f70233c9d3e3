//! A follower of the PostgreSQL store notices every removal of log rows that it had not read.

use crate::support::{feeds, pg};
use tower_api_key::{
    credential::Kind,
    store::{Directory, Feed, FeedEvent, ManageStore, Owner},
};

use std::time::Duration;

use feeds::{EVERYTHING, credential, events_so_far, store_in, user};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

async fn run(connection: &mut PgConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

fn revoke(schema: &str, id: &str) -> String {
    format!("UPDATE {schema}.credentials SET status = 'deleted' WHERE id = '{id}'")
}

#[tokio::test]
async fn a_revocation_pruned_after_a_later_change_is_noticed() {
    let Some(cluster) = pg::shared() else { return };
    for reads_in_between in [false, true] {
        let (store, schema) = store_in(cluster).await;
        let mut feed = store.feed().await.unwrap();
        let mut early = cluster.connection().await;
        run(&mut early, "BEGIN").await;
        run(&mut early, &revoke(&schema, "k_test")).await;
        store.create_user("later").await.unwrap();
        assert!(
            store.prune(Duration::ZERO).await.unwrap() > 0,
            "the later change"
        );
        if reads_in_between {
            assert_eq!(
                feeds::next(&mut feed).await,
                EVERYTHING,
                "the later change was unread"
            );
        }
        run(&mut early, "COMMIT").await;
        assert_eq!(
            store.prune(Duration::ZERO).await.unwrap(),
            1,
            "the earlier change"
        );
        let events = events_so_far(&store, &mut feed).await;
        assert!(
            events.contains(&EVERYTHING),
            "read in between: {reads_in_between}, {events:?}"
        );
    }
}

#[tokio::test]
async fn a_long_log_is_pruned_to_its_end() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    store.prune(Duration::ZERO).await.unwrap();
    cluster.psql(&format!(
        "INSERT INTO {schema}.changes (subject, id) SELECT 'user', 'many' FROM generate_series(1, 20001)"
    ));
    assert_eq!(store.prune(Duration::ZERO).await.unwrap(), 20_001);
}

/// Three writers, prunes and reads run in an order that a seed decides. Each change must be emitted
/// after its commit, by itself or covered by `Everything`.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_emitted_in_any_order_of_commits_prunes_and_reads() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut writers = [
        cluster.connection().await,
        cluster.connection().await,
        cluster.connection().await,
    ];
    for seed in 0..60_u64 {
        let mut random = seed;
        let mut below = |limit: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % limit
        };
        let mut feed = store.feed().await.unwrap();
        let mut open: [Option<String>; 3] = [None, None, None];
        let mut missing: Vec<String> = Vec::new();
        for step in 0..25 {
            let writer = below(3) as usize;
            match below(4) {
                // Unlike `events_so_far`, makes no change of its own, which the next prune would
                // remove as the newest. Reading less is harmless.
                0 => {
                    while let Ok(Some(event)) =
                        tokio::time::timeout(Duration::from_millis(20), feed.next()).await
                    {
                        missing.retain(|id| event != EVERYTHING && event != user(id));
                    }
                }
                1 => drop(store.prune(Duration::ZERO).await.unwrap()),
                _ => match open[writer].take() {
                    None => {
                        let id = format!("u{seed}-{step}");
                        run(&mut writers[writer], "BEGIN").await;
                        let insert = format!("INSERT INTO {schema}.users (id) VALUES ('{id}')");
                        run(&mut writers[writer], &insert).await;
                        open[writer] = Some(id);
                    }
                    Some(id) => {
                        run(&mut writers[writer], "COMMIT").await;
                        missing.push(id);
                    }
                },
            }
        }
        for (writer, open) in writers.iter_mut().zip(open) {
            if let Some(id) = open {
                run(writer, "COMMIT").await;
                missing.push(id);
                store.prune(Duration::ZERO).await.unwrap();
            }
        }
        let events = events_so_far(&store, &mut feed).await;
        missing.retain(|id| !events.contains(&EVERYTHING) && !events.contains(&user(id)));
        assert_eq!(missing, Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn pruning_read_rows_is_harmless_even_during_a_long_transaction() {
    // Its own cluster: transactions of other tests that end meanwhile could also have lost rows.
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = store_in(&cluster).await;
    let mut feed = store.feed().await.unwrap();
    let mut long = cluster.connection().await;
    run(&mut long, "BEGIN").await;
    run(&mut long, &revoke(&schema, "k_test")).await;
    for round in 0..5 {
        let id = format!("u{round}");
        store.create_user(&id).await.unwrap();
        assert_eq!(
            events_so_far(&store, &mut feed).await,
            [user(&id)],
            "round {round}"
        );
        assert!(
            store.prune(Duration::ZERO).await.unwrap() > 0,
            "round {round}"
        );
        assert_eq!(events_so_far(&store, &mut feed).await, [], "round {round}");
    }
    run(&mut long, "COMMIT").await;
    assert_eq!(
        events_so_far(&store, &mut feed).await,
        [credential(Kind::OrgKey, "k_test")]
    );
    assert_eq!(
        store.prune(Duration::MAX).await.unwrap(),
        0,
        "no row is that old"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_commits_between_two_reads_is_noticed() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let prune = format!("DELETE FROM {schema}.changes");
    let (mut one, mut other) = (cluster.connection().await, cluster.connection().await);
    let mut first = one.begin().await.unwrap();
    first.execute(AssertSqlSafe(prune.clone())).await.unwrap();
    assert_eq!(
        events_so_far(&store, &mut feed).await,
        [],
        "an uncommitted prune"
    );
    store.create_user("unread").await.unwrap();
    // The second prune waits for the first, and removes what the first did not see.
    let second = tokio::spawn(async move {
        other
            .execute(AssertSqlSafe(prune))
            .await
            .map(|done| done.rows_affected())
    });
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND query LIKE '%{schema}.c%'"
    );
    while cluster.psql(&waits) != "1" {
        assert!(!second.is_finished(), "the second prune did not wait");
    }
    first.commit().await.unwrap();
    assert!(second.await.unwrap().unwrap() > 0);
    assert_eq!(events_so_far(&store, &mut feed).await, [EVERYTHING]);
    let row = format!("SELECT prunes FROM {schema}.horizon");
    assert_eq!(cluster.psql(&row), "2", "each prune is counted");
}

/// An unread log row is removed or altered in the named way, and the follower must notice.
#[tokio::test]
async fn every_manual_change_to_the_log_is_noticed() {
    let Some(cluster) = pg::shared() else { return };
    for (name, sql) in [
        ("delete", "DELETE FROM changes WHERE id = 'k_test'"),
        (
            "delete as replica",
            "SET session_replication_role = replica; DELETE FROM changes WHERE id = 'k_test'",
        ),
        ("truncate", "TRUNCATE changes"),
        (
            "truncate with others",
            "TRUNCATE changes, events RESTART IDENTITY",
        ),
        (
            "update",
            "UPDATE changes SET id = 'other' WHERE id = 'k_test'",
        ),
        ("update of the transaction", "UPDATE changes SET xid = '3'"),
        (
            "moved to another table",
            "WITH d AS (DELETE FROM changes RETURNING *) INSERT INTO events SELECT FROM d \
             WHERE false",
        ),
        (
            "without triggers",
            "BEGIN; ALTER TABLE changes DISABLE TRIGGER USER; DELETE FROM changes;
            ALTER TABLE changes ENABLE TRIGGER USER; \
            ALTER TABLE changes ENABLE ALWAYS TRIGGER pruned,
            ENABLE ALWAYS TRIGGER altered, ENABLE ALWAYS TRIGGER truncated; COMMIT",
        ),
        (
            "a copy in place of the table",
            "BEGIN; CREATE TABLE copy (LIKE changes INCLUDING ALL); DROP TABLE changes;
            ALTER TABLE copy RENAME TO changes;
            CREATE TRIGGER pruned AFTER DELETE ON changes REFERENCING OLD TABLE AS gone \
            EXECUTE FUNCTION move_horizon();
            CREATE TRIGGER altered AFTER UPDATE ON changes REFERENCING OLD TABLE AS gone \
            NEW TABLE AS come EXECUTE FUNCTION move_horizon();
            CREATE TRIGGER truncated AFTER TRUNCATE ON changes EXECUTE FUNCTION move_horizon();
            ALTER TABLE changes ENABLE ALWAYS TRIGGER pruned, ENABLE ALWAYS TRIGGER altered,
            ENABLE ALWAYS TRIGGER truncated; COMMIT",
        ),
    ] {
        let (store, schema) = store_in(cluster).await;
        let mut feed = store
            .feed()
            .await
            .unwrap()
            .with_keep_alive(Duration::ZERO, feeds::TEST_TIMEOUT);
        store
            .delete(&Owner::of(Kind::OrgKey, "org_test"), "k_test")
            .await
            .unwrap();
        cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
        let events: Vec<FeedEvent> = events_so_far(&store, &mut feed).await;
        assert!(events.contains(&EVERYTHING), "{name}: {events:?}");
        store
            .check()
            .await
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
}
