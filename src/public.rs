//! [`PublicLayer`]: marks a route as public.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    authenticate::Sources,
    decided::Decided,
    future::PublicFuture,
    layer::AuthLayer,
    principal::WithoutPrincipal,
    probe::{Probe, Tag},
    service::{pass, remove_credential},
};

/// Takes the place of an [`AuthLayer`] on a route that accepts requests without a
/// credential.
///
/// The credential is not examined: there is no lookup and no principal, and the store may be down.
/// A principal that is already in the request's extensions is removed, and every `Authorization`
/// value is marked sensitive. Under an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer)
/// the response is marked as decided.
///
/// To accept requests from the pages of some sites only, see
/// [`guide::widgets`](crate::guide::widgets).
///
/// There are no path patterns, since a pattern would have to read a path exactly as the router
/// does. Instead, each route declares itself public.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> axum::Router {
/// use axum::{Router, routing::{get, post}};
/// use tower_api_key::{AuthLayer, PublicLayer, store::MemoryStore};
///
/// let private = Router::new()
///     .route("/agents", get(|| async {}))
///     .layer(AuthLayer::new(MemoryStore::new()));
/// let public = Router::new()
///     .route("/hooks", post(|| async {})) // authenticated by a signature of its own
///     .layer(PublicLayer::new());
/// public.merge(private)
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct PublicLayer {
    sources: Sources,
    removes_authorization: bool,
}

impl PublicLayer {
    /// Creates the layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes the `Authorization` header from the request, for an inner service that forwards
    /// requests to other services; see
    /// [`AuthLayer::with_authorization_removed`](crate::AuthLayer::with_authorization_removed).
    pub fn with_authorization_removed(mut self) -> Self {
        self.removes_authorization = true;
        self
    }

    /// Treats the headers of the further [sources](crate::CredentialSource) of `auth` like
    /// `Authorization`: marks them sensitive, or removes them.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_api_key::{AuthLayer, CredentialSource, PublicLayer, store::MemoryStore};
    ///
    /// let header = CredentialSource::header(HeaderName::from_static("x-api-key"));
    /// let auth = AuthLayer::new(MemoryStore::new()).with_source(header)?;
    /// let open = PublicLayer::new().with_sources_of(&auth);
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    pub fn with_sources_of<S, R>(mut self, auth: &AuthLayer<S, R>) -> Self {
        self.sources = auth.sources();
        self
    }
}

impl<Inner> Layer<Inner> for PublicLayer {
    type Service = PublicService<Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        PublicService {
            inner,
            layer: self.clone(),
            _tag: Tag,
        }
    }
}

/// A service behind a [`PublicLayer`]. It needs an inner service that answers with
/// [`http::Response`].
#[derive(Clone, Debug)]
pub struct PublicService<Inner> {
    inner: Inner,
    layer: PublicLayer,
    _tag: Tag,
}

impl<Inner, ReqB, ResB> Service<Request<ReqB>> for PublicService<Inner>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = PublicFuture<Inner::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            probe.meets_public();
            return PublicFuture::probed(probe.call(request, |request| self.inner.call(request)));
        }
        let decided = Decided::asked_for(request.extensions());
        let sources = &self.layer.sources;
        pass(&mut request, sources, WithoutPrincipal::Anonymous);
        if self.layer.removes_authorization {
            remove_credential(&mut request, sources);
        }
        PublicFuture::new(self.inner.call(request), decided)
    }
}
