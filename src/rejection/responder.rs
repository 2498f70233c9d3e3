//! Responders, which build the HTTP form of refusals, and the bodies that they write into.

use http::Response;

use super::Rejection;

/// Builds the HTTP response of a refusal. Closures `Fn(&Rejection) -> Response<B>` implement it for
/// every body `B: Default`.
///
/// You only need to set the body and your own headers. The rest is added afterwards: the challenge
/// and `Retry-After` unless the response already has them, and `Cache-Control: no-store`, which
/// always replaces every other caching header. A status outside the refusal's class (4xx, or 5xx
/// for an outage) is replaced by the refusal's own. gRPC calls are answered without calling
/// [`respond`](Self::respond).
///
/// # Bodies that this crate does not know
///
/// The responders of this crate need [`B: RefusalBody`](RefusalBody). For any other body, let one
/// of them write a `String`, and convert that:
///
/// ```
/// use tower_api_key::{
///     AuthLayer, Rejection,
///     rejection::{JsonResponder, Responder},
///     store::MemoryStore,
/// };
///
/// #[derive(Default)]
/// struct Body(Vec<u8>);
///
/// let json = JsonResponder::default();
/// let auth = AuthLayer::new(MemoryStore::new()).with_responder(move |rejection: &Rejection| {
///     json.respond(rejection).map(|text: String| Body(text.into_bytes()))
/// });
/// ```
///
/// If such a service speaks gRPC, add [`with_grpc`](crate::AuthLayer::with_grpc): the layer cannot
/// see it from a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer refusals with the response body `{B}`",
    label = "the inner service answers with `{B}`",
    note = "for the body of axum 0.8 enable the feature `axum` of `tower-api-key`, for the body of \
            tonic 0.14 the feature `tonic`, for the bodies of `http-body-util` the feature of that \
            name",
    note = "for any other body with `Default`, such as those of other majors of axum and tonic, use \
            `with_responder` with a closure `Fn(&Rejection) -> Response<{B}>`; `JsonResponder` and \
            `ProblemResponder` need `{B}: RefusalBody`"
)]
pub trait Responder<B>: Send + Sync + 'static {
    /// Builds the response.
    fn respond(&self, rejection: &Rejection) -> Response<B>;

    /// Creates an empty body, for gRPC refusals and answered preflights.
    fn empty_body(&self) -> B;

    /// Returns whether services with the response body `B` speak gRPC, so that gRPC calls are
    /// refused in gRPC's form without [`with_grpc`](crate::AuthLayer::with_grpc).
    ///
    /// `false` by default, and for closures. The responders of this crate return
    /// [`RefusalBody::SPEAKS_GRPC`].
    fn speaks_grpc(&self) -> bool {
        false
    }
}

impl<B, F> Responder<B> for F
where
    F: Fn(&Rejection) -> Response<B> + Send + Sync + 'static,
    B: Default,
{
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        self(rejection)
    }

    fn empty_body(&self) -> B {
        B::default()
    }
}

/// A response body that the responders of this crate can write into.
///
/// Refusals use the inner service's own body type instead of a wrapper around it, so accepted
/// requests cost nothing.
///
/// It is implemented for `String`; for axum 0.8's body with the feature `axum`; for tonic 0.14's
/// bodies with the feature `tonic`; and for `Bytes`, `Full<Bytes>` and the boxed bodies of
/// `http-body-util` with the feature `http-body-util`. Any other body works with a closure: see
/// [`Responder`].
///
/// Implement it for a body type of your own:
///
/// ```
/// use tower_api_key::rejection::RefusalBody;
///
/// enum Body {
///     Full(String),
///     File(std::path::PathBuf),
/// }
///
/// impl RefusalBody for Body {
///     fn from_text(text: String) -> Self {
///         Body::Full(text)
///     }
/// }
/// # let _ = Body::File("".into());
/// ```
#[diagnostic::on_unimplemented(
    message = "a refusal cannot be written into the response body `{Self}`",
    label = "the inner service answers with `{Self}`, which does not implement `RefusalBody`",
    note = "for the body of axum 0.8 enable the feature `axum` of `tower-api-key`",
    note = "for the body of tonic 0.14 enable the feature `tonic` of `tower-api-key`",
    note = "for the bodies of `http-body-util` enable the feature `http-body-util` of \
            `tower-api-key`",
    note = "other majors of axum and tonic have bodies of their own, which look the same in errors: \
            use `with_responder` with a closure `Fn(&Rejection) -> Response<{Self}>`, which needs \
            only `{Self}: Default`; or implement `RefusalBody` for a body type of yours"
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
