//! [`AllowedOriginsLayer`]: the layer for routes with one list.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{AllowedOrigins, AllowedOriginsService};
use crate::{
    layer::AuthLayer,
    rejection::{JsonResponder, RefusalStyle},
};

/// Lets requests through that pages of the listed origins send. Answers others 403, with
/// [`Reason::OriginDenied`](crate::Reason::OriginDenied); the [module](super) has the rules.
///
/// Put it inside a [`PublicLayer`](crate::PublicLayer): by itself it does not decide a route, and
/// an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) withholds the response. It looks at
/// no credential. Where the list depends on the request, use an [`OriginCheck`](super::OriginCheck)
/// in the handler.
///
/// The responses to requests that it lets through get `Vary: Origin`, unless the list is empty, so
/// that a cache does not serve them to pages of other origins (Fetch, "CORS protocol and HTTP
/// caches"). Refusals have `Cache-Control: no-store`.
///
/// # CORS
///
/// A page can read a response only if CORS allows it, and a preflight has to be answered before
/// (Fetch, "HTTP CORS protocol"). This layer does neither: it refuses requests on the server, and a
/// CORS layer tells browsers. That one goes outside of this layer, where it answers preflights, and
/// takes the same list:
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> Result<axum::Router, tower_api_key::origins::InvalidOrigin> {
/// use axum::{Router, routing::post};
/// use http::{Method, header::CONTENT_TYPE};
/// use tower_api_key::{
///     PublicLayer,
///     origins::{AllowedOrigins, AllowedOriginsLayer},
/// };
/// use tower_http::cors::{AllowOrigin, CorsLayer};
///
/// let sites = AllowedOrigins::new(["example.com", "www.example.com"])?;
/// let listed = sites.clone();
/// let cors = CorsLayer::new()
///     .allow_origin(AllowOrigin::predicate(move |origin, _| listed.allows(origin)))
///     .allow_methods([Method::POST])
///     .allow_headers([CONTENT_TYPE]);
/// let app = Router::new()
///     .route("/feedback", post(|| async {}))
///     .layer(AllowedOriginsLayer::new(sites))
///     .layer(cors)
///     .layer(PublicLayer::new());
/// # Ok(app)
/// # }
/// ```
///
/// Without a CORS layer, a preflight passes this layer if its origin is listed.
#[must_use]
pub struct AllowedOriginsLayer<R = JsonResponder> {
    pub(super) origins: AllowedOrigins,
    pub(super) style: Arc<RefusalStyle<R>>,
}

impl AllowedOriginsLayer {
    /// Creates a layer that lets requests through that `origins` allows.
    pub fn new(origins: AllowedOrigins) -> Self {
        Self {
            origins,
            style: Arc::default(),
        }
    }
}

impl<R> AllowedOriginsLayer<R> {
    /// Builds refusals as `auth` does: with its texts, its responder and its gRPC form.
    pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> AllowedOriginsLayer<R2> {
        AllowedOriginsLayer {
            origins: self.origins,
            style: auth.style(),
        }
    }

    /// Declares that the services behind this layer speak gRPC; see
    /// [`AuthLayer::with_grpc`]. [`with_responses_of`](Self::with_responses_of) copies this setting
    /// from the other layer.
    pub fn with_grpc(mut self) -> Self {
        Arc::make_mut(&mut self.style).set_grpc();
        self
    }
}

impl<R, Inner> Layer<Inner> for AllowedOriginsLayer<R> {
    type Service = AllowedOriginsService<Inner, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        AllowedOriginsService::new(inner, self.clone())
    }
}

// Written by hand: a derived impl would require `R: Clone`.
impl<R> Clone for AllowedOriginsLayer<R> {
    fn clone(&self) -> Self {
        Self {
            origins: self.origins.clone(),
            style: Arc::clone(&self.style),
        }
    }
}

impl<R> fmt::Debug for AllowedOriginsLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowedOriginsLayer")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
