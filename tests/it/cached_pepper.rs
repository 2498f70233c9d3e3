//! A cache hashes unknown credentials with its store's pepper, as the store itself would.

use crate::support::{ask, bearer, key};

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tower_api_key::{
    AuthLayer, CredentialStore,
    secret::{Pepper, Peppers},
    store::{Cached, Lookup, Record, StoreError},
};

/// A store without credentials that counts how often its pepper is asked for.
struct EmptyStore {
    peppers: Peppers,
    asked: AtomicUsize,
}

#[tower_api_key::async_trait]
impl CredentialStore for EmptyStore {
    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.asked.fetch_add(1, SeqCst);
        Some(self.peppers.current())
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(None)
    }
}

fn store() -> Arc<EmptyStore> {
    Arc::new(EmptyStore {
        peppers: Peppers::new("test", &[b't'; 32]).unwrap(),
        asked: AtomicUsize::new(0),
    })
}

#[tokio::test]
async fn an_unknown_id_is_hashed_with_the_pepper_of_the_store_behind_a_cache() {
    let store = store();
    let cache = Cached::new(Arc::clone(&store));
    let auth = AuthLayer::new(cache.clone());
    for request in ["from the store", "from the cache"] {
        let before = store.asked.load(SeqCst);
        let answer = ask(&auth, bearer(key("unknown"))).await;
        assert_eq!(answer.cause(), "unknown_credential", "{request}");
        assert!(store.asked.load(SeqCst) > before, "{request}");
    }
    let pepper = Some(store.peppers.current());
    assert_eq!(cache.decoy_pepper(), pepper);
    assert_eq!(cache.store().decoy_pepper(), pepper);
    assert_eq!(Arc::new(cache).decoy_pepper(), pepper);
}
