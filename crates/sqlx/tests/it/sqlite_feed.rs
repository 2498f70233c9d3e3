//! The SQLite feed emits every change, whichever program makes it.

use crate::support::poll;
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{
        Change, Directory, Feed,
        FeedEvent::{self, Changed, Lost, Restored},
        ManageStore, Owner, Record,
    },
};

use std::{path::Path, time::Duration};

use poll::{Cancel, next_despite_cancellation};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tower_api_key_sqlx::SqliteStore;

fn digest(id: &str) -> Digest {
    Digest::of(format!("feed-test-{id}").as_bytes())
}

fn key(id: &str) -> FeedEvent {
    Changed(Change::Credential {
        kind: Kind::OrgKey,
        id: id.into(),
    })
}

fn token(id: &str) -> FeedEvent {
    Changed(Change::Credential {
        kind: Kind::PersonalToken,
        id: id.into(),
    })
}

fn user(id: &str) -> FeedEvent {
    Changed(Change::User(id.into()))
}

fn organization(id: &str) -> FeedEvent {
    Changed(Change::Organization(id.into()))
}

async fn by_hand(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
}

/// The next event of the feed. Fails the test instead of hanging it when there is none.
async fn next(feed: &mut impl Feed) -> FeedEvent {
    tokio::time::timeout(Duration::from_secs(20), feed.next())
        .await
        .expect("the feed emits no event")
        .unwrap()
}

async fn assert_events(feed: &mut impl Feed, expected: &[FeedEvent]) {
    for event in expected {
        assert_eq!(next(feed).await, *event, "of {expected:?}");
    }
}

/// Seeds two organizations, a user in the first, a key and a token.
async fn seed(store: &SqliteStore) {
    store.create_organization("org_1", None).await.unwrap();
    store.create_organization("org_2", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "viewer").await.unwrap();
    let viewer = |id: &str| {
        Record::org_key(id, digest(id), "org_1")
            .with_role("viewer", store.catalogue())
            .unwrap()
    };
    store.insert(viewer("k")).await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
}

async fn file() -> (tempfile::TempDir, std::path::PathBuf, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap();
    (directory, path, store)
}

#[tokio::test]
async fn every_change_through_the_store_is_emitted_in_order() {
    let (_directory, _, in_file) = file().await;
    let in_memory = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    for store in [in_file, in_memory] {
        let mut feed = store.feed().await.unwrap();
        seed(&store).await;
        store.set_member("alice", "org_1", "admin").await.unwrap();
        store.remove_member("alice", "org_1").await.unwrap();
        store.remove_member("alice", "org_2").await.unwrap(); // no such membership, so no event
        store.set_user_enabled("alice", false).await.unwrap();
        store
            .insert(Record::personal_token("t", digest("other"), "alice"))
            .await
            .unwrap_err(); // refused
        store
            .delete(&Owner::of(Kind::OrgKey, "org_1"), "k")
            .await
            .unwrap();
        store
            .delete(&Owner::of(Kind::PersonalToken, "alice"), "t")
            .await
            .unwrap();
        store.delete_organization("org_2").await.unwrap();
        let created = [
            organization("org_1"),
            organization("org_2"),
            user("alice"),
            user("alice"),
            key("k"),
            token("t"),
        ];
        assert_events(&mut feed, &created).await;
        let changed = [
            user("alice"),
            user("alice"),
            user("alice"),
            key("k"),
            token("t"),
            organization("org_2"),
        ];
        assert_events(&mut feed, &changed).await;
    }
}

#[tokio::test]
async fn every_change_by_hand_is_emitted() {
    let (_directory, path, store) = file().await;
    seed(&store).await;
    let mut feed = store.feed().await.unwrap();
    let cases: [(&str, &[FeedEvent]); 14] = [
        (
            "UPDATE tower_api_key_credentials SET status = 'disabled' WHERE id = 'k'",
            &[key("k")],
        ),
        (
            "UPDATE tower_api_key_credentials SET expires_at = 0",
            &[key("k"), token("t")],
        ),
        (
            "UPDATE tower_api_key_credentials SET id = 'k2' WHERE id = 'k'",
            &[key("k"), key("k2")],
        ),
        (
            "DELETE FROM tower_api_key_credentials WHERE kind = 'org_key'",
            &[key("k2")],
        ),
        (
            "REPLACE INTO tower_api_key_credentials (kind, id, digest, user_id)
                SELECT 'pat', 't2', digest, 'alice' FROM tower_api_key_credentials WHERE id = 't'",
            &[token("t"), token("t2")],
        ),
        (
            "UPDATE tower_api_key_users SET enabled = 0",
            &[user("alice")],
        ),
        (
            "INSERT INTO tower_api_key_users (id) VALUES ('bob')",
            &[user("bob")],
        ),
        (
            "UPDATE tower_api_key_users SET id = 'rob' WHERE id = 'bob'",
            &[user("bob"), user("rob")],
        ),
        (
            "UPDATE tower_api_key_memberships SET role = 'admin'",
            &[user("alice")],
        ),
        (
            "UPDATE tower_api_key_memberships SET user_id = 'rob'",
            &[user("alice"), user("rob")],
        ),
        ("DELETE FROM tower_api_key_memberships", &[user("rob")]),
        (
            "DELETE FROM tower_api_key_users WHERE id = 'rob'",
            &[user("rob")],
        ),
        (
            "UPDATE tower_api_key_organizations SET deleted = 1 WHERE id = 'org_1'",
            &[organization("org_1")],
        ),
        (
            "DELETE FROM tower_api_key_organizations",
            &[organization("org_1"), organization("org_2")],
        ),
    ];
    for (sql, expected) in cases {
        by_hand(&path, sql).await;
        assert_events(&mut feed, expected).await;
    }
}

