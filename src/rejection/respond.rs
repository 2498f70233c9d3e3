//! Turns a refusal into a response: picks HTTP or gRPC by the service and the request, and sets the
//! headers that both need.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt, Full, combinators::BoxBody, combinators::UnsyncBoxBody};

use super::{Messages, Reason, Rejection, grpc, json::JsonResponder};
use crate::error::ConfigError;

/// Builds the HTTP response of a refusal. Closures `Fn(&Rejection) -> Response<B>` implement it.
///
/// You only need to set the body and your own headers. The rest is added afterwards: the challenge
/// and `Retry-After` unless the response already has them, and `Cache-Control: no-store`, which
/// always replaces every other caching header. A status outside the refusal's class (4xx, or 5xx
/// for an outage) is replaced by the refusal's own. gRPC calls are answered without calling the
/// responder.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer refusals with the response body `{B}`",
    label = "the inner service answers with `{B}`",
    note = "a closure has to be `Fn(&Rejection) -> Response<{B}>`; `JsonResponder` and `ProblemResponder` \
            need `{B}: RefusalBody`",
    note = "for the body of axum 0.8 enable the feature `axum` of `tower-api-key`, for the body of tonic \
            0.14 the feature `tonic`"
)]
pub trait Responder<B>: Send + Sync + 'static {
    /// Builds the response.
    fn respond(&self, rejection: &Rejection) -> Response<B>;
}

impl<B, F: Fn(&Rejection) -> Response<B> + Send + Sync + 'static> Responder<B> for F {
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }
}

/// A response body that a refusal can be written into.
///
/// Refusals use the inner service's own body type instead of a wrapper around it, so accepted
/// requests cost nothing.
///
/// It is implemented for axum 0.8's body with the feature `axum`, for tonic 0.14's bodies with the
/// feature `tonic`, and for `String`, `Bytes`, `Full<Bytes>` and the boxed bodies of
/// `http-body-util`.
#[diagnostic::on_unimplemented(
    message = "a refusal cannot be written into the response body `{Self}`",
    label = "the inner service answers with `{Self}`, which does not implement `RefusalBody`",
    note = "for the body of axum 0.8 enable the feature `axum` of `tower-api-key`",
    note = "for the body of tonic 0.14 enable the feature `tonic` of `tower-api-key`",
    note = "other majors of axum and tonic have bodies of their own, which look the same in errors; \
            implement `RefusalBody` for a body type of yours"
)]
pub trait RefusalBody: Sized {
    /// Whether services with this response body speak gRPC, so that gRPC calls are refused in
    /// gRPC's form without [`with_grpc`](crate::AuthLayer::with_grpc). `false` unless the type is
    /// used for gRPC alone, as tonic's body is.
    const SPEAKS_GRPC: bool = false;

    /// Creates a body from `text`.
    fn from_text(text: String) -> Self;

    /// Creates an empty body.
    #[must_use]
    fn empty() -> Self {
        Self::from_text(String::new())
    }
}

impl RefusalBody for String {
    fn from_text(text: String) -> Self {
        text
    }
}

impl RefusalBody for Bytes {
    fn from_text(text: String) -> Self {
        text.into()
    }
}

impl RefusalBody for Full<Bytes> {
    fn from_text(text: String) -> Self {
        Self::new(text.into())
    }
}

impl<E> RefusalBody for BoxBody<Bytes, E>
where
    E: 'static,
{
    fn from_text(text: String) -> Self {
        Full::<Bytes>::from(text)
            .map_err(|never| match never {})
            .boxed()
    }
}

impl<E> RefusalBody for UnsyncBoxBody<Bytes, E>
where
    E: 'static,
{
    fn from_text(text: String) -> Self {
        Full::<Bytes>::from(text)
            .map_err(|never| match never {})
            .boxed_unsync()
    }
}

/// The form of refusals: texts, realm, responder. A layer shares it with the `Require…` layers
/// inside it.
#[derive(Debug)]
pub struct Presentation<R = JsonResponder> {
    pub(crate) messages: Messages,
    challenges: Challenges,
    responder: Arc<R>,
    /// Whether the service speaks gRPC whatever its body type.
    grpc: bool,
}

