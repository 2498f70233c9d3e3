//! [`RequireService`]: the service behind every layer of this module.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::requirement::{Question, Requirement};
use crate::{
    end_notices::Fields,
    future::{Asking, ResponseFuture, asking},
    principal::Principal,
    probe::{Probe, Tag},
    rejection::{Cause, Denial, Rejection, Responder},
};

/// A service behind the layer `L`: a [`RequireScopesLayer`](super::RequireScopesLayer), a
/// [`RequireOrganizationLayer`](super::RequireOrganizationLayer) or a
/// [`RequireDescendantLayer`](super::RequireDescendantLayer).
///
/// The inner service sees a request only once the requirement is met, unless the layer is observed.
/// A request that is decided at once is given to the inner service that was polled ready. While the
/// organization tree is asked, nothing of the inner service is held.
#[derive(Clone, Debug)]
pub struct RequireService<Inner, L> {
    inner: Inner,
    layer: L,
    _tag: Tag,
}

impl<Inner, L> RequireService<Inner, L> {
    pub(super) fn new(inner: Inner, layer: L) -> Self {
        Self {
            inner,
            layer,
            _tag: Tag,
        }
    }
}

impl<Inner: Clone, L> RequireService<Inner, L> {
    /// Drops the service that was polled ready, which this call does not use. A clone stays, which
    /// is not ready.
    fn give_readiness_back(&mut self) {
        self.inner = self.inner.clone();
    }
}

impl<Inner, L, ReqB, ResB> Service<Request<ReqB>> for RequireService<Inner, L>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    L: Requirement<Responder: Responder<ResB>> + Clone + Send + Sync + 'static,
    ReqB: 'static,
    ResB: 'static,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            return probed(self, &probe, request);
        }
        let (request, asked) = match check(&self.layer, &request) {
            Ok(()) => self.layer.question(request),
            Err(denial) => (request, Err(denial)),
        };
        match asked {
            Ok(None) => ResponseFuture::forwarded(self.inner.call(request), None),
            Ok(Some(question)) => {
                self.give_readiness_back();
                let asking = ask(self.layer.clone(), question);
                ResponseFuture::waiting(asking, request, self.inner.clone(), None)
            }
            Err(denial) if self.layer.is_observed() => {
                observe(&self.layer, denial, &request);
                ResponseFuture::forwarded(self.inner.call(request), None)
            }
            Err(denial) => {
                self.give_readiness_back();
                ResponseFuture::answered(refuse(&self.layer, denial, &request), None)
            }
        }
    }
}

/// Notes this layer in a probe, which has no caller.
#[cold]
fn probed<Inner, L, ReqB, ResB>(
    service: &mut RequireService<Inner, L>,
    probe: &Probe,
    mut request: Request<ReqB>,
) -> ResponseFuture<Inner, ReqB, ResB>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    L: Requirement,
{
    let layer = &service.layer;
    let accepted = layer.accepted(&request).map(|accepted| &**accepted);
    probe.meets_requirement(layer.kind(&request), accepted, layer.is_observed());
    if probe.goes_past(&service.inner, &mut request) {
        ResponseFuture::forwarded(service.inner.call(request), None)
    } else {
        ResponseFuture::held()
    }
}

/// Checks what can be decided at once.
fn check<B>(layer: &impl Requirement, request: &Request<B>) -> Result<(), Denial> {
    let principal = Principal::of(request.extensions())?;
    layer
        .check(principal, request)
        .map_err(|cause| Denial::about(cause, Arc::clone(principal.record())))
}

/// Asks the question, and then decides about the request.
fn ask<L, ReqB, ResB>(layer: L, question: L::Question) -> Asking<ReqB, ResB>
where
    L: Requirement<Responder: Responder<ResB>> + Send + Sync + 'static,
    ReqB: 'static,
    ResB: 'static,
{
    let answer = async move { question.ask().await };
    asking(answer, move |answer, request| match answer {
        Err(denial) if layer.is_observed() => {
            observe(&layer, denial, request);
            Ok(Fields::new())
        }
        answer => answer
            .map(|()| Fields::new())
            .map_err(|denial| refuse(&layer, denial, request)),
    })
}

/// Reports what an observed requirement would have refused.
#[cold]
fn observe<B>(layer: &impl Requirement, denial: Denial, request: &Request<B>) {
    let accepted = layer.accepted(request).map(|accepted| &**accepted);
    Rejection::new(denial, &layer.style().messages).report_observed(accepted);
}

/// Reports a refusal and builds its response.
fn refuse<L, ReqB, ResB>(layer: &L, denial: Denial, request: &Request<ReqB>) -> Response<ResB>
where
    L: Requirement<Responder: Responder<ResB>>,
{
    let mut rejection = Rejection::new(denial, &layer.style().messages);
    if let (Cause::NoAcceptedScope, Some(accepted)) = (rejection.cause(), layer.accepted(request)) {
        rejection = rejection.accepting(Arc::clone(accepted));
    }
    rejection.report(None);
    layer.style().refuse(rejection, request)
}
