//! The feed of PostgreSQL tells every committed change, whoever made it and whatever happened to the connection.

use crate::support::{feeds, pg, polled};
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    store::{Change, Directory, FeedEvent, ManageStore, Owner},
};

use std::time::Duration;

use feeds::{
    EVER, credential, end_listeners, key, next, organization, store_in, told_so_far, until, user,
};
use polled::{End, told_at_last};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tower_api_key_sqlx::PostgresStore;

use FeedEvent::{Changed, Lost, Restored};

#[tokio::test]
async fn whatever_a_person_at_a_terminal_changes_is_told() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let digest = "repeat('ab', 32)";
    let pat = credential(Kind::PersonalToken, "t");
    let everything = Changed(Change::Everything);
    let table = [
        ("revoke", "UPDATE credentials SET status = 'deleted'".into(), vec![credential(Kind::OrgKey, "k_test")]),
        ("organization", "UPDATE organizations SET deleted = true".into(), vec![organization("org_test")]),
        ("person", "UPDATE users SET enabled = false WHERE id = 'user_test'".into(), vec![user("user_test")]),
        ("member", "INSERT INTO memberships VALUES ('user_test', 'org_test', 'admin')".into(), vec![user("user_test")]),
        ("role", "UPDATE memberships SET role = 'viewer'".into(), vec![user("user_test")]),
        ("removal", "DELETE FROM memberships".into(), vec![user("user_test")]),
        (
            "token",
            format!(
                "INSERT INTO credentials (kind, id, digest, user_id) VALUES ('pat', 't', decode({digest}, 'hex'), 'user_test')"
            ),
            vec![pat.clone()],
        ),
        (
            "another id",
            "UPDATE credentials SET id = 'u' WHERE id = 't'".into(),
            vec![pat, credential(Kind::PersonalToken, "u")],
        ),
        ("row gone", "DELETE FROM credentials WHERE id = 'u'".into(), vec![credential(Kind::PersonalToken, "u")]),
        ("nothing", "UPDATE users SET enabled = false WHERE id = 'nobody'".into(), vec![]),
        ("rolled back", "BEGIN; UPDATE users SET enabled = true; ROLLBACK".into(), vec![]),
        (
            "without triggers' consent",
            "SET session_replication_role = replica; UPDATE users SET enabled = false WHERE id = 'user_test'".into(),
            vec![user("user_test")],
        ),
        ("emptied", "TRUNCATE credentials".into(), vec![everything.clone()]),
        ("log emptied", "TRUNCATE changes".into(), vec![everything]),
    ];
    for (name, sql, expected) in table {
        cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
        assert_eq!(told_so_far(&store, &mut feed).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_change_with_a_smaller_number_that_commits_later_is_told() {
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
        "nobody waits for the transaction that is still open"
    );
    early.commit().await.unwrap();
    assert_eq!(next(&mut feed).await, user("early"));

    let numbers = format!(
        "SELECT string_agg(id, ' ' ORDER BY seq) FROM {schema}.changes WHERE id IN ('early', 'late')"
    );
    assert_eq!(
        cluster.psql(&numbers),
        "early late",
        "the numbers were given out in the other order"
    );
    assert_eq!(
        told_so_far(&store, &mut feed).await,
        [],
        "nothing is told twice"
    );
}

#[tokio::test]
async fn all_that_happens_while_the_listener_is_lost_is_told_before_restored() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let ids: Vec<String> = (0..1000).map(|n| format!("k{n}")).collect();
    for id in &ids {
        store.insert(key(id)).await.unwrap();
    }
    let mut feed = store.feed().await.unwrap();
    end_listeners(cluster, &schema);
    assert_eq!(next(&mut feed).await, Lost);
    for id in &ids {
        store
            .delete(&Owner::of(Kind::OrgKey, "org_test"), id)
            .await
            .unwrap();
    }
    let told = until(&mut feed, &Restored).await;
    let (everything, changes) = told.split_first().unwrap();
    assert_eq!(
        *everything,
        Changed(Change::Everything),
        "a lost connection proves nothing"
    );
    assert!(
        changes
            .iter()
            .cloned()
            .eq(ids.iter().map(|id| credential(Kind::OrgKey, id))),
        "each change, in order"
    );
    assert_eq!(told_so_far(&store, &mut feed).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_falls_between_the_loss_and_the_next_listening() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    let writer = tokio::spawn({
        let (store, pool, schema) = (store.clone(), cluster.pool(), schema.clone());
        async move {
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{schema}_changes'"
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
    let told = until(&mut feed, &user("last")).await;
    writer.await.unwrap();
    let lost = told.iter().filter(|event| **event == Lost).count();
    assert!(lost > 0, "the listener was ended again and again");
    let expected: Vec<_> = (0..400).map(|n| user(&n.to_string())).collect();
    assert!(
        expected.iter().all(|event| told.contains(event)),
        "every one is told"
    );
}

#[tokio::test]
async fn a_follower_learns_that_the_log_was_pruned_past_it_and_only_then() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    store.create_user("a").await.unwrap();
    assert_eq!(next(&mut feed).await, user("a"));
    assert_eq!(told_so_far(&store, &mut feed).await, []);
    assert!(store.prune(Duration::ZERO).await.unwrap() > 0);
    assert_eq!(
        told_so_far(&store, &mut feed).await,
        [],
        "what it has read may go"
    );
    assert_eq!(
        store.prune(Duration::from_secs(3600)).await.unwrap(),
        0,
        "what is young stays"
    );

    end_listeners(cluster, &schema);
    assert_eq!(next(&mut feed).await, Lost);
    store.create_user("b").await.unwrap();
    store.prune(Duration::ZERO).await.unwrap();
    store.create_user("c").await.unwrap();
    assert_eq!(
        until(&mut feed, &Restored).await,
        [Changed(Change::Everything), user("c")]
    );
    assert_eq!(told_so_far(&store, &mut feed).await, [], "once");
}

#[tokio::test]
async fn very_many_changes_at_once_are_told_as_one_that_covers_all() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = store_in(cluster).await;
    let mut feed = store.feed().await.unwrap();
    cluster.psql(&format!(
        "INSERT INTO {schema}.users SELECT 'u' || n FROM generate_series(1, 10001) n"
    ));
    assert_eq!(next(&mut feed).await, Changed(Change::Everything));
    assert_eq!(told_so_far(&store, &mut feed).await, []);
}

#[tokio::test]
async fn a_server_that_falls_silent_counts_as_lost() {
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
        until(&mut feed, &Restored).await,
        [Changed(Change::Everything)]
    );
    assert_eq!(told_so_far(&store, &mut feed).await, []);
}

#[tokio::test]
async fn waiting_for_the_next_event_can_be_given_up_and_begun_again() {
    let Some(cluster) = pg::shared() else { return };
    for end in [End::Waiting, End::Woken] {
        let (store, schema) = store_in(cluster).await;
        // Nothing but the notification tells that there is something to read.
        let mut feed = store
            .feed()
            .await
            .unwrap()
            .with_keep_alive(Duration::from_secs(3600), EVER);
        for number in 0..10 {
            let id = format!("u{number}");
            store.create_user(&id).await.unwrap();
            assert_eq!(
                told_at_last(&mut feed, end).await,
                user(&id),
                "given up {end:?}"
            );
        }
        end_listeners(cluster, &schema);
        assert_eq!(told_at_last(&mut feed, end).await, Lost, "given up {end:?}");
        store.create_user("meanwhile").await.unwrap();
        for wanted in [Changed(Change::Everything), user("meanwhile"), Restored] {
            assert_eq!(
                told_at_last(&mut feed, end).await,
                wanted,
                "given up {end:?}"
            );
        }
        assert_eq!(
            told_so_far(&store, &mut feed).await,
            [],
            "nothing is told twice, given up {end:?}"
        );
    }
}

#[tokio::test]
async fn a_standby_that_takes_over_is_everything() {
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
    primary.is_replayed_by(&standby);

    pool.set_connect_options(standby.options());
    drop(primary);
    assert_eq!(next(&mut feed).await, Lost);
    standby.psql("SELECT pg_promote()");
    let there = standby.unmade_store(&schema);
    there.create_user("meanwhile").await.unwrap();
    let told = until(&mut feed, &Restored).await;
    assert_eq!(told.first(), Some(&Changed(Change::Everything)), "{told:?}");
    assert!(told.contains(&user("meanwhile")), "{told:?}");
    assert_eq!(told_so_far(&there, &mut feed).await, []);
}

#[tokio::test]
async fn a_feed_can_be_dropped_outside_of_the_runtime() {
    let Some(cluster) = pg::shared() else { return };
    let (store, _) = store_in(cluster).await;
    let feed = store.feed().await.unwrap();
    std::thread::spawn(move || drop(feed)).join().unwrap();
}

#[tokio::test]
async fn a_feed_cannot_begin_where_there_is_no_log() {
    let Some(cluster) = pg::shared() else { return };
    let error = cluster
        .unmade_store(&pg::fresh_schema())
        .feed()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
}

/// Anybody who may connect can fill the server's queue of notifications, after which nothing that notifies can commit.
#[tokio::test]
async fn changes_are_committed_and_told_while_the_queue_of_notifications_is_nearly_full() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = store_in(&cluster).await;
    let mut feed = store.feed().await.unwrap();
    // What the server says when somebody has filled 6 of its 8 GB.
    cluster.psql(
        "CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 LANGUAGE sql
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
    // Sessions that were there before may have planned with the old one.
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
        "the first that is heard"
    );
    assert_eq!(next(&mut feed).await, user("user_new"));
}
