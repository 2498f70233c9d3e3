//! Runs store calls that never wait, without a runtime.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Returns the output of a future that is ready at the first poll, like those of a memory store.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the future is pending"),
    }
}
