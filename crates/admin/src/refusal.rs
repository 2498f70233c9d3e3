//! Refusals of the layers, in the form of the endpoints' errors.

use axum::response::Response;
use http::{HeaderValue, header::CONTENT_TYPE};
use tower_api_key::Rejection;

use crate::error::envelope;

/// Builds `{"detail": "<text>", "code": "<code>"}` for a refusal: a responder for
/// [`AuthLayer::with_responder`](tower_api_key::AuthLayer::with_responder), so that the 401s and
/// 403s of the layer have the same form as the errors of the endpoints. The code is
/// [`Reason::code`](tower_api_key::Reason::code).
///
/// By default the layer answers `{"detail": "<text>"}`. It adds the status, the challenge and
/// `Cache-Control` in either case.
///
/// ```
/// use tower_api_key::{AuthLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new()).with_responder(tower_api_key_admin::refusal);
/// # let _: axum::Router = axum::Router::new().layer(auth);
/// ```
pub fn refusal(rejection: &Rejection) -> Response {
    let mut response = Response::new(envelope(rejection.reason().code(), rejection.detail()));
    *response.status_mut() = rejection.status();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
