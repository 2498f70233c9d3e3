//! [`EveryRouteDecidesLayer`]: catches routes that have no layer.
//!
//! A route without a layer is open, and nothing shows it: routes merged after `.layer(auth)`, a
//! nested fallback that `route_layer` does not cover, a file service beside the API. This layer
//! goes around all of them. Through the request's extensions, it asks the [`AuthLayer`] or
//! [`PublicLayer`](crate::PublicLayer) that decides the request to mark the response. An unmarked
//! response is withheld.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    authenticate::Sources,
    decided::DecisionRequired,
    layer::AuthLayer,
    probe::{Held, Probe},
    rejection::{Cause, JsonResponder, RefusalStyle, Rejection, Responder},
    service::mark_sensitive,
};

/// Withholds every response that neither an [`AuthLayer`] nor a
/// [`PublicLayer`](crate::PublicLayer) decided, and answers 500 instead.
///
/// Put it around everything that answers requests, as the last layer of the whole router, or use it
/// in a test that sends a request to every route. The refusal is
/// [`Reason::Misconfigured`](crate::Reason::Misconfigured) with the cause `undecided`, and is
/// reported like any other ([`observe`](mod@crate::observe)).
///
/// Layers that answer by themselves go outside it: CORS, timeouts, rate limits, a layer that
/// catches panics. Such responses never reach a route, so no route decided them. If one layer of
/// this kind is inside another, the inner one decides for both.
///
/// The event does not name the route. It is emitted within the current span, so a `TraceLayer` of
/// tower-http outside, whose span has the method and the path, shows which one it was.
///
/// It does not replace authentication: the handler of an undecided route has already run when its
/// response is withheld.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> axum::Router {
/// use axum::{Router, routing::get};
/// use tower_api_key::{AuthLayer, EveryRouteDecidesLayer, PublicLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new());
/// let private = Router::new().route("/agents", get(|| async {})).layer(auth.clone());
/// let public = Router::new().route("/status", get(|| async {})).layer(PublicLayer::new());
/// public.merge(private).layer(EveryRouteDecidesLayer::new().with_responses_of(&auth))
/// # }
/// ```
#[must_use]
pub struct EveryRouteDecidesLayer<R = JsonResponder> {
    style: Arc<RefusalStyle<R>>,
    sources: Sources,
}

impl EveryRouteDecidesLayer {
    /// Creates the layer, with the default form of refusals.
    pub fn new() -> Self {
        Self {
            style: Arc::default(),
            sources: Sources::default(),
        }
    }
}

impl Default for EveryRouteDecidesLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> EveryRouteDecidesLayer<R> {
    /// Builds refusals as `auth` does: with its texts, its responder and its gRPC form. The headers
    /// of its further [sources](crate::CredentialSource) are marked sensitive like `Authorization`.
    pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> EveryRouteDecidesLayer<R2> {
        EveryRouteDecidesLayer {
            style: auth.style(),
            sources: auth.sources(),
        }
    }
}

impl<R> Clone for EveryRouteDecidesLayer<R> {
    fn clone(&self) -> Self {
        Self {
            style: Arc::clone(&self.style),
            sources: self.sources.clone(),
        }
    }
}

impl<R> fmt::Debug for EveryRouteDecidesLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EveryRouteDecidesLayer")
    }
}

impl<R, Inner> Layer<Inner> for EveryRouteDecidesLayer<R> {
    type Service = EveryRouteDecides<Inner, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        EveryRouteDecides {
            inner,
            style: Arc::clone(&self.style),
            sources: self.sources.clone(),
        }
    }
}

/// A service behind an [`EveryRouteDecidesLayer`]. It calls the inner service at once, and looks
/// for the mark in the response.
pub struct EveryRouteDecides<Inner, R = JsonResponder> {
    inner: Inner,
    style: Arc<RefusalStyle<R>>,
    sources: Sources,
}

impl<Inner: Clone, R> Clone for EveryRouteDecides<Inner, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            style: Arc::clone(&self.style),
            sources: self.sources.clone(),
        }
    }
}

impl<Inner: fmt::Debug, R> fmt::Debug for EveryRouteDecides<Inner, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EveryRouteDecides")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<Inner, R, ReqB, ResB> Service<Request<ReqB>> for EveryRouteDecides<Inner, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
    R: Responder<ResB>,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = EveryRouteDecidesFuture<Inner::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            let (future, held) = probe.call(request, |request| self.inner.call(request));
            return EveryRouteDecidesFuture::probed(future, held, Arc::clone(&self.style));
        }
        let required = DecisionRequired::new();
        let outer = request.extensions().get::<DecisionRequired>().cloned();
        let grpc = self.style.grpc_content_type::<ResB, _>(&request);
        mark_sensitive(&mut request, &self.sources);
        request.extensions_mut().insert(required.clone());
        let future = self.inner.call(request);
        EveryRouteDecidesFuture {
            future,
            required: Some(required),
            outer,
            grpc,
            style: Arc::clone(&self.style),
            held: Held::NO,
        }
    }
}

pin_project! {
    /// The response of a service behind an [`EveryRouteDecidesLayer`].
    pub struct EveryRouteDecidesFuture<F, R> {
        #[pin]
        future: F,
        // `None` for a probe.
        required: Option<DecisionRequired>,
        // Set by another layer of this kind around this one.
        outer: Option<DecisionRequired>,
        grpc: Option<HeaderValue>,
        style: Arc<RefusalStyle<R>>,
        held: Held,
    }
}

impl<F, R> EveryRouteDecidesFuture<F, R> {
    /// The response to a probe, which may be held back and is not examined.
    #[cold]
    fn probed(future: F, held: Held, style: Arc<RefusalStyle<R>>) -> Self {
        Self {
            future,
            required: None,
            outer: None,
            grpc: None,
            style,
            held,
        }
    }
}

impl<F, R, B, E> Future for EveryRouteDecidesFuture<F, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    R: Responder<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.held.is_held() {
            return Poll::Pending;
        }
        let mut response = ready!(this.future.poll(cx))?;
        let required = this.required.as_ref();
        if required.is_some_and(|required| !required.met_by(response.extensions())) {
            let rejection = Rejection::new(Cause::Undecided.into(), &this.style.messages);
            rejection.report(None);
            response = this.style.refuse_in(rejection, this.grpc.take());
        }
        if let Some(outer) = this.outer.take() {
            response.extensions_mut().insert(outer.decided());
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, R> fmt::Debug for EveryRouteDecidesFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EveryRouteDecidesFuture")
            .finish_non_exhaustive()
    }
}
