//! A PostgreSQL store with a feed, and helpers that read the feed.

use std::time::Duration;

use tokio::time::timeout;
use tower_api_key::{
    credential::Kind,
    secret::Digest,
    store::{Change, Directory, Feed, FeedEvent, ManageStore, Record},
};
use tower_api_key_sqlx::{PostgresStore, postgres::PostgresFeed};

use super::pg;

/// Long enough not to depend on speed, short enough to end a test that hangs.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) const EVERYTHING: FeedEvent = FeedEvent::Changed(Change::Everything);

/// A store with an organization, a user and a key, and the name of its schema.
pub(crate) async fn store_in(cluster: &pg::Cluster) -> (PostgresStore, String) {
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();
    store.create_user("user_test").await.unwrap();
    store.insert(key("k_test")).await.unwrap();
    (store, schema)
}

pub(crate) fn key(id: &str) -> Record {
    Record::org_key(id, Digest::of(id.as_bytes()), "org_test")
}

pub(crate) async fn next(feed: &mut PostgresFeed) -> FeedEvent {
    let Ok(event) = timeout(TEST_TIMEOUT, feed.next()).await else {
        panic!("no event: {feed:?}")
    };
    event.expect("the feed does not end")
}

/// The events up to `last`, without it.
pub(crate) async fn events_until(feed: &mut PostgresFeed, last: &FeedEvent) -> Vec<FeedEvent> {
    let mut events = Vec::new();
    loop {
        match next(feed).await {
            event if event == *last => return events,
            event => events.push(event),
        }
    }
}

/// The events of everything that is committed so far: those before a change that is made now.
pub(crate) async fn events_so_far(
    store: &PostgresStore,
    feed: &mut PostgresFeed,
) -> Vec<FeedEvent> {
    let mark = pg::fresh_schema();
    store.create_user(&mark).await.unwrap();
    events_until(feed, &user(&mark)).await
}

pub(crate) fn user(id: &str) -> FeedEvent {
    FeedEvent::Changed(Change::User(id.into()))
}

pub(crate) fn organization(id: &str) -> FeedEvent {
    FeedEvent::Changed(Change::Organization(id.into()))
}

pub(crate) fn credential(kind: Kind, id: &str) -> FeedEvent {
    FeedEvent::Changed(Change::Credential {
        kind,
        id: id.into(),
    })
}

pub(crate) fn disconnect_feeds(cluster: &pg::Cluster, schema: &str) {
    let ended = cluster.psql(&format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = '{schema}_changes'"
    ));
    assert_eq!(ended, "1", "the feed was connected");
}
