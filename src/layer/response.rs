//! What clients get from an [`AuthLayer`]: the form of refusals, and headers for accepted callers.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::AuthLayer;
use crate::{credential::TokenFormat, error::ConfigError, rejection::Messages};

impl<S, R> AuthLayer<S, R> {
    /// Sets the realm of the challenge (RFC 9110, section 11.5); `api` by default. Quotes are
    /// escaped.
    ///
    /// # Errors
    /// [`ConfigError::InvalidRealm`] if `realm` contains control characters.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        self.style = self.style.with_realm(realm)?;
        Ok(self)
    }

    /// Sets the texts of refusals. A text that names the default prefixes follows those of
    /// [`with_token_format`](Self::with_token_format), whichever is called first.
    pub fn with_messages(mut self, mut messages: Messages) -> Self {
        messages.follow_prefixes(&TokenFormat::default(), &self.policy.format);
        self.style.messages = Arc::new(messages);
        self
    }

    /// Sets the responder that builds HTTP refusals: a closure,
    /// [`ProblemResponder`](crate::rejection::ProblemResponder) or another
    /// [`Responder`](crate::rejection::Responder).
    ///
    /// A closure works with every response body that implements `Default`, also with those that
    /// this crate does not know. Behind a closure, a service that speaks gRPC needs
    /// [`with_grpc`](Self::with_grpc), whatever its body.
    ///
    /// ```
    /// use http::Response;
    /// use tower_api_key::{AuthLayer, Rejection, store::MemoryStore};
    ///
    /// let auth = AuthLayer::new(MemoryStore::new()).with_responder(|rejection: &Rejection| {
    ///     Response::new(format!("<h1>{rejection}</h1>"))
    /// });
    /// ```
    pub fn with_responder<R2>(self, responder: R2) -> AuthLayer<S, R2> {
        let Self {
            store,
            policy,
            style,
        } = self;
        AuthLayer {
            store,
            policy,
            style: style.with_responder(responder),
        }
    }

    /// Declares that the services behind this layer speak gRPC, so that gRPC calls are refused in
    /// gRPC's own form.
    ///
    /// Services with tonic's response body type declare it by that type, unless
    /// [`with_responder`](Self::with_responder) got a closure. Others must call this method: tonic
    /// services in an axum router (`Routes::into_axum_router`), those of another major of tonic,
    /// and gRPC services written by hand. Do not call it for a service that speaks only plain HTTP:
    /// see the [guide](crate::guide::refusals#grpc).
    pub fn with_grpc(mut self) -> Self {
        self.style.set_grpc();
        self
    }

    /// Tells callers that their credential expires within the time `within`: the responses to their
    /// requests have the header `name` with the second of its end since 1970, as a Date of
    /// Structured Fields (RFC 9651, section 3.3.7), the form of the header `Deprecation` (RFC
    /// 9745). Off by default.
    ///
    /// A client can log it, or warn its user in time. It is on every response to an accepted
    /// request, including those that an inner layer refuses. Choose a name of your own: a field of
    /// the same name from the inner service is replaced.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use http::HeaderName;
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
    /// let auth = AuthLayer::new(MemoryStore::new())
    ///     .with_expiry_header(HeaderName::from_static("acme-key-expires"), TWO_WEEKS)
    ///     .with_rotation_header(HeaderName::from_static("acme-key-replaced"));
    /// // acme-key-expires: @1767225600
    /// ```
    pub fn with_expiry_header(mut self, name: HeaderName, within: Duration) -> Self {
        self.policy.end_notices.expiry = Some((name, within));
        self
    }

    /// Tells callers that their credential has been [rotated](crate::manage::Manager::rotate): as
    /// long as the overlap lasts, the responses to their requests have the header `name` with its
    /// end, in the form of [`with_expiry_header`](Self::with_expiry_header), however far away it
    /// is. Off by default.
    pub fn with_rotation_header(mut self, name: HeaderName) -> Self {
        self.policy.end_notices.rotation = Some(name);
        self
    }
}
