//! [`AuthLayer`]: the settings, and the wrapping of a service.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    anyreach,
    authenticate::{BrowserGuard, ExposedCredential, Policy},
    clock::{Clock, SystemClock},
    credential::TokenFormat,
    error::ConfigError,
    last_use::LastUse,
    rejection::{JsonResponder, Messages, Presentation},
    service::AuthService,
    store::DEFAULT_DEADLINE,
};

/// Authenticates every request to the services that it wraps.
///
/// `S` is the [store](crate::store); `R` makes the HTTP body of refusals. The defaults are the documented protocol: an
/// organization is needed, `ak_` and `pat_` prefixes, `X-Anyreach-Org`, `{"detail": …}`.
///
/// A clone is cheap and may be set up differently: one layer for routes of an organization and, from it,
/// [`user_scoped`](Self::user_scoped) for routes of a person.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_api_key::{AuthLayer, store::MemoryStore};
///
/// # fn inner(_: http::Request<String>) -> std::future::Ready<Result<http::Response<String>, std::convert::Infallible>> {
/// #     std::future::ready(Ok(http::Response::default()))
/// # }
/// let auth = AuthLayer::new(MemoryStore::new()).with_realm("my api")?;
/// let service = ServiceBuilder::new().layer(auth).service_fn(inner);
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
pub struct AuthLayer<S, R = JsonResponder> {
    store: Arc<S>,
    policy: Policy,
    presentation: Presentation<R>,
}

impl<S> AuthLayer<S> {
    /// Makes a layer with the documented defaults over `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self {
            store: Arc::new(store),
            policy: Policy {
                format: TokenFormat::default(),
                organization_header: anyreach::ORGANIZATION_HEADER,
                clock: Arc::new(SystemClock::default()),
                deadline: DEFAULT_DEADLINE,
                needs_organization: true,
                optional: false,
                answers_preflights: false,
                removes_authorization: false,
                browser_guard: None,
                last_use: None,
            },
            presentation: Presentation::default(),
        }
    }

    /// Answers refusals as `{"<key>": "<text>"}`; the default key is `detail`.
    #[must_use]
    pub fn with_body_key(self, key: impl Into<Cow<'static, str>>) -> Self {
        self.with_responder(JsonResponder::with_key(key))
    }
}

impl<S, R> AuthLayer<S, R> {
    /// Sets what tokens look like. The default text of refusals names the prefixes of `format`.
    #[must_use]
    pub fn with_token_format(mut self, format: TokenFormat) -> Self {
        let messages = &mut self.presentation.messages;
        messages.follow_prefixes(&self.policy.format, &format);
        self.policy.format = format;
        self
    }

    /// Sets the header in which a personal token's organization is named.
    #[must_use]
    pub fn with_organization_header(mut self, name: HeaderName) -> Self {
        self.policy.organization_header = name;
        self
    }

