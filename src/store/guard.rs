//! Holds a lookup to its deadline and turns a panic into an error.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::StoreError;

/// How long a lookup may take unless it is set.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(1);

/// Awaits `answer`, at most for `deadline`, and catches its panic.
pub(crate) async fn guarded<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    within(deadline, caught(answer)).await
}

/// Awaits `answer`, at most for `deadline`.
pub(crate) async fn within<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(deadline, answer).await.unwrap_or(Err(StoreError::TimedOut(deadline)))
}

/// Awaits `answer` and catches its panic, so that one bad row does not take its connection's other
/// requests along.
///
/// Asserting unwind safety is sound for us: after a panic the future is dropped and never polled
/// again.
pub(crate) async fn caught<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))).unwrap_or(Poll::Ready(Err(StoreError::Panicked)))
    })
    .await
}
