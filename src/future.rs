//! [`ResponseFuture`]: forwarded, refused, or still asking.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

/// What is decided about a request once the answer that it waits for is there.
pub(crate) type Verdict<ReqB, ResB> = Box<dyn FnOnce(&mut Request<ReqB>) -> Result<(), Response<ResB>> + Send>;

/// An answer on its way. Holds nothing of the request, so that the request's body need not be `Send`.
pub(crate) type Asking<ReqB, ResB> = Pin<Box<dyn Future<Output = Verdict<ReqB, ResB>> + Send>>;

pin_project! {
    /// The response of a service behind a check.
    ///
    /// Dropping it drops the look-up and the inner service's readiness with it.
    pub struct ResponseFuture<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
    {
        #[pin]
        state: State<Inner, ReqB, ResB>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
    {
        Forwarded { #[pin] future: Inner::Future },
        Refused { response: Option<Response<ResB>> },
        Waiting { waiting: Option<Box<Waiting<Inner, ReqB, ResB>>> },
    }
}

/// A request that waits for its verdict, and the ready service that takes it then.
struct Waiting<Inner, ReqB, ResB> {
    asking: Asking<ReqB, ResB>,
    request: Request<ReqB>,
    ready: Inner,
}

impl<Inner, ReqB, ResB> ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>>,
{
    pub(crate) fn forwarded(future: Inner::Future) -> Self {
        Self { state: State::Forwarded { future } }
    }

    pub(crate) fn refused(response: Response<ResB>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    pub(crate) fn waiting(asking: Asking<ReqB, ResB>, request: Request<ReqB>, ready: Inner) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(Waiting { asking, request, ready })) } }
    }
}

impl<Inner, ReqB, ResB> Future for ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Output = Result<Response<ResB>, Inner::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProj::Forwarded { future } => return future.poll(cx),
                StateProj::Refused { response } => {
                    return response.take().map_or(Poll::Pending, |r| Poll::Ready(Ok(r)));
                }
                StateProj::Waiting { waiting } => {
                    let Some(pending) = waiting else { return Poll::Pending };
                    let verdict = ready!(pending.asking.as_mut().poll(cx));
                    let Some(Waiting { mut request, mut ready, .. }) = waiting.take().map(|boxed| *boxed) else {
                        return Poll::Pending;
                    };
                    match verdict(&mut request) {
                        Ok(()) => ready.call(request),
                        Err(refusal) => return Poll::Ready(Ok(refusal)), // `ready` is dropped: its readiness goes back
                    }
                }
            };
            state.set(State::Forwarded { future });
        }
    }
}

impl<Inner, ReqB, ResB> fmt::Debug for ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Forwarded { .. } => "Forwarded",
            State::Refused { .. } => "Refused",
            State::Waiting { .. } => "Waiting",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
