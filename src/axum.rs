//! Support for axum 0.8: [`Principal`] as an extractor, [`Rejection`] and [`ManageError`] as
//! responses, and [`whoami`] as a handler.
//!
//! `Principal` requires an authenticated caller. Without an [`AuthLayer`](crate::AuthLayer) around
//! the route it answers 500, and an event names the fix (feature `tracing`). Behind an optional or
//! public layer it answers 401 if the request is unauthenticated; `Option<Principal>` is then
//! `None`. The same holds for callers whom [another authenticator](crate::EitherAuthLayer) decided
//! about.
//!
//! Without any layer, `Option<Principal>` is a 500 too: a route without a layer must not answer as
//! if its caller were anonymous. To test handlers, see the module `testing` (feature `testing`).
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_api_key::{AuthLayer, Principal, store::MemoryStore};
//!
//! async fn agents(caller: Principal) -> String {
//!     format!("agents of {:?}", caller.organization())
//! }
//!
//! async fn home(caller: Option<Principal>) -> &'static str {
//!     if caller.is_some() { "your agents" } else { "please sign in" }
//! }
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let private = Router::new().route("/agents", get(agents)).layer(auth.clone());
//! let either = Router::new().route("/", get(home)).layer(auth.optional());
//! let app: Router = either.merge(private);
//! ```
//!
//! For scopes by route, see [`RouteScopes`](crate::require::RouteScopes).
//!
//! Call `.layer(…)` last on each router: it then covers the fallbacks, which `route_layer` leaves
//! open ([guide](crate::guide::placement#axum)).

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    request::Parts,
};

use crate::{
    caller_info::CallerInfo,
    id::OrgId,
    manage::ManageError,
    oauth::ProtectedResourceMetadata,
    observe,
    principal::Principal,
    rejection::{Cause, Denial, JsonResponder, RefusalBody, RefusalStyle, Rejection},
};

impl RefusalBody for Body {
    fn from_text(text: String) -> Self {
        text.into()
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Principal::of(&parts.extensions).cloned().map_err(refused)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        match Principal::of(&parts.extensions) {
            Ok(principal) => Ok(Some(principal.clone())),
            Err(Cause::Anonymous | Cause::OtherCaller) => Ok(None),
            Err(cause) => Err(refused(cause)),
        }
    }
}

/// Finds the target of a [`RequireDescendantLayer`](crate::RequireDescendantLayer) with an
/// extractor, so that the layer and the handler read the same organization. `Path` returns the
/// parameter that the router matched, percent-decoded, also under `nest`, where the URI that a
/// layer sees lacks the prefix.
///
/// It takes extractors that return at once, such as `Path`, `Query` and `Extension`. If extraction
/// fails or waits, there is no target, and the request is refused.
///
/// ```
/// use axum::{Router, extract::Path, routing::get};
/// use tower_api_key::{AuthLayer, RequireDescendantLayer, store::MemoryStore};
///
/// let store = MemoryStore::new();
/// let auth = AuthLayer::new(store.clone());
/// let target = tower_api_key::axum::target(|Path(id): Path<String>| id.into());
/// let below = RequireDescendantLayer::new(store, target).with_responses_of(&auth);
/// let console = Router::new().route("/{id}", get(|| async {}).layer(below));
/// let app: Router = Router::new().nest("/admin/partner-console", console).layer(auth);
/// ```
pub fn target<E>(
    find: impl Fn(E) -> OrgId + Send + Sync + 'static,
) -> impl Fn(&Parts) -> Option<OrgId> + Send + Sync + 'static
where
    E: FromRequestParts<()> + 'static,
{
    move |parts| {
        let mut parts = parts.clone();
        let extraction = pin!(E::from_request_parts(&mut parts, &()));
        match extraction.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(extracted) => extracted.ok().map(&find),
            Poll::Pending => None,
        }
    }
}

/// Answers who the caller is, as [`CallerInfo::to_json`] in the body, with
/// `Cache-Control: no-store`: for a client or its support to see what the service takes a
/// credential for, since refusals do not tell.
///
/// It needs a caller, as `Principal` does: behind an optional or public layer an anonymous request
/// is a 401, and without any layer every request is a 500. It needs no scope, so keep it outside of
/// the `Require…` layers. On a user-scoped route the organization is `null` and there are no
/// scopes.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_api_key::{AuthLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new());
/// let app: Router = Router::new()
///     .route("/whoami", get(tower_api_key::axum::whoami))
///     .layer(auth);
/// ```
pub async fn whoami(caller: Principal) -> Response {
    json_response(StatusCode::OK, CallerInfo::of(&caller).to_json())
}

/// Builds a response that no cache may keep.
fn json_response(status: StatusCode, json: String) -> Response {
    let mut response = (status, json).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Reports a missing caller and returns it in the default form.
fn refused(cause: Cause) -> Rejection {
    let rejection = Rejection::new(Denial::from(cause), &Arc::default());
    rejection.report(None);
    rejection
}

/// Builds the default form. A layer's own form is not known here; where the form matters, let the
/// layer or a `Require…` layer refuse.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        RefusalStyle::default().refuse_in(self, None)
    }
}

/// Builds `{"detail": "<text>"}` with the error's [status](ManageError::status)
/// (api-reference/errors). A store failure is also reported to [`observe`](mod@crate::observe).
impl IntoResponse for ManageError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = JsonResponder::default().body(&self.to_string());
        let mut response = json_response(status, body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let retry_after = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, retry_after);
            observe::management_failed(&self);
        }
        response
    }
}

/// Answers with the document (RFC 9728, section 3.2).
impl IntoResponse for ProtectedResourceMetadata {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, content_type)], self.to_json()).into_response()
    }
}
