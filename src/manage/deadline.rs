//! Deadlines: limits how long a call may take, and turns a store's panic into an error.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{ManageError, Manager};
use crate::{
    panics::catch,
    store::{StoreError, StoreFault},
};

/// The deadline of one call, shared by all steps of the call.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    allowed: Duration,
    /// `None` if it is too far away to be represented.
    end: Option<Instant>,
}

impl<S> Manager<S> {
    /// Returns the deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline {
            allowed: self.deadline,
            end: Instant::now().checked_add(self.deadline),
        }
    }

    /// Awaits a whole call.
    pub(super) async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, ManageError>>,
    ) -> Result<T, ManageError> {
        self.deadline().hold(call).await
    }
}

impl Deadline {
    /// Awaits `call` until the deadline, and turns a panic of it into an error. `call` is then
    /// dropped, which rolls back what it has not committed.
    ///
    /// The timer is used only if there is something to wait for: a store in memory needs no
    /// runtime.
    pub(super) async fn hold<T>(
        self,
        call: impl Future<Output = Result<T, ManageError>>,
    ) -> Result<T, ManageError> {
        let mut call = pin!(call);
        // After a panic the future is never polled again, so nothing sees its half-finished state.
        let mut caught = pin!(poll_fn(|cx| {
            catch(|| call.as_mut().poll(cx)).unwrap_or_else(|| {
                Poll::Ready(Err(StoreError::from(StoreFault::panicked()).into()))
            })
        }));
        let at_once = poll_fn(|cx| Poll::Ready(caught.as_mut().poll(cx))).await;
        match (at_once, self.end) {
            (Poll::Ready(done), _) => done,
            (Poll::Pending, None) => caught.await,
            (Poll::Pending, Some(end)) => timeout_at(end, caught).await.unwrap_or_else(|_| {
                Err(StoreError::from(StoreFault::timed_out(self.allowed)).into())
            }),
        }
    }
}