#[tokio::test]
async fn a_rolled_back_change_is_not_emitted() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    by_hand(
        &path,
        "BEGIN; INSERT INTO tower_api_key_users (id) VALUES ('ghost'); ROLLBACK",
    )
    .await;
    by_hand(
        &path,
        "INSERT INTO tower_api_key_users (id) VALUES ('real')",
    )
    .await;
    assert_events(&mut feed, &[user("real")]).await;
}

#[tokio::test]
async fn more_changes_than_one_batch_are_all_emitted() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    let count = 3500;
    by_hand(&path, &insert_users(count)).await;
    for number in 1..=count {
        assert_events(&mut feed, &[user(&format!("u{number}"))]).await;
    }
}

fn insert_users(count: usize) -> String {
    format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
        INSERT INTO tower_api_key_users (id) SELECT 'u' || n FROM n"
    )
}

#[tokio::test]
async fn the_log_is_bounded_and_a_late_follower_gets_everything() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    by_hand(&path, &insert_users(10_001)).await;
    assert_events(&mut feed, &[Changed(Change::Everything)]).await;
    assert_events(&mut feed, &[user("u2")]).await;
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM tower_api_key_changes")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(kept, 10_000);
}

#[tokio::test]
async fn an_emptied_cut_or_reset_log_is_emitted_as_everything() {
    for damage in [
        "DELETE FROM tower_api_key_changes", // after the change, so that the feed cannot read it
        "DELETE FROM tower_api_key_changes WHERE id = 'a'",
        "DELETE FROM tower_api_key_changes; DELETE FROM sqlite_sequence",
        "DELETE FROM tower_api_key_changes; UPDATE sqlite_sequence SET seq = 1",
    ] {
        let (_directory, path, store) = file().await;
        seed(&store).await;
        let mut feed = store.feed().await.unwrap();
        let change = "INSERT INTO tower_api_key_users (id) VALUES ('a'); \
                      INSERT INTO tower_api_key_users (id) VALUES ('b')";
        by_hand(&path, &format!("BEGIN; {change}; {damage}; COMMIT")).await;
        assert_eq!(
            next(&mut feed).await,
            Changed(Change::Everything),
            "{damage}"
        );
        by_hand(&path, "INSERT INTO tower_api_key_users (id) VALUES ('c')").await;
        while next(&mut feed).await != user("c") {}
    }
}

#[tokio::test]
async fn an_unknown_log_row_is_emitted_as_everything() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    for (name, sql) in [
        (
            "unknown kind",
            "INSERT INTO tower_api_key_changes (subject, kind, id) \
             VALUES ('credential', 'cookie', 'x')",
        ),
        (
            "id not UTF-8",
            "INSERT INTO tower_api_key_users (id) VALUES (CAST(x'ff' AS TEXT))",
        ),
        (
            "kind not UTF-8",
            "INSERT INTO tower_api_key_changes (subject, kind, id) \
             VALUES ('credential', CAST(x'ff' AS TEXT), 'x')",
        ),
        (
            "age beyond 64 bits",
            "INSERT INTO tower_api_key_changes (at, subject, kind, id) \
             VALUES (-9223372036854775808, 'credential', 'cookie', 'x')",
        ),
        (
            "from the future",
            "INSERT INTO tower_api_key_changes (at, subject, kind, id) \
             VALUES (9223372036854775807, 'credential', 'cookie', 'x')",
        ),
    ] {
        by_hand(&path, sql).await;
        assert_eq!(next(&mut feed).await, Changed(Change::Everything), "{name}");
        let id = name.replace(' ', "-");
        store.create_user(&id).await.unwrap();
        assert_eq!(
            next(&mut feed).await,
            user(&id),
            "the feed continues after {name}"
        );
    }
}

