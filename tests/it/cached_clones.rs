//! Clones of a cache: what they share, and what they do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_api_key::{
    async_trait,
    id::CredentialId,
    scope::Catalogue,
    store::{
        Cached, CredentialInfo, CredentialStore, Directory, Feed, FeedEvent, Lookup, ManageStore,
        MemoryStore, Owner, Record, StoreError, WriteError,
        backend::{Commit, Ending, ListQuery},
    },
};

use crate::support::held_store::{HeldStore, TestLookup, key};

fn cache() -> Cached<Arc<HeldStore>> {
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

    #[async_trait]
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
    store.create_organization("org_1", None).await.unwrap();
    clone.insert(key("k1")).await.unwrap();
    assert!(TestLookup::key("k1").is_accepted(&store).await);
}

/// A store that counts the calls of its own `delete`.
#[derive(Clone)]
struct OwnDelete(MemoryStore, Arc<AtomicUsize>);

#[async_trait]
impl CredentialStore for OwnDelete {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.find(lookup).await
    }
}

#[async_trait]
impl ManageStore for OwnDelete {
    fn catalogue(&self) -> &Catalogue {
        self.0.catalogue()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.0.credential(owner, id).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.0.credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.0.commit(commit).await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.0.end(ending).await
    }

    async fn delete(&self, owner: &Owner, id: &str) -> Result<(), WriteError> {
        self.1.fetch_add(1, SeqCst);
        self.0.delete(owner, id).await
    }
}

#[tokio::test]
async fn a_stores_own_delete_is_called_through_every_wrapper() {
    let store = OwnDelete(MemoryStore::new(), Arc::default());
    store.0.create_organization("org_1", None).await.unwrap();
    let owner = Owner::Organization("org_1".into());
    for id in ["a", "b"] {
        store.insert(key(id)).await.unwrap();
    }
    Arc::new(store.clone()).delete(&owner, "a").await.unwrap();
    assert_eq!(store.1.load(SeqCst), 1, "Arc");
    let cached = Cached::new(store.clone());
    cached.delete(&owner, "b").await.unwrap();
    assert_eq!(store.1.load(SeqCst), 2, "Cached");
}