    /// Sets the clock that expiry is judged by.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// Sets how long a look-up may take, one second by default. After that the request is answered 503.
    ///
    /// It is tokio's timer that tells: a look-up that `peek` does not answer needs a tokio runtime with time enabled, as
    /// `#[tokio::main]` and `enable_all` make it, and panics without one.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// Sets the realm of the challenge (RFC 9110, section 11.5); `api` by default. Quotes are escaped.
    ///
    /// # Errors
    /// [`ConfigError::InvalidRealm`] for one with control characters.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        self.presentation = self.presentation.with_realm(realm)?;
        Ok(self)
    }

    /// Sets the texts of refusals.
    #[must_use]
    pub fn with_messages(mut self, mut messages: Messages) -> Self {
        messages.follow_prefixes(&TokenFormat::default(), &self.policy.format);
        self.presentation.messages = messages;
        self
    }

    /// Sets who makes the HTTP responses of refusals: a closure, [`ProblemResponder`](crate::rejection::ProblemResponder)
    /// or another [`Responder`](crate::rejection::Responder).
    ///
    /// ```
    /// use http::Response;
    /// use tower_api_key::{AuthLayer, Rejection, store::MemoryStore};
    ///
    /// let auth = AuthLayer::new(MemoryStore::new())
    ///     .with_responder(|rejection: &Rejection| Response::new(format!("<h1>{rejection}</h1>")));
    /// ```
    #[must_use]
    pub fn with_responder<R2>(self, responder: R2) -> AuthLayer<S, R2> {
        let Self {
            store,
            policy,
            presentation,
        } = self;
        AuthLayer {
            store,
            policy,
            presentation: presentation.with_responder(responder),
        }
    }

    /// Serves routes that belong to a person: no organization is needed and the organization header is ignored. A key,
    /// which has no person behind it, is refused with the 403 of a denied organization.
    #[must_use]
    pub fn user_scoped(mut self) -> Self {
        self.policy.needs_organization = false;
        self
    }

    /// Makes the credential optional: a request without an `Authorization` header passes as nobody.
    ///
    /// One with such a header is judged as ever. A bad credential never becomes nobody, and an outage is a 503.
    /// Responses get `Vary: Authorization` and the organization header, so that no cache gives one caller's to another.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.policy.optional = true;
        self
    }

    /// Answers CORS preflights with 200 and no body instead of 401: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method` (Fetch, "CORS-preflight request"). The inner service is not called.
    ///
    /// The answer grants nothing: it has no `Access-Control-Allow-…` field. Use it behind a gateway that adds these fields
    /// to responses but leaves the status alone. Otherwise put a CORS layer outside of this one, which answers preflights
    /// itself. Do not use it behind a gateway that asks this service whether it may forward a request and keeps the
    /// method: it would take the 200 for a yes.
    #[must_use]
    pub fn with_preflight_pass(mut self) -> Self {
        self.policy.answers_preflights = true;
        self
    }

    /// Removes the `Authorization` header from accepted requests before the inner service sees them.
    ///
    /// Use it where the inner service forwards requests to others, as a reverse proxy does: they would receive a
    /// credential that works here. The [`Principal`](crate::Principal) is in the extensions as ever. Handlers that read
    /// the token itself, to revoke it for example, do not find it.
    #[must_use]
    pub fn with_authorization_removed(mut self) -> Self {
        self.policy.removes_authorization = true;
        self
    }

    /// States that the services behind this layer speak gRPC, so that gRPC calls are refused in gRPC's own form.
    ///
    /// Services that answer with tonic's body type state it by that type. Others have to say it here: tonic services in
    /// an axum router (`Routes::into_axum_router`), and gRPC services written by hand. Do not say it for a service
    /// that speaks plain HTTP alone: see the [guide](crate::guide::refusals#grpc).
    #[must_use]
    pub fn with_grpc(mut self) -> Self {
        self.presentation = self.presentation.with_grpc();
        self
    }

    /// Refuses good credentials that come with `Origin` or `Sec-Fetch-Mode`, as browsers send, with a 403, and reports
    /// them: a page that has a credential has published it.
    ///
    /// `report` is called during the request, so it should hand over and return. Some programs send `Sec-Fetch-Mode`
    /// without being browsers (Node.js's `fetch` for one), which is why the guard is off by default.
    #[must_use]
    pub fn with_browser_guard(
        mut self,
        report: impl Fn(ExposedCredential) + Send + Sync + 'static,
    ) -> Self {
        self.policy.browser_guard = Some(BrowserGuard::new(report));
        self
    }

    /// Notes when credentials are used, for [`Manager::run_usage_recorder`](crate::manage::Manager::run_usage_recorder) to write.
    /// A credential counts as used when it was accepted here, whatever is demanded further in.
    #[must_use]
    pub fn with_last_use(mut self, uses: LastUse) -> Self {
        self.policy.last_use = Some(uses);
        self
    }

    /// Returns how refusals look, for demands that answer in the same form.
    #[must_use]
    pub fn presentation(&self) -> &Presentation<R> {
        &self.presentation
    }
}

impl<S, R, Inner> Layer<Inner> for AuthLayer<S, R> {
    type Service = AuthService<Inner, S, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        AuthService::new(
            inner,
            Arc::clone(&self.store),
            self.policy.clone(),
            self.presentation.clone(),
        )
    }
}

// By hand: a derived impl would ask for `S: Clone`.
impl<S, R> Clone for AuthLayer<S, R> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            policy: self.policy.clone(),
            presentation: self.presentation.clone(),
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
