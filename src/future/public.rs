//! The future of a [`PublicService`](crate::PublicService).

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::{decided::Decided, probe::Held};

pin_project! {
    /// The response of a service behind a [`PublicLayer`](crate::PublicLayer).
    #[derive(Debug)]
    pub struct PublicFuture<F> {
        #[pin]
        future: F,
        decided: Option<Decided>,
        held: Held,
    }
}

impl<F> PublicFuture<F> {
    /// Adds the mark `decided`, if one is asked for, to the response of `future`.
    pub(crate) fn new(future: F, decided: Option<Decided>) -> Self {
        Self {
            future,
            decided,
            held: Held::NO,
        }
    }

    /// The response to a probe, which may be held back.
    pub(crate) fn probed((future, held): (F, Held)) -> Self {
        Self {
            future,
            decided: None,
            held,
        }
    }
}

impl<F, B, E> Future for PublicFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.held.is_held() {
            return Poll::Pending;
        }
        let mut outcome = ready!(this.future.poll(cx));
        if let (Ok(response), Some(decided)) = (&mut outcome, this.decided.take()) {
            response.extensions_mut().insert(decided);
        }
        Poll::Ready(outcome)
    }
}
