//! Caches that accepted what was revoked. Every test asserts first that the cache answers, and uses
//! one whose entries never expire by themselves, so that nothing but the revocation removes them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::yield_now,
};
use tower_api_key::{
    async_trait,
    credential::Kind,
    manage::{Actor, Manager, Rotation},
    store::{Change, Directory as _, Feed, FeedEvent, ManageStore as _, Owner},
};

use crate::support::{
    clocks::ManualMonotonicClock,
    held_store::{Behaviour, Cache, HeldStore, TestLookup, cache_without_expiry},
};

fn owner() -> Owner {
    Owner::of(Kind::OrgKey, "org_1")
}

/// A cache that answers for the key `k1` and the token `t1` without asking the store.
async fn warm() -> (Arc<HeldStore>, Cache) {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    for lookup in [key(), token()] {
        assert!(lookup.is_accepted(&cache).await);
        let lookups = store.lookups();
        assert!(lookup.is_accepted(&cache).await);
        assert_eq!(store.lookups(), lookups, "the cache answers");
    }
    (store, cache)
}

fn key() -> TestLookup {
    TestLookup::key("k1")
}

fn token() -> TestLookup {
    TestLookup::token("t1", Some("org_1"))
}

/// e2b#3324: a deleted key was accepted until its entry expired.
#[tokio::test]
async fn e2b_3324_a_deleted_key_is_accepted_from_the_cache() {
    let (_store, cache) = warm().await;
    cache.delete(&owner(), "k1").await.unwrap();
    assert!(!key().is_accepted(&cache).await);
}

/// rustango#1539: a disabled owner's entries stayed, since only changes of the credential itself
/// cleared them.
#[tokio::test]
async fn rustango_1539_a_disabled_owner_is_accepted_from_the_cache() {
    let (_store, cache) = warm().await;
    cache.set_user_enabled("alice", false).await.unwrap();
    assert!(!token().is_accepted(&cache).await);
    assert!(key().is_accepted(&cache).await, "another owner's key");
}

/// litellm#1775: a key that was blocked or updated was used as it had been cached.
#[tokio::test]
async fn litellm_1775_a_changed_key_is_used_as_it_was_cached() {
    let (_store, cache) = warm().await;
    cache.remove_member("alice", "org_1").await.unwrap();
    assert!(!token().is_accepted(&cache).await);
    cache.delete_organization("org_1").await.unwrap();
    assert!(!key().is_accepted(&cache).await);
}

/// solana-developer-platform#1214: a lookup that was under way when the key was revoked put the old
/// answer back into the cache. Here a revocation wins over every lookup that began before it.
#[tokio::test]
async fn solana_developer_platform_1214_a_lookup_in_flight_puts_it_back() {
    let store = HeldStore::new();
    let cache = Arc::new(cache_without_expiry(&store));
    store.set_behaviour(Behaviour::Held);
    let lookup = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { key().is_accepted(&*cache).await }
    });
    store.wait_until_read().await; // it holds an answer from before the revocation
    cache.delete(&owner(), "k1").await.unwrap();
    store.release();
    let _ = lookup.await.unwrap();
    assert!(!key().is_accepted(&*cache).await);
}

/// Unkey's published code removed an entry on the node of the change alone. Here every node follows
/// the changes; this one hears of the deletion through its feed.
#[tokio::test]
async fn unkey_other_nodes_keep_a_revoked_key() {
    let store = HeldStore::new();
    let other_node = cache_without_expiry(&store);
    let (changes, feed) = unbounded_channel();
    tokio::spawn(other_node.follow(Channel(feed)));
    yield_now().await; // it follows
    for lookup in [key(), token()] {
        assert!(lookup.is_accepted(&other_node).await);
    }
    let lookups = store.lookups();
    store.memory.delete(&owner(), "k1").await.unwrap(); // by another node
    assert!(key().is_accepted(&other_node).await, "from the cache");
    let change = Change::Credential {
        kind: Kind::OrgKey,
        id: "k1".into(),
    };
    changes.send(FeedEvent::Changed(change)).unwrap();
    yield_now().await;
    assert!(token().is_accepted(&other_node).await, "from the cache");
    assert_eq!(store.lookups(), lookups);
    assert!(!key().is_accepted(&other_node).await);
}

/// Unkey's reroll issued a new secret and left the old one in the cache.
#[tokio::test]
async fn unkey_a_rotated_key_stays_in_the_cache() {
    let (_store, cache) = warm().await;
    let cache = Arc::new(cache);
    let manager = Manager::new(Arc::clone(&cache));
    let operator = Actor::operator("test", owner());
    let rotation = Rotation::default();
    manager
        .rotate(&operator, Kind::OrgKey, "k1", rotation)
        .await
        .unwrap();
    assert!(!key().is_accepted(&*cache).await);
}

/// What PostgreSQL sends while a listener reconnects is lost. Here a lost feed bounds the age of
/// entries, also of those that never expire.
#[tokio::test]
async fn postgres_listener_misses_what_is_sent_while_it_reconnects() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = cache_without_expiry(&store).with_monotonic_clock(clock.clone());
    let (changes, feed) = unbounded_channel();
    tokio::spawn(cache.follow(Channel(feed)));
    yield_now().await; // it follows
    assert!(key().is_accepted(&cache).await);
    changes.send(FeedEvent::Lost).unwrap();
    yield_now().await;
    store.memory.delete(&owner(), "k1").await.unwrap(); // unheard
    let lookups = store.lookups();
    assert!(key().is_accepted(&cache).await, "from the cache");
    assert_eq!(store.lookups(), lookups);
    clock.advance(Duration::from_secs(10)); // longer than the default bound
    assert!(!key().is_accepted(&cache).await);
}

/// A feed of what is sent.
struct Channel(UnboundedReceiver<FeedEvent>);

#[async_trait]
impl Feed for Channel {
    async fn next(&mut self) -> Option<FeedEvent> {
        self.0.recv().await
    }
}
