//! What an [`AuthLayer`] reads of a request, and which requests need a credential.

use std::sync::Arc;

use http::HeaderName;

use super::AuthLayer;
use crate::{
    authenticate::{BrowserGuard, CredentialSource, ExposedCredential},
    credential::TokenFormat,
    error::ConfigError,
};

impl<S, R> AuthLayer<S, R> {
    /// Sets the token format: prefixes, shapes, length limit, checksum. Give the
    /// [`Manager`](crate::manage::Manager) the same one. The default text of refusals names the
    /// prefixes of `format`.
    ///
    /// ```
    /// use tower_api_key::{AuthLayer, credential::TokenFormat, store::MemoryStore};
    ///
    /// let format = TokenFormat::default().with_prefixes("acme_key_", "acme_user_")?;
    /// let auth = AuthLayer::new(MemoryStore::new()).with_token_format(format);
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    pub fn with_token_format(mut self, format: TokenFormat) -> Self {
        let messages = Arc::make_mut(&mut self.style.messages);
        messages.follow_prefixes(&self.policy.format, &format);
        self.policy.format = format;
        self
    }

    /// Sets the header that names the organization for a personal token; `X-Anyreach-Org` by
    /// default.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// let header = HeaderName::from_static("acme-workspace");
    /// let auth = AuthLayer::new(MemoryStore::new()).with_organization_header(header);
    /// ```
    ///
    /// A [source](Self::with_source) that is this header is dropped.
    pub fn with_organization_header(mut self, name: HeaderName) -> Self {
        self.policy.sources = self.policy.sources.without(&name);
        self.policy.organization_header = name;
        self
    }

    /// Accepts credentials also from `source`, for clients of an API that takes them elsewhere.
    /// `Authorization: Bearer` is read in any case; [`moving`](crate::guide::moving) has an
    /// example.
    ///
    /// A request still has exactly one credential: with two of these headers, or one of them twice,
    /// it is refused like one with two `Authorization` headers, even if they are equal or one is
    /// empty. What this documentation says of the `Authorization` header holds for the headers of
    /// all sources: they are marked sensitive or removed, named in `Vary`, and a request that has
    /// one is not anonymous. Challenges name `Bearer` alone.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_api_key::{AuthLayer, CredentialSource, store::MemoryStore};
    ///
    /// let header = CredentialSource::header(HeaderName::from_static("x-api-key"));
    /// let auth = AuthLayer::new(MemoryStore::new()).with_source(header)?;
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::InvalidSource`] for `Authorization`, `Proxy-Authorization`, `Cookie` and the
    /// organization header; [`ConfigError::DuplicateSource`] for a header that is a source already,
    /// and for a second half of HTTP Basic.
    pub fn with_source(mut self, source: CredentialSource) -> Result<Self, ConfigError> {
        let policy = &mut self.policy;
        let sources = std::mem::take(&mut policy.sources);
        policy.sources = sources.with(source, &policy.organization_header)?;
        Ok(self)
    }

    /// Serves routes that belong to a person, such as their profile or their list of organizations:
    /// no organization is required, and the organization header is ignored. A key has no person
    /// behind it and is refused with the 403 of a denied organization.
    ///
    /// ```
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// let auth = AuthLayer::new(MemoryStore::new());
    /// let of_a_person = auth.clone().user_scoped(); // for `/me`; `auth` for everything else
    /// ```
    pub fn user_scoped(mut self) -> Self {
        self.policy.needs_organization = false;
        self
    }

    /// Makes the credential optional: a request without an `Authorization` header, and without one
    /// of further [sources](Self::with_source), passes through unauthenticated. For routes that
    /// show more to callers who are known; for routes that no credential changes, use a
    /// [`PublicLayer`](crate::PublicLayer).
    ///
    /// A request that sends one is authenticated as usual. A bad credential is never downgraded to
    /// anonymous, and an outage is a 503. Responses get `Vary: Authorization` and the organization
    /// header, so that no cache serves one caller's response to another.
    pub fn optional(mut self) -> Self {
        self.policy.optional = true;
        self
    }

    /// Answers CORS preflights with 200 and no body instead of 401: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method` (Fetch, "CORS-preflight request"). The inner service is not
    /// called.
    ///
    /// The response grants nothing: it has no `Access-Control-Allow-…` field. Use it behind a
    /// gateway that adds these fields to responses but leaves the status alone. Otherwise put a
    /// CORS layer outside this one, which answers preflights itself. Do not use it behind a gateway
    /// that asks this service whether it may forward a request and passes the method on: the
    /// gateway would take the 200 for permission.
    pub fn with_preflight_pass(mut self) -> Self {
        self.policy.answers_preflights = true;
        self
    }

    /// Removes the `Authorization` header, and those of further [sources](Self::with_source), from
    /// accepted requests, before the inner service.
    ///
    /// Use it where the inner service forwards requests to other services, as a reverse proxy does:
    /// they would receive a credential that works here. The [`Principal`](crate::Principal) is
    /// still in the extensions. Handlers that read the token itself, for example to revoke it, do
    /// not find it.
    pub fn with_authorization_removed(mut self) -> Self {
        self.policy.removes_authorization = true;
        self
    }

    /// Refuses good credentials that come from a browser, with a 403, and reports them: a page that
    /// has a credential has published it. A request counts as a browser's if it has an `Origin` or
    /// a `Sec-Fetch-Mode` header.
    ///
    /// `report` is called during the request, so it should hand the work over and return. Some
    /// programs send `Sec-Fetch-Mode` without being browsers (Node.js's `fetch` for one), so the
    /// guard is off by default.
    pub fn with_browser_guard(
        mut self,
        report: impl Fn(ExposedCredential) + Send + Sync + 'static,
    ) -> Self {
        self.policy.browser_guard = Some(BrowserGuard::new(report));
        self
    }
}
