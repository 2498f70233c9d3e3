//! Clones of a cache: what they share, and what they do not.

use std::time::Duration;

use tower_api_key::store::{Cached, Feed, FeedEvent, ManageStore, MemoryStore, Owner};

use crate::support::held_store::{HeldStore, TestLookup, key};

fn cache() -> Cached<std::sync::Arc<HeldStore>> {
    Cached::new(HeldStore::new()).with_ttl(Duration::MAX)
}

#[tokio::test]
async fn a_clone_answers_from_what_the_other_has_cached() {
    let (cache, question) = (cache(), TestLookup::key("k1"));
    let clone = cache.clone();
    assert!(question.is_accepted(&cache).await);
    assert!(question.is_cached(&clone));
}

#[tokio::test]
async fn a_change_through_one_clone_takes_effect_in_all() {
    let (owner, question) = (Owner::Organization("org_1".into()), TestLookup::key("k1"));
    let first = cache();
    let caches = [first.clone(), first.clone(), first];
    for cache in &caches {
        assert!(question.is_accepted(cache).await && question.is_cached(cache));
    }
    caches[1].delete(&owner, "k1").await.unwrap();
    for cache in &caches {
        assert!(!question.is_accepted(cache).await);
    }
}

#[tokio::test]
#[should_panic(expected = "set up a cache before you clone it")]
async fn a_cache_that_was_cloned_is_not_set_up_again() {
    let first = cache();
    let _second = first.clone().with_capacity(10);
}

#[tokio::test]
#[should_panic(expected = "set up a cache before you clone it or let it follow a feed")]
async fn a_cache_that_follows_a_feed_is_not_set_up_again() {
    struct Silent;

    #[tower_api_key::async_trait]
    impl Feed for Silent {
        async fn next(&mut self) -> Option<FeedEvent> {
            std::future::pending().await
        }
    }

    let cache = cache();
    let _following = cache.follow(Silent);
    let _shorter = cache.with_ttl(Duration::from_secs(1));
}

#[tokio::test]
async fn a_store_in_memory_is_shared_by_its_clones() {
    let store = MemoryStore::new();
    let clone = store.clone();
    tower_api_key::store::Directory::create_organization(&store, "org_1", None)
        .await
        .unwrap();
    clone.insert(key("k1")).await.unwrap();
    assert!(TestLookup::key("k1").is_accepted(&store).await);
}
