//! `testing::routes` describes what is really on a route, finds what is left open, and runs no
//! handler behind a layer.

use crate::support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    routing::{any, get, post},
};
use support::memory;
use tower::{Layer as _, ServiceBuilder};
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, Principal, PublicLayer, RequireDescendantLayer,
    RequireOrganizationLayer, RequireScopesLayer,
    store::MemoryStore,
    testing::routes::{RouteProbe, Routes},
};

mod handlers;
mod lock_file;
mod open;

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

fn scopes(names: &[&str]) -> RequireScopesLayer {
    RequireScopesLayer::any(names.iter().copied()).unwrap()
}

/// Handlers that count how often they run.
#[derive(Clone, Default)]
struct Handlers(Arc<AtomicUsize>);

impl Handlers {
    fn handler(&self) -> impl Fn() -> std::future::Ready<&'static str> + Clone + use<> {
        let count = Arc::clone(&self.0);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready("reached")
        }
    }

    fn runs(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

async fn describe(app: Router, routes: &[(&str, &str)]) -> Routes {
    let probe = RouteProbe::new(app, Body::empty);
    probe.with_routes(routes.iter().copied()).describe().await
}

/// The lines of routes, with one space between the words.
fn lines(routes: &Routes) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = routes.to_string();
    let routes = text.lines().filter(|line| !line.starts_with('#'));
    routes.map(words).collect()
}

#[tokio::test]
async fn each_route_is_described_without_running_its_handler() {
    let handlers = Handlers::default();
    let h = || handlers.handler();
    let below = RequireDescendantLayer::new(memory(), |_: &http::request::Parts| None);
    let organization = Router::new()
        .route("/plain", get(h()))
        .route(
            "/agents",
            get(h())
                .layer(scopes(&["agents:read", "agents:manage"]))
                .merge(post(h()).layer(scopes(&["agents:manage"]))),
        )
        .route("/both", any(h()).layer((scopes(&["a"]), scopes(&["b"]))))
        .route("/tried", get(h()).layer(scopes(&["b"]).observed()))
        .route("/below/{id}", get(h()).layer(below))
        .fallback(h())
        .method_not_allowed_fallback(h())
        .layer(auth());
    let optional = Router::new()
        .route("/home", get(h()).layer(RequireOrganizationLayer::new()))
        .layer(auth().optional());
    let app = organization
        .merge(optional)
        .merge(
            Router::new()
                .route("/me", get(h()))
                .layer(auth().user_scoped()),
        )
        .merge(
            Router::new()
                .route("/hooks", post(h()))
                .layer(PublicLayer::new()),
        )
        .layer(EveryRouteDecidesLayer::new());
    let routes = [
        ("get", "/agents"),
        ("post", "/agents"),
        ("GET", "/below/{id}"),
        ("PUT", "/both"),
        ("GET", "/home"),
        ("POST", "/hooks"),
        ("GET", "/me"),
        ("GET", "/plain"),
        ("GET", "/tried"),
    ];
    let routes = describe(app, &routes).await;
    let wanted = [
        "* /* required",
        "* /agents required",
        "GET /agents required \"agents:manage\" | \"agents:read\"",
        "POST /agents required \"agents:manage\"",
        "* /below/{id} required",
        "GET /below/{id} required descendant(\"child_organizations:manage\")",
        "PUT /both required \"a\" & \"b\"",
        "GET /home optional organization",
        "POST /hooks public",
        "GET /me user-scoped",
        "GET /plain required",
        "* /tried required",
        "GET /tried required observed(\"b\")",
    ];
    assert_eq!(lines(&routes), wanted);
    for route in routes.iter() {
        let observed = route.requirements().iter().map(|it| it.is_observed());
        let is_tried = (route.method(), route.path()) == ("GET", "/tried");
        assert_eq!(
            observed.filter(|it| *it).count(),
            usize::from(is_tried),
            "{route}"
        );
    }
    routes.assert_decided();
    assert_eq!(handlers.runs(), 0);
}