#[tokio::test]
async fn a_lost_feed_emits_lost_once_and_catches_up_before_restored() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    store.create_user("before").await.unwrap();
    assert_events(&mut feed, &[user("before")]).await;
    // The log cannot be read while it is renamed; SQLite renames it in the triggers too.
    by_hand(
        &path,
        "ALTER TABLE tower_api_key_changes RENAME TO elsewhere",
    )
    .await;
    assert_events(&mut feed, &[Lost]).await;
    tokio::time::pause();
    let more = tokio::time::timeout(Duration::from_secs(10), feed.next()).await;
    assert!(more.is_err(), "{more:?}");
    tokio::time::resume();
    by_hand(&path, &insert_users(2500)).await;
    by_hand(
        &path,
        "ALTER TABLE elsewhere RENAME TO tower_api_key_changes",
    )
    .await;
    // The schema changed, so perhaps not everything was logged.
    assert_events(&mut feed, &[Changed(Change::Everything)]).await;
    for number in 1..=2500 {
        assert_events(&mut feed, &[user(&format!("u{number}"))]).await;
    }
    assert_events(&mut feed, &[Restored]).await;
    store.create_user("after").await.unwrap();
    assert_events(&mut feed, &[user("after")]).await;
}

#[tokio::test]
async fn next_is_cancel_safe() {
    for cancel in [Cancel::WhenPending, Cancel::WhenWoken] {
        let (_directory, path, store) = file().await;
        let mut feed = store
            .feed()
            .await
            .unwrap()
            .with_poll_interval(Duration::ZERO);
        for number in 0..10 {
            let id = format!("u{number}");
            store.create_user(&id).await.unwrap();
            assert_eq!(
                next_despite_cancellation(&mut feed, cancel).await,
                user(&id),
                "cancelled {cancel:?}"
            );
        }
        by_hand(
            &path,
            "ALTER TABLE tower_api_key_changes RENAME TO elsewhere",
        )
        .await;
        assert_eq!(
            next_despite_cancellation(&mut feed, cancel).await,
            Lost,
            "cancelled {cancel:?}"
        );
        by_hand(
            &path,
            "INSERT INTO tower_api_key_users (id) VALUES ('meanwhile')",
        )
        .await;
        by_hand(
            &path,
            "ALTER TABLE elsewhere RENAME TO tower_api_key_changes",
        )
        .await;
        for expected in [Changed(Change::Everything), user("meanwhile"), Restored] {
            assert_eq!(
                next_despite_cancellation(&mut feed, cancel).await,
                expected,
                "cancelled {cancel:?}"
            );
        }
    }
}

/// A bulk import, for example, drops the triggers first.
#[tokio::test]
async fn a_missing_log_trigger_loses_the_feed_until_it_is_back() {
    let (_directory, path, store) = file().await;
    let mut feed = store.feed().await.unwrap();
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    let triggers: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&mut db)
            .await
            .unwrap();
    assert!(triggers.len() > 20);
    for (name, sql) in triggers {
        by_hand(&path, &format!("DROP TRIGGER {name}")).await;
        assert_events(&mut feed, &[Lost]).await;
        let started = store.feed().await.map(drop).unwrap_err();
        assert_eq!(
            started.code(),
            "store_unavailable",
            "a feed must not start without {name}"
        );
        let checked = store.check().await.unwrap_err().to_string();
        assert!(checked.contains(&name), "{name}: {checked}");
        by_hand(&path, &sql).await;
        assert_events(&mut feed, &[Changed(Change::Everything), Restored]).await;
        // Too fast for the feed to see the trigger missing.
        by_hand(&path, &format!("BEGIN; DROP TRIGGER {name}; {sql}; COMMIT")).await;
        assert_events(&mut feed, &[Changed(Change::Everything)]).await;
    }
    store.check().await.unwrap();
}

/// For example after `.restore` in `sqlite3` and other changes up to the same number.
#[tokio::test]
async fn a_log_reset_and_grown_to_the_same_length_is_emitted_as_everything() {
    let (_directory, path, store) = file().await;
    seed(&store).await;
    let mut feed = store.feed().await.unwrap();
    let before = "SELECT max(seq) FROM tower_api_key_changes";
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    let last: i64 = sqlx::query_scalar(before).fetch_one(&mut db).await.unwrap();
    store.create_user("undone").await.unwrap();
    assert_events(&mut feed, &[user("undone")]).await;
    let sql = format!(
        "BEGIN; DELETE FROM tower_api_key_users WHERE id = 'undone';
         DELETE FROM tower_api_key_changes WHERE seq > {last};
         UPDATE sqlite_sequence SET seq = {last} WHERE name = 'tower_api_key_changes';
         INSERT INTO tower_api_key_users (id) VALUES ('other');
         UPDATE tower_api_key_changes SET at = at + 1 WHERE seq > {last}; COMMIT"
    );
    by_hand(&path, &sql).await;
    assert_events(&mut feed, &[Changed(Change::Everything)]).await;
}

