//! Holds a look-up to its deadline and turns a panic into an error.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::StoreError;

/// Awaits `answer`, at most for `deadline`.
///
/// A panic is caught, so that one bad row does not take its connection's other requests along. Asserting unwind safety
/// is sound for us: after a panic the future is dropped and never polled again.
pub(crate) async fn guarded<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut answer = pin!(answer);
    let caught = poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))).unwrap_or(Poll::Ready(Err(StoreError::Panicked)))
    });
    tokio::time::timeout(deadline, caught).await.unwrap_or(Err(StoreError::TimedOut(deadline)))
}
