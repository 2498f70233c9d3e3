//! The futures of this crate's services. [`ResponseFuture`] is in one of three states: forwarded to
//! the inner service, answered by the layer itself, or waiting for a decision.
//!
//! You name these types only where a service of your own wraps one of this crate's and has to state
//! its future.

mod additions;
mod public;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use additions::added;
pub(crate) use additions::{Additions, with_fields};
use http::{Request, Response};
use pin_project_lite::pin_project;
pub use public::PublicFuture;
use tower_service::Service;

use crate::end_notices::Fields;

/// A question that a request waits for. It holds nothing of the request, so the request's body need
/// not be `Send`.
pub(crate) type Asking<ReqB, ResB> = Pin<Box<dyn Ask<ReqB, ResB>>>;

/// What is behind an [`Asking`].
pub(crate) trait Ask<ReqB, ResB>: Send {
    /// Once the answer has come, decides about the request: prepares it for the inner service and
    /// resolves to what to set in its response, or to the refusal.
    fn poll_decided(
        self: Pin<&mut Self>,
        request: &mut Request<ReqB>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fields, Response<ResB>>>;
}

pin_project! {
    /// A future, and the decision that follows from what it resolves to.
    struct Question<A, D> {
        #[pin]
        answer: A,
        decide: D,
    }
}

impl<A, D, ReqB, ResB> Ask<ReqB, ResB> for Question<A, D>
where
    A: Future + Send,
    D: Fn(A::Output, &mut Request<ReqB>) -> Result<Fields, Response<ResB>> + Send,
{
    fn poll_decided(
        self: Pin<&mut Self>,
        request: &mut Request<ReqB>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Fields, Response<ResB>>> {
        let this = self.project();
        this.answer
            .poll(cx)
            .map(|answer| (this.decide)(answer, request))
    }
}

/// Awaits `answer`, and then decides about the request that waits for it.
pub(crate) fn asking<A, ReqB, ResB>(
    answer: A,
    decide: impl Fn(A::Output, &mut Request<ReqB>) -> Result<Fields, Response<ResB>> + Send + 'static,
) -> Asking<ReqB, ResB>
where
    A: Future + Send + 'static,
    ReqB: 'static,
    ResB: 'static,
{
    Box::pin(Question { answer, decide })
}

pin_project! {
    /// The response of a service behind a check.
    ///
    /// While the check waits for a store, nothing of the inner service is held. Once the request is
    /// accepted, a clone of the inner service is polled ready and called; an error of that
    /// `poll_ready` is returned as the inner service's own. Dropping the future drops the lookup.
    pub struct ResponseFuture<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
    {
        #[pin]
        state: State<Inner, ReqB, ResB>,
        // `None` but for optional layers, under an `EveryRouteDecidesLayer`, for callers whose
        // credential ends soon, and for lists of origins.
        additions: Option<Box<Additions>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
    {
        Forwarded { #[pin] future: Inner::Future },
        Answered { response: Option<Response<ResB>> },
        Waiting { waiting: Option<Box<Waiting<Inner, ReqB, ResB>>> },
    }
}

/// A request that waits: first for the decision about it, then for the service to be ready.
struct Waiting<Inner, ReqB, ResB> {
    /// `None` once the request is accepted.
    asking: Option<Asking<ReqB, ResB>>,
    request: Request<ReqB>,
    /// Not polled before the request is accepted, so that it holds no permit of a limit.
    service: Inner,
    /// Headers about the caller's credential, once the request is accepted.
    fields: Fields,
}

impl<Inner, ReqB, ResB> Waiting<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
{
    /// Resolves to a refusal, or to `None` when the request is accepted and the service is ready
    /// for it.
    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Response<ResB>>, Inner::Error>> {
        if let Some(asking) = &mut self.asking {
            let decided = ready!(asking.as_mut().poll_decided(&mut self.request, cx));
            self.asking = None;
            match decided {
                Ok(fields) => self.fields = fields,
                Err(refusal) => return Poll::Ready(Ok(Some(refusal))),
            }
        }
        self.service.poll_ready(cx).map_ok(|()| None)
    }
}

impl<Inner, ReqB, ResB> ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>>,
{
    /// The inner service answers.
    #[inline]
    pub(crate) fn forwarded(future: Inner::Future, additions: Option<Box<Additions>>) -> Self {
        Self {
            state: State::Forwarded { future },
            additions,
        }
    }

    /// The layer answers; the inner service is not called.
    #[inline]
    pub(crate) fn answered(response: Response<ResB>, additions: Option<Box<Additions>>) -> Self {
        Self {
            state: State::Answered {
                response: Some(response),
            },
            additions,
        }
    }

    /// The response never comes, because the request is a probe that ends here.
    pub(crate) fn held() -> Self {
        Self {
            state: State::Answered { response: None },
            additions: None,
        }
    }

    /// The request is accepted. `service` is a clone that was not polled ready.
    pub(crate) fn accepted(
        request: Request<ReqB>,
        service: Inner,
        additions: Option<Box<Additions>>,
    ) -> Self {
        let waiting = Some(Box::new(Waiting {
            asking: None,
            request,
            service,
            fields: Fields::new(),
        }));
        Self {
            state: State::Waiting { waiting },
            additions,
        }
    }

    /// The decision is awaited first. `service` is a clone that was not polled ready.
    pub(crate) fn waiting(
        asking: Asking<ReqB, ResB>,
        request: Request<ReqB>,
        service: Inner,
        additions: Option<Box<Additions>>,
    ) -> Self {
        let waiting = Some(Box::new(Waiting {
            asking: Some(asking),
            request,
            service,
            fields: Fields::new(),
        }));
        Self {
            state: State::Waiting { waiting },
            additions,
        }
    }
}

impl<Inner, ReqB, ResB> Future for ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Output = Result<Response<ResB>, Inner::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let (StateProj::Forwarded { future }, None) =
            (this.state.as_mut().project(), &this.additions)
        {
            return future.poll(cx); // nearly every request: the response is not even moved
        }
        poll_state(this.state, this.additions, cx)
            .map_ok(|response| added(response, this.additions.take()))
    }
}

/// Polls the future through its states. Returns the response before anything is added to it.
fn poll_state<Inner, ReqB, ResB>(
    mut state: Pin<&mut State<Inner, ReqB, ResB>>,
    additions: &mut Option<Box<Additions>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<ResB>, Inner::Error>>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
{
    loop {
        let future = match state.as_mut().project() {
            StateProj::Forwarded { future } => return future.poll(cx),
            StateProj::Answered { response } => {
                return response
                    .take()
                    .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
            }
            StateProj::Waiting { waiting } => {
                let Some(pending) = waiting else {
                    return Poll::Pending;
                };
                let admitted = ready!(pending.poll_ready(cx));
                let Some(mut waited) = waiting.take() else {
                    return Poll::Pending;
                };
                match admitted {
                    Ok(None) => {
                        *additions = with_fields(additions.take(), waited.fields);
                        waited.service.call(waited.request)
                    }
                    Ok(Some(refusal)) => return Poll::Ready(Ok(refusal)),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        };
        state.set(State::Forwarded { future });
    }
}

impl<Inner, ReqB, ResB> fmt::Debug for ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Forwarded { .. } => "Forwarded",
            State::Answered { .. } => "Answered",
            State::Waiting { .. } => "Waiting",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