/// REPLACE and UPDATE OR REPLACE remove conflicting rows without firing delete triggers.
#[tokio::test]
async fn every_replaced_row_is_emitted() {
    const INSERT: &str = "INSERT OR REPLACE INTO tower_api_key_credentials
        (kind, id, digest, organization_id, role, user_id, idempotency_key, request_hash)";
    let (_directory, path, store) = file().await;
    seed(&store).await;
    store
        .insert(Record::personal_token("other", digest("other"), "alice"))
        .await
        .unwrap();
    store
        .insert(
            Record::org_key("other", digest("other"), "org_1")
                .with_role("viewer", store.catalogue())
                .unwrap(),
        )
        .await
        .unwrap();
    let mut feed = store.feed().await.unwrap();
    let keyed =
        "UPDATE tower_api_key_credentials SET idempotency_key = 'x', request_hash = zeroblob(32)";
    let mut cases: Vec<(String, Vec<FeedEvent>)> = Vec::new();
    for (kind, id) in [("org_key", "k"), ("pat", "t")] {
        let update = format!("{keyed} WHERE kind = '{kind}' AND id = '{id}'");
        cases.push((update, Vec::new())); // it changes no answer
    }
    let others = "UPDATE OR REPLACE tower_api_key_credentials SET";
    cases.extend([
        (
            format!(
                "{others} idempotency_key = 'x', request_hash = zeroblob(32) \
                 WHERE kind = 'org_key' AND id = 'other'"
            ),
            vec![key("k")],
        ),
        (
            format!(
                "{others} idempotency_key = 'x', request_hash = zeroblob(32) WHERE kind = 'pat' \
                 AND id = 'other'"
            ),
            vec![token("t")],
        ),
        (
            format!(
                "{INSERT} VALUES ('org_key', 'new', zeroblob(32), 'org_1', 'viewer', NULL, 'x', \
                 zeroblob(32))"
            ),
            vec![key("other"), key("new")],
        ),
        (
            format!(
                "{INSERT} VALUES ('pat', 'new', zeroblob(32), NULL, NULL, 'alice', 'x', \
                 zeroblob(32))"
            ),
            vec![token("other"), token("new")],
        ),
        (
            format!(
                "{INSERT} VALUES ('pat', 'newer', zeroblob(32), NULL, NULL, 'alice', NULL, NULL)"
            ),
            vec![token("new"), token("newer")],
        ),
        (
            format!(
                "{INSERT} VALUES ('pat', 'newest', x'{}', NULL, NULL, 'alice', NULL, NULL)",
                "01".repeat(32)
            ),
            vec![token("newest")],
        ),
        (
            format!("{others} digest = zeroblob(32) WHERE kind = 'pat' AND id = 'newest'"),
            vec![token("newer"), token("newest")],
        ),
        (
            format!(
                "{INSERT} VALUES ('pat', 'newest', zeroblob(32), NULL, NULL, 'alice', NULL, NULL)"
            ),
            vec![token("newest")],
        ),
    ]);
    for (sql, expected) in cases {
        by_hand(&path, &sql).await;
        for expected in expected {
            assert_eq!(next(&mut feed).await, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn log_rows_cannot_be_replaced() {
    let (_directory, path, store) = file().await;
    seed(&store).await;
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    for sql in [
        "REPLACE INTO tower_api_key_changes (seq, subject, id) SELECT max(seq), 'user', 'x' \
         FROM tower_api_key_changes",
        "UPDATE OR REPLACE tower_api_key_changes SET seq = 1 WHERE seq = 2",
        "UPDATE tower_api_key_changes SET seq = 1000 WHERE seq = 2",
    ] {
        let refused = sqlx::query(sql).execute(&mut db).await.unwrap_err();
        assert!(
            refused.to_string().contains("not rewritten"),
            "{sql}: {refused}"
        );
    }
}

#[tokio::test]
async fn debug_output_contains_no_pragma() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteStore::options(directory.path().join("keys.db"))
        .pragma("key", "'test-canary-pragma'");
    let pool = sqlx::SqlitePool::connect_lazy_with(options);
    let store = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap();
    let feed = store.feed().await.unwrap();
    for (name, output) in [
        ("SqliteStore {", format!("{store:?} {store:#?}")),
        ("SqliteFeed {", format!("{feed:?} {feed:#?}")),
    ] {
        assert!(output.starts_with(name), "{output}");
        assert!(!output.contains("canary"), "{output}");
    }
}
