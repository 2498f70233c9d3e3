//! What a service calls when it starts, when it stops, and once a day.

use std::time::Duration;

use tokio::time::timeout;
use tower_api_key::{
    scope::Catalogue,
    store::{Directory, Feed, FeedEvent},
};
use tower_api_key_sqlx::{PostgresStore, SqliteStore};

use super::{MAX_POLLS, postgres, sqlite};
use crate::support::{
    feeds::{TEST_TIMEOUT, store_in, user},
    pg,
    poll::{Cancel, poll_at_most},
};

/// The calls that are dropped here.
pub(super) const CALLS: [&str; 13] = [
    "PostgresStore::check",
    "PostgresStore::close",
    "PostgresStore::connect",
    "PostgresStore::feed",
    "PostgresStore::migrate",
    "PostgresStore::prune",
    "SqliteStore::check",
    "SqliteStore::close",
    "SqliteStore::feed",
    "SqliteStore::from_pool",
    "SqliteStore::in_memory",
    "SqliteStore::open",
    "SqliteStore::open_existing",
];

/// Drops `call` after each number of polls until it completes; `check` follows each time.
async fn drop_everywhere<T>(
    name: &str,
    call: impl AsyncFnMut(usize) -> T,
    check: impl AsyncFnMut(usize),
) {
    drop_after(0..MAX_POLLS, name, call, check).await;
}

/// Like [`drop_everywhere`], after these numbers of polls.
async fn drop_after<T>(
    points: impl Iterator<Item = usize>,
    name: &str,
    mut call: impl AsyncFnMut(usize) -> T,
    mut check: impl AsyncFnMut(usize),
) {
    assert!(CALLS.contains(&name));
    for polls in points {
        let done = poll_at_most(call(polls), polls, Cancel::WhenPending).await;
        let check = timeout(TEST_TIMEOUT, check(polls)).await;
        check.unwrap_or_else(|_| panic!("{name} holds something after {polls} polls"));
        if done.is_some() {
            println!("{name}: {polls} points to drop it at");
            return;
        }
    }
    panic!("{name} is polled too often");
}

/// The next event is the creation of a user who is created now.
async fn follows(store: &impl Directory, feed: &mut impl Feed) {
    let id = pg::fresh_schema();
    store.create_user(&id).await.unwrap();
    let expected: FeedEvent = user(&id);
    while feed.next().await.as_ref() != Some(&expected) {}
}

#[tokio::test]
async fn postgres_is_set_up_after_a_dropped_migration() {
    let Some(cluster) = pg::shared() else { return };
    let schemas: Vec<_> = (0..MAX_POLLS).map(|_| pg::fresh_schema()).collect();
    let migrate = async |polls: usize| postgres(cluster, &schemas[polls]).migrate().await;
    // Most polls wait for one of many statements in the same transaction: every third one will do.
    let points = (0..MAX_POLLS).filter(|polls| *polls < 6 || polls % 3 == 0);
    drop_after(points, "PostgresStore::migrate", migrate, async |polls| {
        let store = postgres(cluster, &schemas[polls]);
        store.migrate().await.unwrap();
        store.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_postgres_store_works_after_a_dropped_call() {
    let Some(cluster) = pg::shared() else { return };
    let (_, schema) = store_in(cluster).await;
    let store = postgres(cluster, &schema);
    let works = async |_| {
        store.create_user(&pg::fresh_schema()).await.unwrap();
        store.check().await.unwrap();
    };
    drop_everywhere("PostgresStore::check", async |_| store.check().await, works).await;
    let prune = async |_| store.prune(Duration::ZERO).await;
    drop_everywhere("PostgresStore::prune", prune, async |_| {
        store.create_user(&pg::fresh_schema()).await.unwrap();
        store.prune(Duration::ZERO).await.unwrap();
    })
    .await;
    drop_everywhere(
        "PostgresStore::feed",
        async |_| store.feed().await,
        async |_| {
            follows(&store, &mut store.feed().await.unwrap()).await;
        },
    )
    .await;
    let url = cluster.url();
    let connect = async |_| PostgresStore::connect(&url, Catalogue::anyreach()).await;
    drop_everywhere("PostgresStore::connect", connect, works).await;
}

#[tokio::test]
async fn a_postgres_store_can_be_opened_again_after_a_dropped_close() {
    let Some(cluster) = pg::shared() else { return };
    let (_, schema) = store_in(cluster).await;
    let close = async |_| {
        let store = postgres(cluster, &schema);
        store.create_user(&pg::fresh_schema()).await.unwrap();
        store.close().await;
    };
    drop_everywhere("PostgresStore::close", close, async |_| {
        let store = postgres(cluster, &schema);
        store.create_user(&pg::fresh_schema()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_sqlite_file_can_be_opened_after_a_dropped_call() {
    let directory = tempfile::tempdir().unwrap();
    let path = |polls: usize| directory.path().join(format!("{polls}.db"));
    let works = async |polls: usize| {
        let store = SqliteStore::open(path(polls), Catalogue::anyreach()).await;
        let store = store.unwrap();
        store.create_user(&pg::fresh_schema()).await.unwrap();
        store.check().await.unwrap();
        store.close().await;
    };
    let open = async |polls| SqliteStore::open(path(polls), Catalogue::anyreach()).await;
    drop_everywhere("SqliteStore::open", open, works).await;
    let existing =
        async |polls| SqliteStore::open_existing(path(polls), Catalogue::anyreach()).await;
    drop_everywhere("SqliteStore::open_existing", existing, works).await;
    let from_pool = async |polls| sqlite(&path(polls)).await;
    drop_everywhere("SqliteStore::from_pool", from_pool, works).await;
    let close = async |polls: usize| sqlite(&path(polls)).await.close().await;
    drop_everywhere("SqliteStore::close", close, works).await;
}

#[tokio::test]
async fn a_sqlite_store_works_after_a_dropped_call() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(&directory.path().join("keys.db")).await;
    let works = async |_| {
        store.create_user(&pg::fresh_schema()).await.unwrap();
        store.check().await.unwrap();
    };
    drop_everywhere("SqliteStore::check", async |_| store.check().await, works).await;
    drop_everywhere(
        "SqliteStore::feed",
        async |_| store.feed().await,
        async |_| {
            follows(&store, &mut store.feed().await.unwrap()).await;
        },
    )
    .await;
    let in_memory = async |_| SqliteStore::in_memory(Catalogue::anyreach()).await;
    drop_everywhere("SqliteStore::in_memory", in_memory, async |_| {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        store.create_user("alice").await.unwrap();
    })
    .await;
}
