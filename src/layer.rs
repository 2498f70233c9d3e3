//! [`AuthLayer`]: the layer that authenticates requests, and its settings.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    authenticate::{BrowserGuard, ExposedCredential, Policy},
    clock::Clock,
    credential::TokenFormat,
    error::ConfigError,
    last_use::LastUse,
    rejection::{JsonResponder, Messages, RefusalStyle},
    service::AuthService,
};

/// Authenticates every request to the services that it wraps.
///
/// `S` is the [store](crate::store); `R` builds the HTTP body of refusals. The defaults are the
/// documented protocol: an organization is required, the prefixes are `ak_` and `pat_`, the header
/// is `X-Anyreach-Org`, the body is `{"detail": …}`.
///
/// A clone is cheap and may be configured differently. Use one layer for an organization's routes,
/// and [`user_scoped`](Self::user_scoped) on a clone of it for a person's routes. Where to put it
/// among other layers is the [guide's chapter on placement](crate::guide::placement).
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_api_key::{AuthLayer, store::MemoryStore};
///
/// # fn inner(
/// #     _: http::Request<String>,
/// # ) -> std::future::Ready<Result<http::Response<String>, std::convert::Infallible>> {
/// #     std::future::ready(Ok(http::Response::default()))
/// # }
/// let auth = AuthLayer::new(MemoryStore::new()).with_realm("my api")?;
/// let service = ServiceBuilder::new().layer(auth).service_fn(inner);
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[must_use]
pub struct AuthLayer<S, R = JsonResponder> {
    store: Arc<S>,
    /// What the layer requires, and its settings.
    policy: Policy,
    /// How it builds refusals.
    style: RefusalStyle<R>,
}

impl<S> AuthLayer<S> {
    /// Creates a layer over `store` with the documented defaults.
    pub fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            policy: Policy::default(),
            style: RefusalStyle::default(),
        }
    }

    /// Answers refusals as `{"<key>": "<text>"}`; the default key is `detail`. For any other body,
    /// see [`with_responder`](Self::with_responder).
    pub fn with_body_key(self, key: &str) -> Self {
        self.with_responder(JsonResponder::default().with_key(key))
    }
}

impl<S, R> AuthLayer<S, R> {
    /// Sets the token format: prefixes, length limit, checksum. Give the
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
    pub fn with_organization_header(mut self, name: HeaderName) -> Self {
        self.policy.organization_header = name;
        self
    }

    /// Sets the clock that expiry is checked against; the operating system's by default. Tests use
    /// one that they move by hand.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// Sets how long a lookup may take; one second by default. A request whose lookup takes longer
    /// is answered 503.
    ///
    /// The deadline uses tokio's timer: a lookup that `peek` cannot answer must run inside a tokio
    /// runtime with time enabled (`#[tokio::main]` and `enable_all` do that) and panics otherwise.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

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

    /// Makes the credential optional: a request without an `Authorization` header passes through
    /// unauthenticated. For routes that show more to callers who are known; for routes that no
    /// credential changes, use a [`PublicLayer`](crate::PublicLayer).
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

    /// Removes the `Authorization` header from accepted requests, before the inner service.
    ///
    /// Use it where the inner service forwards requests to other services, as a reverse proxy does:
    /// they would receive a credential that works here. The [`Principal`](crate::Principal) is
    /// still in the extensions. Handlers that read the token itself, for example to revoke it, do
    /// not find it.
    pub fn with_authorization_removed(mut self) -> Self {
        self.policy.removes_authorization = true;
        self
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

    /// Records when credentials are used, for lists that show which keys are idle.
    /// [`Manager::run_usage_recorder`](crate::manage::Manager::run_usage_recorder) writes the uses
    /// to the store; without a manager, take them with [`LastUse::unwritten`]. A credential counts
    /// as used when this layer accepts it, even if an inner layer then refuses the request.
    pub fn with_last_use(mut self, uses: LastUse) -> Self {
        self.policy.last_use = Some(uses);
        self
    }

    /// Returns the form of this layer's refusals, for layers that use the same form.
    pub(crate) fn style(&self) -> Arc<RefusalStyle<R>> {
        Arc::new(self.style.clone())
    }
}

impl<S, R, Inner> Layer<Inner> for AuthLayer<S, R> {
    type Service = AuthService<Inner, S, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        AuthService::new(
            inner,
            Arc::clone(&self.store),
            self.policy.clone(),
            self.style.clone(),
        )
    }
}

// Written by hand: a derived impl would require `S: Clone`.
impl<S, R> Clone for AuthLayer<S, R> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            policy: self.policy.clone(),
            style: self.style.clone(),
        }
    }
}

impl<S, R> fmt::Debug for AuthLayer<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
