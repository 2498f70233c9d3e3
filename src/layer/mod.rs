//! [`AuthLayer`]: the layer that authenticates requests, and its settings: here what it decides by,
//! in `request` what it reads, in `response` what clients get.

mod request;
mod response;

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{
    authenticate::{Policy, Sources},
    clock::Clock,
    condition::{ClientAddress, Condition},
    error::ConfigError,
    last_use::LastUse,
    rejection::{JsonResponder, RefusalStyle},
    service::AuthService,
    store::is_environment,
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
    pub(crate) style: RefusalStyle<R>,
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

    /// Sets where the address of a client is found, to check the
    /// [networks](crate::store::Conditions::networks) of credentials that have them. Without it,
    /// such credentials are refused.
    pub fn with_client_address(mut self, address: ClientAddress) -> Self {
        self.policy.checks.client_address = Some(address);
        self
    }

    /// Sets the environment that this service is, such as `live`. Credentials of
    /// [another one](crate::store::Conditions::environment) are refused; without an environment of
    /// the service, all that have one are. Credentials without one are accepted everywhere.
    ///
    /// ```
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// let auth = AuthLayer::new(MemoryStore::new()).with_environment("live")?;
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::InvalidEnvironment`].
    pub fn with_environment(mut self, environment: &str) -> Result<Self, ConfigError> {
        if !is_environment(environment) {
            return Err(ConfigError::InvalidEnvironment(environment.into()));
        }
        self.policy.checks.environment = Some(environment.into());
        Ok(self)
    }

    /// Adds a [condition](crate::condition) of your own, which is checked after all those before.
    pub fn with_condition(mut self, condition: impl Condition) -> Self {
        self.policy.checks.own.push(Arc::new(condition));
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

    /// Records the caller of accepted requests on the current span, such as that of tower-http's
    /// `TraceLayer` outside, for the events and traces of the whole request. Off by default;
    /// without the feature `tracing` it does nothing.
    ///
    /// A span takes only the fields that it declares, as `credential_id = Empty`:
    /// [`observe`](mod@crate::observe#fields-on-a-span) lists them and has an example.
    pub fn with_span_fields(mut self) -> Self {
        self.policy.records_on_span = true;
        self
    }

    /// Returns where this layer reads credentials, for layers that treat these headers alike.
    pub(crate) fn sources(&self) -> Sources {
        self.policy.sources.clone()
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
