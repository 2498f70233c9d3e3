//! Limits a lookup to its deadline and turns a panic into an error.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use super::{StoreError, StoreFault};
use crate::panics::catch;

/// Default time that a lookup may take.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(1);

/// Awaits `answer` for at most `deadline`, and catches its panic.
pub(crate) async fn guarded<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut answer = pin!(answer);
    tokio::time::timeout(deadline, caught(answer.as_mut()))
        .await
        .unwrap_or_else(|_| Err(StoreFault::timed_out(deadline).into()))
}

/// Awaits `answer` and catches its panic, so that one bad row does not take down the other requests
/// on its connection.
///
/// After a panic the future is dropped and never polled again.
pub(crate) fn caught<T>(
    mut answer: impl Future<Output = Result<T, StoreError>> + Unpin,
) -> impl Future<Output = Result<T, StoreError>> + Unpin {
    poll_fn(move |cx| {
        catch(|| Pin::new(&mut answer).poll(cx))
            .unwrap_or_else(|| Poll::Ready(Err(StoreFault::panicked().into())))
    })
}
