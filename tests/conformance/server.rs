//! The services under test: one pair of servers per environment of the corpus.
//!
//! One port serves plain HTTP, the other gRPC and gRPC-Web; both speak HTTP/1.1 and HTTP/2 with
//! prior knowledge. The clock stands at the time of the fixtures.

mod fault;
mod fixtures;
mod inner;

use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any_service;
use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic_web::GrpcWebLayer;
use tower::util::{Either, option_layer};
use tower::{Layer, Service, ServiceExt as _};
use tower_api_key::clock::UnixMillis;
use tower_api_key::store::MemoryStore;
use tower_api_key::testing::ManualClock;
use tower_api_key::{AuthLayer, ConfigError, Messages, PublicLayer, RequireScopesLayer};

pub(crate) use fault::{Fault, FaultyStore};
pub(crate) use inner::Probe;
use inner::{Echo, Inner, PlainPath};

/// The deadline of a lookup, named `lookup_timeout` in the corpus.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Any set-up error.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Auth = AuthLayer<Arc<FaultyStore>>;
type Require = Either<RequireScopesLayer, tower::layer::util::Identity>;

/// What a case states about its server. Unknown keys and values are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    #[serde(default)]
    setup: Setup,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    requires_any: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    inner: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    preflight: Option<Preflight>,
    #[serde(default)]
    auth: Option<Mode>,
    #[serde(default)]
    error_body_key: Option<String>,
    #[serde(default)]
    missing_message: Option<String>,
    /// Never present; the key is read so that any other value is an error.
    #[serde(default, rename = "cors_layer")]
    _cors_layer: Option<CorsLayer>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Preflight {
    Pass,
    Protect,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Required,
    Optional,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CorsLayer {
    None,
}

/// The ports of the two services.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Ports {
    pub http: u16,
    pub grpc: u16,
}

/// Both services, and handles on their parts. Dropping it stops them.
pub(crate) struct Server {
    pub ports: Ports,
    pub records: MemoryStore,
    pub store: Arc<FaultyStore>,
    pub clock: ManualClock,
    pub probe: Arc<Probe>,
    _listeners: JoinSet<()>,
}

impl Environment {
    /// Reads an environment from the JSON that holds `setup`, `config` and `requires_any`.
    pub(crate) fn read(value: &Value) -> Result<Self, BoxError> {
        let mut value = value.clone();
        if let Some(members) = value.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        Ok(Self::deserialize(value)?)
    }
}

impl Server {
    /// Starts both services on free ports.
    pub(crate) async fn start(
        fixtures: &Value,
        environment: &Environment,
    ) -> Result<Self, BoxError> {
        let setup = &environment.setup;
        let records = fixtures::fill(fixtures, setup.scopes.as_deref().unwrap_or_default())?;
        let fault = Fault::read(setup.store.as_deref().unwrap_or("ok"), fixtures)?;
        let store = Arc::new(FaultyStore::new(
            records.clone(),
            fixtures::unreadable(fixtures),
            fault,
        ));
        let now = fixtures
            .get("now_ms")
            .and_then(Value::as_i64)
            .ok_or("the fixtures have no `now_ms`")?;
        let clock = ManualClock::at(UnixMillis(now));
        let probe = Arc::new(Probe::read(setup.inner.as_deref())?);

        let layer = layer(&environment.config, Arc::clone(&store), clock.clone());
        let require = option_layer(match &environment.requires_any {
            None => None,
            Some(scopes) => Some(required_scopes(scopes)?.with_responses_of(&layer)),
        });
        let mut listeners = JoinSet::new();
        let optional = matches!(environment.config.auth, Some(Mode::Optional));
        let http = listen(&mut listeners, routes(&layer, &require, optional, &probe)).await?;
        let grpc = listen(&mut listeners, grpc(&layer, &require, &probe)).await?;
        Ok(Self {
            ports: Ports { http, grpc },
            records,
            store,
            clock,
            probe,
            _listeners: listeners,
        })
    }
}

/// An empty list accepts nothing. The crate refuses to build that, so a scope that no key holds
/// stands in for it.
fn required_scopes(scopes: &[String]) -> Result<RequireScopesLayer, ConfigError> {
    match scopes {
        [] => RequireScopesLayer::any(["held-by-no-key"]),
        scopes => RequireScopesLayer::any(scopes.iter().map(String::as_str)),
    }
}

fn layer(config: &Config, store: Arc<FaultyStore>, clock: ManualClock) -> Auth {
    let mut layer = AuthLayer::new(store)
        .with_clock(clock)
        .with_deadline(LOOKUP_TIMEOUT);
    if let Some(key) = &config.error_body_key {
        layer = layer.with_body_key(key);
    }
    if let Some(text) = &config.missing_message {
        layer = layer.with_messages({
            let mut messages = Messages::default();
            messages.missing_credential = text.clone().into();
            messages
        });
    }
    if let Some(Preflight::Pass) = config.preflight {
        layer = layer.with_preflight_pass();
    }
    layer
}

/// The plain routes. Unknown paths are protected too, so that a refusal does not reveal which
/// routes exist.
fn routes(layer: &Auth, require: &Require, optional: bool, probe: &Arc<Probe>) -> Router {
    let inner = Inner::new(Arc::clone(probe));
    let nowhere = tower::service_fn(|_: Request<Body>| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok::<_, Infallible>(response))
    });
    let protected = any_service(layer.layer(inner.clone()));
    let gated = any_service(layer.layer(require.layer(inner.clone())));
    let router = Router::new()
        .route("/org_scoped", protected.clone())
        .route("/core/agents", protected)
        .route(
            "/user_scoped",
            any_service(layer.clone().user_scoped().layer(inner.clone())),
        )
        .route("/scope_gated", gated)
        .fallback_service(layer.layer(nowhere));
    let fallback = layer.layer(nowhere);
    if optional {
        let open = layer.clone().optional().layer(inner);
        let rest = PlainPath {
            plain: open.clone(),
            other: fallback,
        };
        return router
            .route("/public", any_service(open))
            .route("/core/public/{*rest}", any_service(rest));
    }
    let open = PublicLayer::new().layer(inner);
    let rest = PlainPath {
        plain: open.clone(),
        other: fallback,
    };
    router
        .route("/public", any_service(open))
        .route("/core/public/{*rest}", any_service(rest))
}

/// A gRPC service that answers any path. gRPC-Web is translated behind the layer, because the layer
/// supports both forms.
fn grpc(
    layer: &Auth,
    require: &Require,
    probe: &Arc<Probe>,
) -> impl Service<
    Request<Body>,
    Response = Response<tonic::body::Body>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    layer.layer(require.layer(GrpcWebLayer::new().layer(Echo::new(Arc::clone(probe)))))
}

/// Listens on a free local port and serves every connection with a clone of the service.
async fn listen<S, B>(listeners: &mut JoinSet<()>, service: S) -> Result<u16, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let port = listener.local_addr()?.port();
    listeners.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service
                .clone()
                .map_request(|request: Request<hyper::body::Incoming>| request.map(Body::new));
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(
                        TokioIo::new(stream),
                        TowerToHyperService::new(service),
                    )
                    .await;
            });
        }
    });
    Ok(port)
}
