//! The layer and the service for requirements that need no lookup.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    future::ResponseFuture,
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, Denial, JsonResponder, Presentation, RefusalBody, Rejection, Responder},
    scope::AcceptedScopes,
};

/// A layer that lets only callers through who meet the requirement `D`.
///
/// Use it as [`RequireScopesLayer`](super::RequireScopesLayer) or
/// [`RequireOrganizationLayer`](super::RequireOrganizationLayer).
#[derive(Clone, Debug)]
pub struct Require<D, R = JsonResponder> {
    demand: D,
    presentation: Arc<Presentation<R>>,
}

impl<D> Require<D> {
    pub(super) fn demanding(demand: D) -> Self {
        Self {
            demand,
            presentation: Arc::default(),
        }
    }
}

impl<D, R> Require<D, R> {
    /// Builds refusals as `auth` does: with its texts, its realm and its responder.
    #[must_use]
    pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> Require<D, R2> {
        Require {
            demand: self.demand,
            presentation: Arc::new(auth.presentation().clone()),
        }
    }

    /// Declares that the services behind this layer speak gRPC; see [`AuthLayer::with_grpc`].
    /// [`with_responses_of`](Self::with_responses_of) copies this setting from the other layer.
    #[must_use]
    pub fn with_grpc(self) -> Self {
        let presentation = Presentation::clone(&self.presentation).with_grpc();
        Self {
            presentation: Arc::new(presentation),
            ..self
        }
    }
}

impl<D: Clone, R, Inner> Layer<Inner> for Require<D, R> {
    type Service = RequireService<Inner, D, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        RequireService {
            inner,
            demand: self.demand.clone(),
            presentation: Arc::clone(&self.presentation),
        }
    }
}

/// A service behind a [`Require`].
#[derive(Debug)]
pub struct RequireService<Inner, D, R> {
    inner: Inner,
    demand: D,
    presentation: Arc<Presentation<R>>,
}

impl<Inner: Clone, D: Clone, R> Clone for RequireService<Inner, D, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            demand: self.demand.clone(),
            presentation: Arc::clone(&self.presentation),
        }
    }
}

/// A requirement that a caller must meet.
pub(crate) trait Demand {
    fn check(&self, principal: &Principal) -> Result<(), Cause>;

    /// Returns the scopes of which any one is enough, for the challenge.
    fn accepted(&self) -> Option<&Arc<AcceptedScopes>> {
        None
    }
}

impl<Inner, D, R, ReqB, ResB> Service<Request<ReqB>> for RequireService<Inner, D, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    D: Demand,
    R: Responder<ResB>,
    ResB: RefusalBody,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match meets(&self.demand, request.extensions()) {
            Ok(()) => ResponseFuture::forwarded(self.inner.call(request), None),
            Err(denial) => {
                self.inner = self.inner.clone(); // the readiness that this call does not use goes back
                ResponseFuture::answered(
                    refuse(&self.presentation, denial, self.demand.accepted(), &request),
                    None,
                )
            }
        }
    }
}

fn meets(demand: &impl Demand, extensions: &Extensions) -> Result<(), Denial> {
    let principal = Principal::of(extensions)?;
    demand
        .check(principal)
        .map_err(|cause| Denial::about(cause, Arc::clone(principal.record())))
}

pub(super) fn refuse<R: Responder<ResB>, ReqB, ResB: RefusalBody>(
    presentation: &Presentation<R>,
    denial: Denial,
    accepted: Option<&Arc<AcceptedScopes>>,
    request: &Request<ReqB>,
) -> Response<ResB> {
    let mut rejection = Rejection::new(denial, &presentation.messages);
    if let (Cause::NoAcceptedScope, Some(accepted)) = (rejection.cause(), accepted) {
        rejection = rejection.accepting(Arc::clone(accepted));
    }
    rejection.report(None);
    presentation.refuse(rejection, request)
}