#[tokio::test]
async fn what_no_layer_decides_is_found() {
    let h = Handlers::default().handler();
    let api = Router::new()
        .route("/inner", get(h.clone()).route_layer(auth()))
        .fallback(h.clone());
    let app = Router::new()
        .route("/route", get(h.clone()))
        .route_layer(auth())
        .route("/late", get(h.clone()))
        .route("/scoped", get(h.clone()).layer(scopes(&["a"])))
        .route("/half", get(h.clone()).layer(auth()))
        .nest("/api", api)
        .fallback(h)
        .layer(EveryRouteDecidesLayer::new());
    let listed = ["/route", "/late", "/scoped", "/half", "/api/inner"];
    let routes = describe(app, &listed.map(|path| ("GET", path))).await;
    let wanted = [
        "* /* undecided",
        "* /api/inner undecided",
        "GET /api/inner required",
        "GET /half required",
        "GET /late undecided",
        "GET /route required",
        "GET /scoped undecided \"a\"",
    ];
    assert_eq!(lines(&routes), wanted);
    let message = *catch_unwind(AssertUnwindSafe(|| routes.assert_decided()))
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    for line in [
        "*      /api/inner",
        "GET    /late",
        "GET    /scoped",
        "PublicLayer",
        "`.layer(…)` last",
    ] {
        assert!(message.contains(line), "{line}: {message}");
    }
    assert!(!message.contains("GET    /route"), "{message}");
}

#[tokio::test]
async fn a_nested_fallback_that_differs_has_a_line() {
    let h = Handlers::default().handler();
    let api = Router::new()
        .route("/inner", get(h.clone()))
        .fallback(h.clone());
    let api = api.layer(auth());
    let app = Router::new()
        .fallback(h)
        .layer(PublicLayer::new())
        .nest("/api", api);
    let routes = describe(app, &[("GET", "/api/inner")]).await;
    let wanted = [
        "* /* public",
        "* /api/ public",
        "* /api/* required",
        "GET /api/inner required",
    ];
    assert_eq!(lines(&routes), wanted);
}

/// A `PublicLayer` around everything makes the fallbacks public, and nothing else.
#[tokio::test]
async fn layers_inside_one_another_are_all_described() {
    let handlers = Handlers::default();
    let private = Router::new()
        .route("/private", get(handlers.handler()))
        .layer(auth());
    let app = Router::new()
        .route("/open", get(handlers.handler()))
        .merge(private);
    let app = app.layer(PublicLayer::new());
    let routes = describe(app, &[("GET", "/private"), ("GET", "/open")]).await;
    let wanted = [
        "* /* public > required",
        "GET /open public",
        "GET /private public > required",
    ];
    assert_eq!(lines(&routes), wanted);
    assert_eq!(handlers.runs(), 0);
}

#[tokio::test]
async fn requirements_behind_a_wrapped_router_are_found_on_the_way_through() {
    let handlers = Handlers::default();
    let callers = handlers.handler();
    let takes_caller = move |_: Principal| callers();
    let inner = Router::new()
        .route("/caller", get(takes_caller).layer(scopes(&["a"])))
        .route("/other", get(handlers.handler()).layer(scopes(&["b"])));
    let service = || {
        ServiceBuilder::new()
            .layer(auth())
            .service(inner.clone().into_service())
    };
    let routes = [("GET", "/caller"), ("GET", "/other")];
    let probe = || RouteProbe::new(service(), Body::empty).with_routes(routes);
    let seen = lines(&probe().describe().await);
    assert_eq!(seen[1..], ["GET /caller required", "GET /other required"]);
    assert_eq!(handlers.runs(), 0);
    let through = lines(&probe().through().describe().await);
    assert_eq!(
        through[1..],
        ["GET /caller required \"a\"", "GET /other required \"b\""]
    );
    assert_eq!(
        handlers.runs(),
        2,
        "the one that asks for no caller: GET and HEAD"
    );
}

#[tokio::test]
async fn what_cannot_be_a_route_is_refused() {
    for (method, path) in [("G ET", "/"), ("GET", "agents"), ("GET", "/a b"), ("", "/")] {
        let probe = AssertUnwindSafe(|| {
            let _ = RouteProbe::new(Router::<()>::new(), Body::empty).with_routes([(method, path)]);
        });
        assert!(catch_unwind(probe).is_err(), "{method:?} {path:?}");
    }
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn grpc_services_are_described() {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let service = auth().layer(scopes(&["health:read"]).layer(health));
    let app = tonic::service::Routes::new(service);
    let probe = RouteProbe::new(app, tonic::body::Body::empty);
    let check = [("POST", "/grpc.health.v1.Health/Check")];
    let routes = probe.with_routes(check).describe().await;
    let wanted = [
        "* /* undecided",
        "* /grpc.health.v1.Health/ undecided",
        "* /grpc.health.v1.Health/* required \"health:read\"",
        "POST /grpc.health.v1.Health/Check required \"health:read\"",
    ];
    assert_eq!(lines(&routes), wanted);
}
