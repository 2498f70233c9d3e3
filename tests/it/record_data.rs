//! Data that a custom store adds to its records, as handlers read it.

use crate::support::{KEY, ORG, TOKEN, ask, bearer, bearer_in, key, key_record, memory, now};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tower_api_key::{
    AuthLayer, Principal, async_trait,
    store::{Cached, CredentialStore, Lookup, ManageStore, MemoryStore, Record, StoreError},
};

#[derive(Debug, PartialEq)]
struct Plan(&'static str);

/// A store with its own table, which has a plan for each credential.
struct Plans {
    memory: MemoryStore,
    plan: Arc<Plan>,
    lookups: AtomicUsize,
}

impl Plans {
    fn new() -> Self {
        Self {
            memory: memory(),
            plan: Arc::new(Plan("large")),
            lookups: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl CredentialStore for Plans {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.lookups.fetch_add(1, SeqCst);
        let found = self.memory.find(lookup).await?;
        Ok(found.map(|record| {
            let plan = Arc::clone(&self.plan);
            Arc::new(Record::clone(&record).with_data(plan))
        }))
    }
}

/// The principals that handlers receive for a key and for a token.
async fn callers(store: impl CredentialStore) -> Vec<Principal> {
    let auth = AuthLayer::new(store);
    let mut callers = Vec::new();
    for request in [bearer(KEY), bearer_in(TOKEN, ORG)] {
        callers.push(ask(&auth, request).await.principal().unwrap().clone());
    }
    callers
}

#[tokio::test]
async fn a_handler_reads_data_added_by_the_store() {
    for caller in callers(Plans::new()).await {
        assert_eq!(caller.data(), Some(&Plan("large")));
        assert_eq!(caller.data::<Arc<Plan>>(), None, "another type");
        assert_eq!(caller.data::<String>(), None, "another type");
        assert!(!format!("{caller:?}").contains("large"), "{caller:?}");
    }
}

#[tokio::test]
async fn a_cache_keeps_record_data() {
    let store = Arc::new(Plans::new());
    let cache = Arc::new(Cached::new(Arc::clone(&store)));
    for round in ["looked up", "from the cache"] {
        for caller in callers(Arc::clone(&cache)).await {
            assert_eq!(caller.data(), Some(&Plan("large")), "{round}");
        }
    }
    assert_eq!(store.lookups.load(SeqCst), 2, "one lookup per credential");
}

#[tokio::test]
async fn a_memory_store_keeps_record_data() {
    let store = memory();
    let inserted = key_record("planned", ORG).with_data(Arc::new(Plan("small")));
    now(store.insert(inserted)).unwrap();
    let answer = ask(&AuthLayer::new(store), bearer(key("planned"))).await;
    assert_eq!(answer.principal().unwrap().data(), Some(&Plan("small")));
}
