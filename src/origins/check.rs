//! [`OriginCheck`]: the check for handlers, and the refusal that the layer makes too.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Response};

use super::AllowedOrigins;
use crate::{
    layer::AuthLayer,
    rejection::{Cause, JsonResponder, RefusalStyle, Rejection, Responder},
};

/// Checks the origin of a request in a handler, for a list that depends on what is asked for, such
/// as the widget whose id is in the path.
///
/// Make one when the service starts and keep it in the handlers' state; a clone is cheap.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> axum::Router {
/// use std::{collections::HashMap, sync::Arc};
///
/// use axum::{Router, extract::{Path, State}, response::Response, routing::post};
/// use http::{HeaderMap, StatusCode};
/// use tower_api_key::{
///     AuthLayer, PublicLayer,
///     origins::{AllowedOrigins, OriginCheck},
///     store::MemoryStore,
/// };
///
/// #[derive(Clone)]
/// struct App {
///     sites: Arc<HashMap<String, AllowedOrigins>>, // or your database
///     origins: OriginCheck,
/// }
///
/// async fn message(
///     State(app): State<App>,
///     Path(widget): Path<String>,
///     headers: HeaderMap,
/// ) -> Result<StatusCode, Response> {
///     let Some(sites) = app.sites.get(&widget) else {
///         return Ok(StatusCode::NOT_FOUND);
///     };
///     app.origins.check(sites, &headers)?;
///     Ok(StatusCode::ACCEPTED)
/// }
///
/// let auth = AuthLayer::new(MemoryStore::new()); // that of the private routes
/// let app = App {
///     sites: Arc::default(),
///     origins: OriginCheck::new().with_responses_of(&auth),
/// };
/// Router::new()
///     .route("/widgets/{id}/messages", post(message))
///     .with_state(app)
///     .layer(PublicLayer::new())
/// # }
/// ```
#[must_use]
pub struct OriginCheck<R = JsonResponder> {
    style: Arc<RefusalStyle<R>>,
}

impl OriginCheck {
    /// Creates the check, with the default form of refusals.
    pub fn new() -> Self {
        Self {
            style: Arc::default(),
        }
    }
}

impl Default for OriginCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> OriginCheck<R> {
    /// Builds refusals as `auth` does: with its texts and its responder.
    pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> OriginCheck<R2> {
        OriginCheck {
            style: auth.style(),
        }
    }

    /// Checks the `Origin` header of a request against a list, as an
    /// [`AllowedOriginsLayer`](super::AllowedOriginsLayer) does, and
    /// [reports](mod@crate::observe) a refusal.
    ///
    /// Add `Vary: Origin` to responses that a cache may keep. The layer adds it by itself.
    ///
    /// # Errors
    /// The response to send, with the status 403. It is an ordinary HTTP response: a handler of
    /// tonic calls [`AllowedOrigins::verify`] and returns a `Status` instead.
    pub fn check<B>(&self, list: &AllowedOrigins, headers: &HeaderMap) -> Result<(), Response<B>>
    where
        R: Responder<B>,
    {
        list.verify(headers)
            .map_err(|cause| refuse(cause, &self.style, None))
    }
}

/// Reports a refusal and builds its response, in gRPC's form if `grpc` is its content-type.
pub(super) fn refuse<R, B>(
    cause: Cause,
    style: &RefusalStyle<R>,
    grpc: Option<HeaderValue>,
) -> Response<B>
where
    R: Responder<B>,
{
    let rejection = Rejection::new(cause.into(), &style.messages);
    rejection.report(None);
    style.refuse_in(rejection, grpc)
}

// Written by hand: a derived impl would require `R: Clone`.
impl<R> Clone for OriginCheck<R> {
    fn clone(&self) -> Self {
        Self {
            style: Arc::clone(&self.style),
        }
    }
}

impl<R> fmt::Debug for OriginCheck<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginCheck")
    }
}
