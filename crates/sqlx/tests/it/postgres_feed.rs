//! The PostgreSQL feed emits every committed change, from any client and despite lost connections.

use crate::support::{feeds, pg, poll};
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    store::{Change, Directory, FeedEvent, ManageStore, Owner},
};

use std::time::Duration;

use feeds::{
    TEST_TIMEOUT, credential, disconnect_feeds, events_so_far, events_until, key, next,
    organization, store_in, user,
};
use poll::{Cancel, next_despite_cancellation};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tower_api_key_sqlx::PostgresStore;

use FeedEvent::{Changed, Lost, Restored};

#[tokio::test]
async fn changes_made_by_hand_are_emitted() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let digest = "repeat('ab', 32)";
    let pat = credential(Kind::PersonalToken, "t");
    let everything = Changed(Change::Everything);
    let table = [
        (
            "revoke",
            "UPDATE credentials SET status = 'deleted'".into(),
            vec![credential(Kind::OrgKey, "k_test")],
        ),
        (
            "organization",
            "UPDATE organizations SET deleted = true".into(),
            vec![organization("org_test")],
        ),
        (
            "user",
            "UPDATE users SET enabled = false WHERE id = 'user_test'".into(),
            vec![user("user_test")],
        ),
        (
            "member",
            "INSERT INTO memberships VALUES ('user_test', 'org_test', 'admin')".into(),
            vec![user("user_test")],
        ),
        (
            "role",
            "UPDATE memberships SET role = 'viewer'".into(),
            vec![user("user_test")],
        ),
        (
            "removal",
            "DELETE FROM memberships".into(),
            vec![user("user_test")],
        ),
        (
            "token",
            format!(
                "INSERT INTO credentials (kind, id, digest, user_id) \
                 VALUES ('pat', 't', decode({digest}, 'hex'), 'user_test')"
            ),
            vec![pat.clone()],
        ),
        (
            "another id",
            "UPDATE credentials SET id = 'u' WHERE id = 't'".into(),
            vec![pat, credential(Kind::PersonalToken, "u")],
        ),
        (
            "deleted row",
            "DELETE FROM credentials WHERE id = 'u'".into(),
            vec![credential(Kind::PersonalToken, "u")],
        ),
        (
            "no such row",
            "UPDATE users SET enabled = false WHERE id = 'nobody'".into(),
            vec![],
        ),
        (
            "rolled back",
            "BEGIN; UPDATE users SET enabled = true; ROLLBACK".into(),
            vec![],
        ),
        (
            "with ordinary triggers off",
            "SET session_replication_role = replica; \
             UPDATE users SET enabled = false WHERE id = 'user_test'"
                .into(),
            vec![user("user_test")],
        ),
        (
            "truncated",
            "TRUNCATE credentials".into(),
            vec![everything.clone()],
        ),
        ("truncated log", "TRUNCATE changes".into(), vec![everything]),
    ];
    for (name, sql, expected) in table {
        cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
        assert_eq!(events_so_far(&store, &mut feed).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_change_with_a_lower_number_that_commits_later_is_emitted() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let insert = |id| AssertSqlSafe(format!("INSERT INTO {schema}.users (id) VALUES ('{id}')"));
    let (mut one, mut other) = (cluster.connection().await, cluster.connection().await);
    let mut early = one.begin().await.unwrap();
    early.execute(insert("early")).await.unwrap();
    let mut late = other.begin().await.unwrap();
    late.execute(insert("late")).await.unwrap();

    late.commit().await.unwrap();
    assert_eq!(
        next(&mut feed).await,
        user("late"),
        "the feed does not wait for an open transaction"
    );
    early.commit().await.unwrap();
    assert_eq!(next(&mut feed).await, user("early"));

    let numbers = format!(
        "SELECT string_agg(id, ' ' ORDER BY seq) FROM {schema}.changes \
         WHERE id IN ('early', 'late')"
    );
    assert_eq!(
        cluster.psql(&numbers),
        "early late",
        "the numbers were assigned in the other order"
    );
    assert_eq!(
        events_so_far(&store, &mut feed).await,
        [],
        "no event is emitted twice"
    );
}

/// A server's clock can be set back between a change and its reading.
#[tokio::test]
async fn a_change_is_emitted_whatever_time_it_has() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    for at in ["2300-01-01", "4713-01-01 BC", "infinity", "-infinity"] {
        cluster.psql(&format!(
            "INSERT INTO {schema}.changes (at, subject, id) VALUES ('{at}', 'user', '{at}'); \
             SELECT {schema}.announce('{schema}_changes')"
        ));
        assert_eq!(next(&mut feed).await, user(at));
    }
}