// Written by hand: a derived impl would require `R: Clone`.
impl<R> Clone for Presentation<R> {
    fn clone(&self) -> Self {
        Self {
            messages: self.messages.clone(),
            challenges: self.challenges.clone(),
            responder: Arc::clone(&self.responder),
            grpc: self.grpc,
        }
    }
}

/// The values of `WWW-Authenticate`, built once.
#[derive(Clone, Debug)]
struct Challenges {
    bare: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
}

impl Default for Presentation {
    fn default() -> Self {
        Self {
            messages: Messages::default(),
            challenges: Challenges {
                bare: HeaderValue::from_static(r#"Bearer realm="api""#),
                invalid_token: HeaderValue::from_static(
                    r#"Bearer realm="api", error="invalid_token""#,
                ),
                insufficient_scope: HeaderValue::from_static(
                    r#"Bearer realm="api", error="insufficient_scope""#,
                ),
            },
            responder: Arc::default(),
            grpc: false,
        }
    }
}

impl<R> Presentation<R> {
    pub(crate) fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            challenges: Challenges::new(realm)?,
            ..self
        })
    }

    pub(crate) fn with_responder<R2>(self, responder: R2) -> Presentation<R2> {
        let Self {
            messages,
            challenges,
            grpc,
            ..
        } = self;
        Presentation {
            messages,
            challenges,
            responder: Arc::new(responder),
            grpc,
        }
    }

    pub(crate) fn with_grpc(self) -> Self {
        Self { grpc: true, ..self }
    }

    /// Builds the response to a refused request, from the request's method, version and
    /// content-type.
    pub(crate) fn refuse<B: RefusalBody, ReqB>(
        &self,
        rejection: Rejection,
        request: &Request<ReqB>,
    ) -> Response<B>
    where
        R: Responder<B>,
    {
        self.refuse_in(rejection, self.grpc_content_type::<B, _>(request))
    }

    /// Returns the content-type of a gRPC refusal to the request, or `None` if the refusal is an
    /// ordinary HTTP response.
    ///
    /// A gRPC refusal has the HTTP status 200, and gateways, counters and health checks go by the
    /// status. A client must not be able to choose that, so the service declares that it speaks
    /// gRPC before the request is examined.
    pub(crate) fn grpc_content_type<B: RefusalBody, ReqB>(
        &self,
        request: &Request<ReqB>,
    ) -> Option<HeaderValue> {
        (B::SPEAKS_GRPC || self.grpc)
            .then(|| grpc::content_type(request))
            .flatten()
    }

    /// Builds the response in the form that [`grpc_content_type`](Self::grpc_content_type)
    /// returned.
    pub(crate) fn refuse_in<B: RefusalBody>(
        &self,
        rejection: Rejection,
        grpc: Option<HeaderValue>,
    ) -> Response<B>
    where
        R: Responder<B>,
    {
        let mut response = match grpc {
            Some(content_type) => grpc::respond(&rejection, content_type),
            None => self.http(&rejection),
        };
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(rejection);
        response
    }

    fn http<B: RefusalBody>(&self, rejection: &Rejection) -> Response<B>
    where
        R: Responder<B>,
    {
        let mut response = self.responder.respond(rejection);
        remove_targeted_cache_controls(response.headers_mut());
        // A responder chooses within the class: a refusal is never a success, an outage never the
        // client's fault.
        let same_class = match rejection.status().is_server_error() {
            true => response.status().is_server_error(),
            false => response.status().is_client_error(),
        };
        if !same_class {
            *response.status_mut() = rejection.status();
        }
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenges.to(rejection) {
            headers.entry(WWW_AUTHENTICATE).or_insert(challenge);
        }
        if rejection.reason() == Reason::Unavailable {
            headers
                .entry(RETRY_AFTER)
                .or_insert(HeaderValue::from_static("1"));
        }
        response
    }
}

