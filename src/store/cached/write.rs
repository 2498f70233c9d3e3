//! Changes made through the cache: they run to their end, and are then applied to the cache.

use std::{
    future::{Future, poll_fn},
    mem,
    sync::Arc,
    task::Poll,
};

use tokio::runtime::Handle;

use super::{Cached, core::Core, fetch::SharedResult};
use crate::{
    observe::counters,
    store::{Change, StoreError, StoreFault},
};

/// Applies changes to the cache when it is dropped: after the store has answered, whatever the
/// answer. Even a store that returned an error may have made the change.
struct ApplyOnDrop {
    core: Arc<Core<SharedResult>>,
    changes: Vec<Change>,
}

impl Drop for ApplyOnDrop {
    fn drop(&mut self) {
        for change in &self.changes {
            self.core.apply(change);
            counters::change_applied(change.subject());
        }
    }
}

impl<S> Cached<S> {
    /// Makes a change in the store, and applies `changes` to the cache before it returns.
    ///
    /// The change continues if the caller is dropped: the store may still commit what was begun,
    /// and applying it to the cache before that would be too early. So a change that does not end
    /// at once becomes a task of its own.
    pub(super) async fn write<T, E>(
        &self,
        changes: Vec<Change>,
        write: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // Applied at once if the caller is dropped, since the change may already be made.
        let mut early = ApplyOnDrop {
            core: Arc::clone(&self.core),
            changes: changes.clone(),
        };
        let applied = ApplyOnDrop {
            core: Arc::clone(&self.core),
            changes,
        };
        let mut write = Box::pin(async move {
            let outcome = write.await;
            drop(applied);
            outcome
        });
        // A store in memory needs neither a task nor a runtime.
        let first = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await;
        let outcome = match (first, Handle::try_current()) {
            (Poll::Ready(outcome), _) => outcome,
            (Poll::Pending, Ok(runtime)) => runtime.spawn(write).await.unwrap_or_else(|error| {
                let reason = if error.is_panic() {
                    StoreFault::panicked().into()
                } else {
                    StoreError::unavailable("aborted")
                };
                mem::forget(error); // a panic's payload may panic when it is dropped
                Err(reason.into())
            }),
            (Poll::Pending, Err(_)) => write.await,
        };
        early.changes.clear();
        outcome
    }
}
