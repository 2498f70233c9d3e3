//! Every public future of the stores is dropped after every number of polls: what it was to change
//! is then changed entirely or not at all, and the next call gets the connections and permits.

mod setup;

use std::path::Path;

use sqlx::{postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use tokio::time::timeout;
use tower_api_key::{
    scope::Catalogue,
    store::{Directory, ManageStore},
};
use tower_api_key_sqlx::{PostgresStore, SqliteStore};

use crate::support::{
    feeds::TEST_TIMEOUT,
    pg,
    poll::{Cancel, poll_at_most},
    public_futures::public_futures,
    world::{CALLS, World, is_repeated},
};

const API: &str = include_str!("../../../../api/tower-api-key-sqlx.txt");

/// More often than any call is polled.
const MAX_POLLS: usize = 1_000;

/// A pool of which management may use one connection, so that nothing works once that is lost.
const CONNECTIONS: u32 = 2;

async fn sqlite(path: &Path) -> SqliteStore {
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_lazy_with(SqliteStore::options(path));
    SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap()
}

fn postgres(cluster: &pg::Cluster, schema: &str) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_lazy_with(cluster.options());
    PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap()
}

/// Drops each call after every number of polls until it completes. `reader` is another handle of
/// the database of `store`.
async fn drop_every_call<S>(store: S, reader: S, cancel: Cancel)
where
    S: ManageStore + Directory + Clone,
{
    let (mut worlds, mut places) = (0, 0);
    let mut fresh = async || {
        worlds += 1;
        World::new(store.clone(), reader.clone(), &format!("w{worlds}_")).await
    };
    let first = fresh().await;
    let before = first.contents().await;
    let mut unchanged = Some(first);
    for name in CALLS {
        let mut world = match unchanged.take() {
            Some(world) => world,
            None => fresh().await,
        };
        world.call(name).await.unwrap();
        let after = world.contents().await;
        let changes = after != before;
        if changes {
            world = fresh().await;
        }
        for polls in 0.. {
            assert!(polls < MAX_POLLS, "{name} is polled too often");
            let done = poll_at_most(world.call(name), polls, cancel).await;
            settle(&store).await;
            // All points of a call that only reads have one world: what any of them changed is
            // seen after the last one.
            let seen = match changes || done.is_some() {
                true => world.contents().await,
                false => before.clone(),
            };
            let place = format!("{name}, dropped after {polls} polls");
            assert!(seen == before || seen == after, "{place}: {seen:?}");
            if let Some(done) = done {
                assert_eq!((done, &seen), (Ok(()), &after), "{place}");
                places += polls;
                unchanged = (!changes).then_some(world);
                break;
            }
            if seen != before {
                let again = world.call(name).await;
                assert!(is_repeated(&again), "{place}: {again:?}");
                world = fresh().await;
            }
        }
    }
    println!(
        "{cancel:?}: {places} points to drop {} calls at",
        CALLS.len()
    );
}

/// Waits until the database has ended what a dropped call began: the next change waits for it.
async fn settle(store: &impl Directory) {
    let id = pg::fresh_schema();
    let change = timeout(TEST_TIMEOUT, store.create_user(&id)).await;
    change.expect("something is held").unwrap();
}

async fn drop_every_sqlite_call(cancel: Cancel) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    drop_every_call(sqlite(&path).await, sqlite(&path).await, cancel).await;
}

async fn drop_every_postgres_call(cancel: Cancel) {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = postgres(cluster, &schema);
    store.migrate().await.unwrap();
    drop_every_call(store, postgres(cluster, &schema), cancel).await;
}

#[tokio::test]
async fn a_sqlite_call_that_is_dropped_while_it_waits_is_made_or_not() {
    drop_every_sqlite_call(Cancel::WhenPending).await;
}

#[tokio::test]
async fn a_sqlite_call_that_is_dropped_when_it_is_woken_is_made_or_not() {
    drop_every_sqlite_call(Cancel::WhenWoken).await;
}

#[tokio::test]
async fn a_postgres_call_that_is_dropped_while_it_waits_is_made_or_not() {
    drop_every_postgres_call(Cancel::WhenPending).await;
}

#[tokio::test]
async fn a_postgres_call_that_is_dropped_when_it_is_woken_is_made_or_not() {
    drop_every_postgres_call(Cancel::WhenWoken).await;
}

#[test]
fn every_public_future_is_dropped_by_a_test() {
    let found = public_futures(API);
    assert!(found.len() > 40, "{found:?}");
    let feeds = ["PostgresFeed::next", "SqliteFeed::next"]; // in the tests of the feeds
    let tested = |name: &str| {
        let (class, method) = name.split_once("::").unwrap_or((name, ""));
        let call = |call: &&str| call.split_once("::").is_some_and(|it| it.1 == method);
        setup::CALLS.contains(&name)
            || feeds.contains(&name)
            || (["PostgresStore", "SqliteStore"].contains(&class) && CALLS.iter().any(call))
    };
    let forgotten: Vec<_> = found.iter().filter(|name| !tested(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
