//! Calls of a store that do not wait, where there is no runtime.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Returns the value of a future that does not wait, as those of a memory store do not.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the future waits"),
    }
}
