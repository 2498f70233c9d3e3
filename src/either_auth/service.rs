//! [`EitherAuth`]: the service that chooses between two authenticators.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    future::ResponseFuture, probe::Probe, rejection::Responder, service::AuthService,
    store::CredentialStore,
};

/// A service behind an [`EitherAuthLayer`](crate::EitherAuthLayer): `Ours` is the inner service
/// behind an [`AuthService`], `Other` the same behind the other authenticator.
///
/// Only `Ours` is polled ready before a request is there. For a request that goes to `Other`, that
/// readiness is given back, and a clone of `Other` is polled for it: the two share the inner
/// service, whose last permit one of them must not hold while the other waits for it.
pub struct EitherAuth<Ours, Other, C> {
    ours: Ours,
    other: Other,
    caller: PhantomData<fn() -> C>,
}

impl<Ours, Other, C> EitherAuth<Ours, Other, C> {
    pub(super) fn new(ours: Ours, other: Other) -> Self {
        Self {
            ours,
            other,
            caller: PhantomData,
        }
    }
}

impl<Inner, S, R, Other, C, ReqB, ResB> Service<Request<ReqB>>
    for EitherAuth<AuthService<Inner, S, R>, Other, C>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    S: CredentialStore,
    R: Responder<ResB>,
    Other: Service<Request<ReqB>, Response = Response<ResB>, Error = Inner::Error> + Clone,
    C: Clone + Send + Sync + 'static,
    ReqB: 'static,
    ResB: 'static,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = EitherAuthFuture<Inner, Other, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ours.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            probe.meets_either();
            return EitherAuthFuture::ours(self.ours.call(request));
        }
        request.extensions_mut().remove::<C>(); // none from further out counts
        if !self.ours.presents_other(&request) {
            return EitherAuthFuture::ours(self.ours.call(request));
        }
        self.ours.give_readiness_back();
        let additions = self.ours.additions(&request);
        self.ours.pass_other(&mut request);
        let other = self.other.clone();
        EitherAuthFuture::other(ResponseFuture::accepted(request, other, additions))
    }
}

impl<Ours: Clone, Other: Clone, C> Clone for EitherAuth<Ours, Other, C> {
    fn clone(&self) -> Self {
        Self {
            ours: self.ours.clone(),
            other: self.other.clone(),
            caller: PhantomData,
        }
    }
}

impl<Ours: fmt::Debug, Other: fmt::Debug, C> fmt::Debug for EitherAuth<Ours, Other, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EitherAuth")
            .field("ours", &self.ours)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a service behind an [`EitherAuthLayer`](crate::EitherAuthLayer).
    #[derive(Debug)]
    pub struct EitherAuthFuture<Inner, Other, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
        Other: Service<Request<ReqB>>,
    {
        #[pin]
        decider: Decider<Inner, Other, ReqB, ResB>,
    }
}

pin_project! {
    /// Who decides about the request.
    #[derive(Debug)]
    #[project = DeciderProj]
    enum Decider<Inner, Other, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>>,
        Other: Service<Request<ReqB>>,
    {
        Ours { #[pin] future: ResponseFuture<Inner, ReqB, ResB> },
        Other { #[pin] future: ResponseFuture<Other, ReqB, ResB> },
    }
}

impl<Inner, Other, ReqB, ResB> EitherAuthFuture<Inner, Other, ReqB, ResB>
where
    Inner: Service<Request<ReqB>>,
    Other: Service<Request<ReqB>>,
{
    fn ours(future: ResponseFuture<Inner, ReqB, ResB>) -> Self {
        Self {
            decider: Decider::Ours { future },
        }
    }

    fn other(future: ResponseFuture<Other, ReqB, ResB>) -> Self {
        Self {
            decider: Decider::Other { future },
        }
    }
}

impl<Inner, Other, ReqB, ResB> Future for EitherAuthFuture<Inner, Other, ReqB, ResB>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
    Other: Service<Request<ReqB>, Response = Response<ResB>, Error = Inner::Error>,
{
    type Output = Result<Response<ResB>, Inner::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().decider.project() {
            DeciderProj::Ours { future } => future.poll(cx),
            DeciderProj::Other { future } => future.poll(cx),
        }
    }
}
