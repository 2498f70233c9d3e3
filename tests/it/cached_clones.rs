//! Clones of a cache: what they share, and what they do not.

use std::time::Duration;

use tower_api_key::store::{Cached, Change, ManageStore, MemoryStore, Owner};

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
async fn a_clone_that_is_set_up_anew_has_answers_of_its_own() {
    let (cache, question) = (cache(), TestLookup::key("k1"));
    let shorter = cache.clone().with_ttl(Duration::from_secs(1));
    assert!(question.is_accepted(&cache).await);
    assert!(
        !question.is_cached(&shorter),
        "kept for longer than its time to live"
    );
}

#[tokio::test]
async fn a_change_through_one_clone_takes_effect_in_all_however_they_are_set_up() {
    let owner = Owner::Organization("org_1".into());
    let first = cache();
    let set_up = first.clone().with_capacity(10);
    let again = set_up.clone().with_lookup_deadline(Duration::from_secs(2));
    let caches = [&first, &set_up, &again];
    for changed in caches {
        let id = format!(
            "k-{}",
            caches
                .iter()
                .position(|one| std::ptr::eq(*one, changed))
                .unwrap()
        );
        first.insert(key(&id)).await.unwrap();
        let question = TestLookup::key(&id);
        for cache in caches {
            assert!(
                question.is_accepted(cache).await && question.is_cached(cache),
                "{id}"
            );
        }
        changed.delete(&owner, &id).await.unwrap();
        for cache in caches {
            assert!(!question.is_accepted(cache).await, "{id}");
        }
    }
    let question = TestLookup::key("k1");
    for cache in caches {
        assert!(question.is_accepted(cache).await);
    }
    again.apply(&Change::Everything);
    assert!(caches.iter().all(|cache| !question.is_cached(*cache)));
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
