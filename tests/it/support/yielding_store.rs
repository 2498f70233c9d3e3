//! A store that makes its caller wait before and after it does its work, and helpers that cancel a
//! call at each of the points at which it waits.

use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::SeqCst};

use tokio::task::yield_now;
use tower_api_key::{
    async_trait,
    credential::Kind,
    id::CredentialId,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, CredentialStore, Lookup, ManageStore, MemoryStore, Owner,
        Record, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

use super::{
    forward::{forward_directory, forward_manage_store},
    held_store::poll_within_task,
};

/// A memory store that waits before and after its work in each call.
#[derive(Clone, Debug)]
pub(crate) struct YieldingStore {
    pub(crate) memory: MemoryStore,
    lookups: Arc<AtomicUsize>,
}

impl YieldingStore {
    pub(crate) fn new(memory: MemoryStore) -> Self {
        let lookups = Arc::default();
        Self { memory, lookups }
    }

    /// How many lookups have begun.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(SeqCst)
    }

    async fn read<T>(&self, work: impl Future<Output = T>) -> T {
        // Twice, since a deadline's first poll is followed by another at once.
        yield_now().await;
        yield_now().await;
        let done = work.await;
        yield_now().await;
        done
    }

    async fn write<T>(&self, work: impl Future<Output = T>) -> T {
        self.read(work).await
    }

    async fn end_credentials(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.write(self.memory.end(ending)).await
    }
}

#[async_trait]
impl CredentialStore for YieldingStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.lookups.fetch_add(1, SeqCst);
        self.read(self.memory.find(lookup)).await
    }
}

forward_directory!(YieldingStore);
forward_manage_store!(YieldingStore);

/// Polls `future` at most `polls` times, and lets other tasks take a step after each. Returns
/// `None` if it was dropped before it was ready.
pub(crate) async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let std::task::Poll::Ready(output) = poll_within_task(future.as_mut()).await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}