#[tokio::test]
async fn changes_during_a_disconnect_are_emitted_before_restored() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let ids: Vec<String> = (0..1000).map(|n| format!("k{n}")).collect();
    for id in &ids {
        store.insert(key(id)).await.unwrap();
    }
    let mut feed = store.feed().await.unwrap();
    disconnect_feeds(cluster, &schema);
    assert_eq!(next(&mut feed).await, Lost);
    for id in &ids {
        store
            .delete(&Owner::of(Kind::OrgKey, "org_test"), id)
            .await
            .unwrap();
    }
    let events = events_until(&mut feed, &Restored).await;
    let (everything, changes) = events.split_first().unwrap();
    assert_eq!(
        *everything,
        Changed(Change::Everything),
        "after a disconnect, anything may have changed"
    );
    assert!(
        changes
            .iter()
            .cloned()
            .eq(ids.iter().map(|id| credential(Kind::OrgKey, id))),
        "each change, in order"
    );
    assert_eq!(events_so_far(&store, &mut feed).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_missed_while_the_feed_reconnects() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let writer = tokio::spawn({
        let (store, pool, schema) = (store.clone(), cluster.pool(), schema.clone());
        async move {
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = '{schema}_changes'"
            );
            for n in 0..400 {
                store.create_user(&n.to_string()).await.unwrap();
                if n % 7 == 0 {
                    pool.execute(AssertSqlSafe(end.clone())).await.unwrap();
                }
            }
            store.create_user("last").await.unwrap();
        }
    });
    let events = events_until(&mut feed, &user("last")).await;
    writer.await.unwrap();
    let lost = events.iter().filter(|event| **event == Lost).count();
    assert!(lost > 0, "the listener was disconnected repeatedly");
    let expected: Vec<_> = (0..400).map(|n| user(&n.to_string())).collect();
    assert!(
        expected.iter().all(|event| events.contains(event)),
        "every change is emitted"
    );
}

/// In a cluster of its own: while another transaction runs anywhere in the cluster, a prune may count
/// as one of unread rows.
#[tokio::test]
async fn a_follower_is_notified_only_when_unread_rows_are_pruned() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = store_in(&cluster).await;
    let mut feed = store.feed().await.unwrap();
    store.create_user("a").await.unwrap();
    assert_eq!(next(&mut feed).await, user("a"));
    assert_eq!(events_so_far(&store, &mut feed).await, []);
    assert!(store.prune(Duration::ZERO).await.unwrap() > 0);
    assert_eq!(
        events_so_far(&store, &mut feed).await,
        [],
        "pruning read rows is harmless"
    );
    assert_eq!(
        store.prune(Duration::from_secs(3600)).await.unwrap(),
        0,
        "recent rows are kept"
    );

    disconnect_feeds(&cluster, &schema);
    assert_eq!(next(&mut feed).await, Lost);
    store.create_user("b").await.unwrap();
    store.prune(Duration::ZERO).await.unwrap();
    store.create_user("c").await.unwrap();
    assert_eq!(
        events_until(&mut feed, &Restored).await,
        [Changed(Change::Everything), user("c")]
    );
    assert_eq!(events_so_far(&store, &mut feed).await, [], "reported once");
}

/// As after a step of the server's clock: the change was logged a day later than it is read.
#[tokio::test]
async fn a_change_from_the_future_is_emitted() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    cluster.psql(&format!(
        "INSERT INTO {schema}.changes (at, subject, id) \
         VALUES (clock_timestamp() + interval '1 day', 'user', 'ahead')"
    ));
    assert_eq!(events_so_far(&store, &mut feed).await, [user("ahead")]);
}

#[tokio::test]
async fn very_many_changes_at_once_are_emitted_as_everything() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    cluster.psql(&format!(
        "INSERT INTO {schema}.users SELECT 'u' || n FROM generate_series(1, 10001) n"
    ));
    assert_eq!(next(&mut feed).await, Changed(Change::Everything));
    assert_eq!(events_so_far(&store, &mut feed).await, []);
}

#[tokio::test]
async fn a_frozen_server_counts_as_lost() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, _) = store_in(&cluster).await;
    let short = Duration::from_millis(50);
    let mut feed = store
        .feed()
        .await
        .unwrap()
        .with_keep_alive(short, Duration::from_secs(1));
    let frozen = cluster.freeze();
    assert_eq!(next(&mut feed).await, Lost);
    drop(frozen);
    assert_eq!(
        events_until(&mut feed, &Restored).await,
        [Changed(Change::Everything)]
    );
    assert_eq!(events_so_far(&store, &mut feed).await, []);
}