/// Removes every caching header that could override the `Cache-Control: no-store` of refusals.
///
/// `no-store` overrides `Expires` (RFC 9111, section 5.3) and `Pragma` in caches that follow the
/// standard, but not the fields for one kind of cache: `CDN-Cache-Control` and its like (RFC 9213),
/// `Surrogate-Control`, Akamai's `Edge-Control`, nginx's `X-Accel-Expires`. All of them are
/// removed.
fn remove_targeted_cache_controls(headers: &mut HeaderMap) {
    while let Some(targeted) = headers
        .keys()
        .find(|name| is_targeted_cache_control(name))
        .cloned()
    {
        headers.remove(targeted);
    }
}

fn is_targeted_cache_control(name: &HeaderName) -> bool {
    let name = name.as_str();
    let by_name = [
        "surrogate-control",
        "edge-control",
        "x-accel-expires",
        "expires",
        "pragma",
    ];
    name.ends_with("-cache-control") || by_name.contains(&name)
}

impl Challenges {
    fn new(realm: &str) -> Result<Self, ConfigError> {
        let bare = format!("Bearer realm={}", quoted(realm)?);
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| ConfigError::InvalidRealm(realm.into()))
        };
        Ok(Self {
            invalid_token: value(&format!(r#"{bare}, error="invalid_token""#))?,
            insufficient_scope: value(&format!(r#"{bare}, error="insufficient_scope""#))?,
            bare: value(&bare)?,
        })
    }

    /// Returns the challenge for a refusal (RFC 6750, section 3).
    ///
    /// `invalid_token` is sent only when a bearer credential was presented and is bad (section
    /// 3.1): a client discards a token when it sees that error. `scope` is sent only when a single
    /// scope is accepted, since a list would read as "all of these".
    fn to(&self, rejection: &Rejection) -> Option<HeaderValue> {
        match rejection.reason() {
            Reason::MissingCredential | Reason::MissingOrganization => Some(self.bare.clone()),
            Reason::UnrecognizedToken | Reason::InvalidToken => Some(self.invalid_token.clone()),
            Reason::OrganizationDenied | Reason::InsufficientScope => {
                let single = rejection
                    .accepted_scopes()
                    .and_then(|accepted| accepted.single());
                Some(
                    single
                        .and_then(|scope| self.with_scope(scope))
                        .unwrap_or_else(|| self.insufficient_scope.clone()),
                )
            }
            Reason::ExposedCredential | Reason::Unavailable | Reason::Misconfigured => None,
        }
    }

    fn with_scope(&self, scope: &str) -> Option<HeaderValue> {
        let mut value = self.insufficient_scope.as_bytes().to_vec();
        value.extend_from_slice(format!(r#", scope="{scope}""#).as_bytes());
        HeaderValue::from_bytes(&value).ok()
    }
}

/// Returns `text` as a quoted-string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> Result<String, ConfigError> {
    if text.chars().any(char::is_control) {
        return Err(ConfigError::InvalidRealm(text.into()));
    }
    Ok(format!(
        "\"{}\"",
        text.replace('\\', r"\\").replace('"', "\\\"")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let bare = |realm| {
            Challenges::new(realm).map(|c| String::from_utf8(c.bare.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(bare("my api").unwrap(), r#"Bearer realm="my api""#);
        assert_eq!(bare(r#"a"b\c"#).unwrap(), r#"Bearer realm="a\"b\\c""#);
        assert_eq!(
            bare("a\r\nX: y"),
            Err(ConfigError::InvalidRealm("a\r\nX: y".into()))
        );
        assert_eq!(bare("a\tb"), Err(ConfigError::InvalidRealm("a\tb".into())));
    }

    #[test]
    fn the_default_realm_is_api() {
        let (made, fixed) = (
            Challenges::new("api").unwrap(),
            Presentation::default().challenges,
        );
        assert_eq!(made.bare, fixed.bare);
        assert_eq!(made.invalid_token, fixed.invalid_token);
        assert_eq!(made.insufficient_scope, fixed.insufficient_scope);
    }
}
