//! A digest that its store would make otherwise today is replaced after its token was presented.

use std::{
    mem,
    sync::{Arc, Mutex},
};

use tower_api_key::{
    AuthLayer, LastUse, async_trait,
    credential::Kind,
    manage::Manager,
    secret::Digest,
    store::{CredentialStore, Lookup, MemoryStore, Record, StoreError},
};

use crate::support::{KEY, ORG, TOKEN, ask, bearer, bearer_in, forward::forward_required, memory};

/// A store in front of digests that are all outdated, or all up to date.
struct Peppered {
    memory: MemoryStore,
    are_outdated: bool,
    /// The calls of `rehash`: the id, and the digest of the presented token.
    calls: Mutex<Vec<(String, [u8; 32])>>,
    /// The error of the next call of `rehash`.
    error: Mutex<Option<StoreError>>,
}

#[async_trait]
impl CredentialStore for Peppered {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let found = self.memory.find(lookup).await?;
        let marked = |record: Arc<Record>| Record::clone(&record).with_outdated(self.are_outdated);
        Ok(found.map(marked).map(Arc::new))
    }
}

forward_required!(Peppered {
    async fn rehash(&self, _: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let call = (id.to_owned(), presented.to_bytes());
        self.calls.lock().unwrap().push(call);
        self.error.lock().unwrap().take().map_or(Ok(true), Err)
    }
});

struct Fixture {
    store: Arc<Peppered>,
    manager: Manager<Arc<Peppered>>,
    auth: AuthLayer<Arc<Peppered>>,
    uses: LastUse,
}

impl Fixture {
    fn new(are_outdated: bool) -> Self {
        let store = Arc::new(Peppered {
            memory: memory(),
            are_outdated,
            calls: Mutex::default(),
            error: Mutex::default(),
        });
        let uses = LastUse::new();
        Self {
            manager: Manager::new(Arc::clone(&store)),
            auth: AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone()),
            store,
            uses,
        }
    }

    async fn use_both(&self) {
        for request in [bearer(KEY), bearer_in(TOKEN, ORG)] {
            assert_eq!(ask(&self.auth, request).await.status, 200);
        }
    }

    /// Records the uses, and returns the calls of `rehash` in the order of ids.
    async fn calls(&self) -> Vec<(String, [u8; 32])> {
        self.manager.record_uses(&self.uses).await.unwrap();
        let mut calls = mem::take(&mut *self.store.calls.lock().unwrap());
        calls.sort();
        calls
    }
}

#[tokio::test]
async fn each_digest_that_is_outdated_is_replaced_once_with_that_of_the_presented_token() {
    let fixture = Fixture::new(true);
    fixture.use_both().await;
    fixture.use_both().await;
    let digest = |token: &str| Digest::of(token.as_bytes()).to_bytes();
    let wanted = [
        ("testkey".to_owned(), digest(KEY)),
        ("token".to_owned(), digest(TOKEN)),
    ];
    assert_eq!(fixture.calls().await, wanted);
    assert_eq!(fixture.calls().await, []);
}

#[tokio::test]
async fn a_digest_that_is_up_to_date_stays() {
    let fixture = Fixture::new(false);
    fixture.use_both().await;
    assert_eq!(fixture.calls().await, []);
}

#[tokio::test]
async fn after_an_outage_it_is_tried_again_and_a_damaged_row_is_left() {
    let fixture = Fixture::new(true);
    assert_eq!(ask(&fixture.auth, bearer(KEY)).await.status, 200);
    let fails_with = |error| *fixture.store.error.lock().unwrap() = Some(error);
    fails_with(StoreError::unavailable("test outage"));
    let failed = fixture.manager.record_uses(&fixture.uses).await;
    assert_eq!(failed.unwrap_err().code(), "store_unavailable");
    fails_with(StoreError::corrupt("test damage"));
    assert_eq!(fixture.calls().await.len(), 2, "with that of the outage");
    assert_eq!(fixture.calls().await, []);
}