#[tokio::test]
async fn next_is_cancel_safe() {
    let Some(cluster) = pg::shared() else { return };
    for cancel in [Cancel::WhenPending, Cancel::WhenWoken] {
        let (store, schema) = store_in(cluster).await;
        // With such a long keep-alive, only the notification triggers a read.
        let mut feed = store
            .feed()
            .await
            .unwrap()
            .with_keep_alive(Duration::from_secs(3600), TEST_TIMEOUT);
        for number in 0..10 {
            let id = format!("u{number}");
            store.create_user(&id).await.unwrap();
            assert_eq!(
                next_despite_cancellation(&mut feed, cancel).await,
                user(&id),
                "cancelled {cancel:?}"
            );
        }
        disconnect_feeds(cluster, &schema);
        assert_eq!(
            next_despite_cancellation(&mut feed, cancel).await,
            Lost,
            "cancelled {cancel:?}"
        );
        store.create_user("meanwhile").await.unwrap();
        for wanted in [Changed(Change::Everything), user("meanwhile"), Restored] {
            assert_eq!(
                next_despite_cancellation(&mut feed, cancel).await,
                wanted,
                "cancelled {cancel:?}"
            );
        }
        assert_eq!(
            events_so_far(&store, &mut feed).await,
            [],
            "no event is emitted twice, cancelled {cancel:?}"
        );
    }
}

#[tokio::test]
async fn a_failover_to_a_standby_is_emitted_as_everything() {
    let Some(primary) = pg::Cluster::start() else {
        return;
    };
    let schema = pg::fresh_schema();
    let pool = primary.pool();
    let store = PostgresStore::new(pool.clone(), Catalogue::anyreach())
        .with_schema(&schema)
        .unwrap();
    store.migrate().await.unwrap();
    let mut feed = store.feed().await.unwrap();
    let standby = primary.standby();
    store.create_user("replicated").await.unwrap();
    assert_eq!(next(&mut feed).await, user("replicated"));
    primary.wait_for_replay_by(&standby);

    pool.set_connect_options(standby.options());
    drop(primary);
    assert_eq!(next(&mut feed).await, Lost);
    standby.psql("SELECT pg_promote()");
    let promoted = standby.unmigrated_store(&schema);
    promoted.create_user("meanwhile").await.unwrap();
    let events = events_until(&mut feed, &Restored).await;
    assert_eq!(
        events.first(),
        Some(&Changed(Change::Everything)),
        "{events:?}"
    );
    assert!(events.contains(&user("meanwhile")), "{events:?}");
    assert_eq!(events_so_far(&promoted, &mut feed).await, []);
}

#[tokio::test]
async fn a_feed_can_be_dropped_outside_the_runtime() {
    let Some(cluster) = pg::shared() else { return };
    let (store, _) = store_in(cluster).await;
    let feed = store.feed().await.unwrap();
    std::thread::spawn(move || drop(feed)).join().unwrap();
}

#[tokio::test]
async fn a_feed_cannot_start_without_a_log() {
    let Some(cluster) = pg::shared() else { return };
    let error = cluster
        .unmigrated_store(&pg::fresh_schema())
        .feed()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
}

/// Any role that may connect can fill the server's notification queue, after which no transaction
/// that notifies can commit.
#[tokio::test]
async fn changes_are_committed_and_emitted_while_the_notification_queue_is_nearly_full() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = store_in(&cluster).await;
    let mut feed = store.feed().await.unwrap();
    // What the server reports when 6 of the queue's 8 GB are in use.
    cluster.psql(
        "CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 \
         LANGUAGE sql
        AS 'SELECT 0.75::float8'",
    );
    let refused = store.check().await.unwrap_err();
    assert!(
        refused.to_string().contains("queue of notifications"),
        "{refused}"
    );
    let mut listener = sqlx::postgres::PgListener::connect_with(&cluster.pool())
        .await
        .unwrap();
    let channels: Vec<String> =
        sqlx::query_scalar("SELECT nspname || '_changes' FROM pg_namespace")
            .fetch_all(&cluster.pool())
            .await
            .unwrap();
    listener
        .listen_all(channels.iter().map(String::as_str))
        .await
        .unwrap();
    // Sessions opened earlier may have planned with the old function.
    cluster.psql(&format!(
        "INSERT INTO {schema}.users (id) VALUES ('user_new')"
    ));
    sqlx::query("NOTIFY public_changes")
        .execute(&cluster.pool())
        .await
        .unwrap();
    assert_eq!(
        listener.recv().await.unwrap().channel(),
        "public_changes",
        "no other notification comes first"
    );
    assert_eq!(next(&mut feed).await, user("user_new"));
}
