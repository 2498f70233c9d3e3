//! A store that counts its lookups, and can fail.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower_api_key::{
    async_trait,
    store::{CredentialStore, Lookup, MemoryStore, Peek, Record, StoreError},
};

use crate::world::Answers;

/// A store that counts its lookups, and can fail.
#[derive(Clone)]
pub struct CountingStore(Arc<Counted>);

struct Counted {
    store: MemoryStore,
    answers: Answers,
    lookups: AtomicUsize,
}

impl CountingStore {
    /// Creates the store over another one.
    pub fn new(store: MemoryStore, answers: Answers) -> Self {
        Self(Arc::new(Counted {
            store,
            answers,
            lookups: AtomicUsize::new(0),
        }))
    }

    /// Returns how many lookups there were since the last call.
    pub fn take_lookups(&self) -> usize {
        self.0.lookups.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl CredentialStore for CountingStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        if self.0.answers != Answers::AtOnce {
            return Peek::Unknown;
        }
        self.0.lookups.fetch_add(1, Ordering::Relaxed);
        self.0.store.peek(lookup)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.lookups.fetch_add(1, Ordering::Relaxed);
        match self.0.answers {
            Answers::AtOnce | Answers::Later => self.0.store.find(lookup).await,
            Answers::Outage => Err(StoreError::unavailable("an outage for the fuzzer")),
            Answers::Damage => Err(StoreError::corrupt("a damaged row for the fuzzer")),
        }
    }
}
