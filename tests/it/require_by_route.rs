//! A table of scopes by route in axum: which path counts, what each placement of the layer covers,
//! and that a route that is not listed is denied.

use crate::support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    routing::{any, get},
};
use http::{Method, Request, Response};
use proptest::prelude::*;
use support::{holding, key};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, util::MapRequestLayer};
use tower_api_key::{
    AuthLayer, ConfigError, EveryRouteDecidesLayer, Rejection, RequireScopesLayer,
    require::RouteScopes, scope::AcceptedScopes, store::MemoryStore,
};

fn routes() -> RouteScopes {
    RouteScopes::new(MatchedPath::as_str)
}

/// What a caller with `agents:read` may do: read agents and teams, and nothing else.
fn table() -> RequireScopesLayer {
    let routes = routes()
        .any(Method::GET, "/agents", ["agents:read", "agents:manage"])
        .any(Method::POST, "/agents", ["agents:manage"])
        .any(Method::GET, "/agents/{id}", ["agents:read"])
        .all(
            Method::DELETE,
            "/agents/{id}",
            ["agents:read", "billing:manage"],
        )
        .any(Method::GET, "/api/teams/{id}", ["agents:read"])
        .authenticated(Method::GET, "/me")
        .denied(Method::HEAD, "/me");
    RequireScopesLayer::by_route(routes).unwrap()
}

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(holding(&["agents:read"]))
}

async fn handler() -> &'static str {
    "reached"
}

fn teams() -> Router {
    Router::new()
        .route("/teams/{id}", get(handler))
        .route("/hidden", get(handler))
}

fn agents() -> Router {
    Router::new()
        .route("/agents", get(handler).post(handler))
        .route("/agents/{id}", any(handler))
        .route("/me", get(handler))
        .route("/unlisted", get(handler))
}

/// Returns the status, and the cause of a refusal.
async fn send<S>(app: &S, method: &Method, path: &str) -> (u16, &'static str)
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
{
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {}", key("held")));
    let request = request.body(Body::empty()).unwrap();
    let Ok(response) = app.clone().oneshot(request).await else {
        panic!("{method} {path}")
    };
    let cause = response
        .extensions()
        .get::<Rejection>()
        .map(|one| one.cause().code());
    (response.status().as_u16(), cause.unwrap_or("-"))
}

const UNLISTED: (u16, &str) = (403, "unlisted_route");
const MISSING: (u16, &str) = (403, "no_accepted_scope");

#[tokio::test]
async fn each_route_needs_its_own_scopes() {
    let app = agents().nest("/api", teams()).layer(table()).layer(auth());
    for (method, path, wanted) in [
        (Method::GET, "/agents", (200, "-")),
        (Method::GET, "/agents?x=/unlisted", (200, "-")),
        (Method::POST, "/agents", MISSING),
        (Method::PUT, "/agents", UNLISTED),
        (Method::GET, "/agents/7", (200, "-")),
        (Method::GET, "/agents/a%2Fb", (200, "-")),
        (Method::GET, "/agents/{id}", (200, "-")),
        (Method::DELETE, "/agents/7", MISSING),
        (Method::PATCH, "/agents/7", UNLISTED),
        (Method::GET, "/api/teams/7", (200, "-")),
        (Method::POST, "/api/teams/7", UNLISTED),
        (Method::GET, "/api/hidden", UNLISTED),
        (Method::GET, "/me", (200, "-")),
        (Method::GET, "/unlisted", UNLISTED),
    ] {
        assert_eq!(send(&app, &method, path).await, wanted, "{method} {path}");
    }
}

#[tokio::test]
async fn head_needs_the_scopes_of_get_and_options_needs_an_entry() {
    let listed = routes().any(Method::GET, "/agents", ["agents:read"]).any(
        Method::OPTIONS,
        "/agents/{id}",
        ["agents:read"],
    );
    let listed = RequireScopesLayer::by_route(listed).unwrap();
    for (table, method, path, wanted) in [
        (table(), Method::HEAD, "/agents", (200, "-")),
        (table(), Method::HEAD, "/me", UNLISTED),
        (table(), Method::OPTIONS, "/agents/7", UNLISTED),
        (listed.clone(), Method::OPTIONS, "/agents/7", (200, "-")),
        (listed.clone(), Method::HEAD, "/agents/7", UNLISTED),
        (listed, Method::HEAD, "/agents", (200, "-")),
    ] {
        let app = agents().layer(table).layer(auth());
        assert_eq!(send(&app, &method, path).await, wanted, "{method} {path}");
    }
    let manages = routes().any(Method::GET, "/agents", ["agents:manage"]);
    let app = agents()
        .layer(RequireScopesLayer::by_route(manages).unwrap())
        .layer(auth());
    assert_eq!(send(&app, &Method::HEAD, "/agents").await, MISSING);
}

/// A row for each placement in the guide: a listed route, an unlisted one, another method, a nested
/// route, a nested fallback, the fallback.
#[tokio::test]
async fn each_placement_of_a_table_covers_what_the_guide_says() {
    let paths = [
        (Method::GET, "/agents"),
        (Method::GET, "/unlisted"),
        (Method::PUT, "/agents"),
        (Method::GET, "/api/teams/7"),
        (Method::GET, "/api/unknown"),
        (Method::GET, "/unknown"),
    ];
    let api = || teams().fallback(handler);
    let app = || agents().nest("/api", api()).fallback(handler);
    let outside = ServiceBuilder::new()
        .layer(auth())
        .layer(table())
        .service(app());
    let nested_alone = agents().nest("/api", api().layer(table())).layer(auth());
    let as_service = agents()
        .nest_service("/api", api())
        .layer(table())
        .layer(auth());
    let inside_service = agents()
        .nest_service("/api", api().layer(table()))
        .layer(auth());
    let placements = [
        (
            "layer",
            app().layer(table()).layer(auth()),
            [200, 403, 403, 200, 403, 403],
        ),
        (
            "route_layer",
            app().route_layer(table()).layer(auth()),
            [200, 403, 403, 200, 200, 200],
        ),
        (
            "on the nested router",
            nested_alone,
            [200, 200, 405, 200, 403, 404],
        ),
        (
            "around a nested service",
            as_service,
            [200, 403, 403, 403, 403, 403],
        ),
        (
            "inside a nested service",
            inside_service,
            [200, 200, 405, 200, 403, 404],
        ),
    ];
    for (name, app, wanted) in placements {
        for ((method, path), wanted) in paths.iter().zip(wanted) {
            let (status, cause) = send(&app, method, path).await;
            assert_eq!(status, wanted, "{name}: {method} {path}");
            assert_eq!(
                cause == "unlisted_route",
                wanted == 403,
                "{name}: {method} {path}"
            );
        }
    }
    for (method, path) in paths {
        assert_eq!(
            send(&outside, &method, path).await,
            UNLISTED,
            "outside: {method} {path}"
        );
    }
}

#[tokio::test]
async fn a_table_may_stand_on_one_route() {
    let app = Router::new()
        .route("/agents", get(handler).layer(table()))
        .route("/unlisted", get(handler).layer(table()))
        .layer(auth());
    assert_eq!(send(&app, &Method::GET, "/agents").await, (200, "-"));
    assert_eq!(send(&app, &Method::GET, "/unlisted").await, UNLISTED);
}

#[tokio::test]
async fn a_table_does_not_decide_a_route_and_needs_an_auth_layer() {
    let app = agents().layer(table());
    assert_eq!(
        send(&app, &Method::GET, "/agents").await,
        (500, "no_auth_layer")
    );
    let app = agents()
        .layer(table().observed())
        .layer(EveryRouteDecidesLayer::new());
    assert_eq!(
        send(&app, &Method::GET, "/agents").await,
        (500, "undecided")
    );
    let app = agents()
        .layer(table())
        .layer(auth())
        .layer(EveryRouteDecidesLayer::new());
    assert_eq!(send(&app, &Method::GET, "/agents").await, (200, "-"));
    assert_eq!(send(&app, &Method::GET, "/unlisted").await, UNLISTED);
}

#[tokio::test]
async fn any_router_that_leaves_its_path_in_the_request_can_have_a_table() {
    #[derive(Clone)]
    struct Route(&'static str);

    let routes = RouteScopes::new(|route: &Route| route.0).any(Method::GET, "/a", ["agents:read"]);
    let table = RequireScopesLayer::by_route(routes).unwrap();
    for (route, cause) in [
        (Some("/a"), "accepted"),
        (Some("/a/"), "unlisted_route"),
        (Some("a"), "unlisted_route"),
        (Some(""), "unlisted_route"),
        (None, "unlisted_route"),
    ] {
        let mut request = support::bearer(key("held"));
        request.extensions_mut().extend(
            route
                .map(Route)
                .map(|route| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(route);
                    extensions
                })
                .unwrap_or_default(),
        );
        let stack = ServiceBuilder::new().layer(auth()).layer(table.clone());
        assert_eq!(
            support::ask(&stack, request).await.cause(),
            cause,
            "{route:?}"
        );
    }
}

#[test]
fn an_impossible_table_of_routes_is_a_config_error() {
    let refused = |routes| RequireScopesLayer::by_route(routes).unwrap_err();
    for path in [
        "",
        "agents",
        "{id}",
        " /agents",
        "http://host/agents",
        "*",
        "/agents/:id", // of axum 0.7
        "/agents/*rest",
    ] {
        let wanted = ConfigError::InvalidRoute(path.into());
        assert_eq!(refused(routes().any(Method::GET, path, ["a"])), wanted);
        assert_eq!(refused(routes().denied(Method::GET, path)), wanted);
    }
    let once = || routes().any(Method::GET, "/a", ["a"]);
    let twice = ConfigError::DuplicateRoute("GET /a".into());
    assert_eq!(refused(once().any(Method::GET, "/a", ["b"])), twice);
    assert_eq!(refused(once().denied(Method::GET, "/a")), twice);
    assert!(RequireScopesLayer::by_route(once().any(Method::HEAD, "/a", ["b"])).is_ok());
    assert_eq!(
        refused(once().any(Method::GET, "/b", [""; 0])),
        ConfigError::NoScopes
    );
    assert_eq!(
        refused(once().all(Method::GET, "/b", [""; 0])),
        ConfigError::NoScopes
    );
    let invalid = ConfigError::InvalidScope("a b".into());
    assert_eq!(refused(once().any(Method::GET, "/b", ["a b"])), invalid);
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn the_entries_of_tables_are_in_the_lock_file() {
    use tower_api_key::{require::GrpcScopes, testing::routes::RouteProbe};

    let reads = AcceptedScopes::any(["a", "b"])
        .unwrap()
        .and_any(["c"])
        .unwrap();
    let mixed = RequireScopesLayer::by_route(routes().accepting(Method::GET, "/both", reads));
    let app = agents()
        .nest("/api", teams())
        .layer(table())
        .merge(
            Router::new()
                .route("/both", get(handler))
                .layer(mixed.unwrap().observed()),
        )
        .layer(auth());
    let probe = RouteProbe::new(app, Body::empty).with_router_paths();
    let wanted = [
        "* /* required observed(denied)",
        "* /agents required denied",
        "GET /agents required \"agents:manage\" | \"agents:read\"",
        "POST /agents required \"agents:manage\"",
        "* /agents/{id} required denied",
        "DELETE /agents/{id} required \"agents:read\" & \"billing:manage\"",
        "GET /agents/{id} required \"agents:read\"",
        "* /api/hidden required denied",
        "* /api/teams/{id} required denied",
        "GET /api/teams/{id} required \"agents:read\"",
        "* /both required observed(denied)",
        "GET /both required observed(\"a\" | \"b\") & observed(\"c\")",
        "* /me required denied",
        "GET /me required authenticated",
        "* /unlisted required denied",
    ];
    assert_eq!(lines(&probe.describe().await.to_string()), wanted);

    let health = GrpcScopes::new("test.Service")
        .any("Get", ["a"])
        .authenticated("WhoAmI");
    let table = RequireScopesLayer::by_grpc_method([health]).unwrap();
    let service = auth().layer(table.layer(support::Inner::default()));
    let methods =
        ["Get", "WhoAmI", "List"].map(|method| ("POST", format!("/test.Service/{method}")));
    let described = RouteProbe::new(service, String::new)
        .with_routes(methods)
        .describe()
        .await;
    let described = lines(&described.to_string());
    for line in [
        "POST /test.Service/Get required \"a\"",
        "POST /test.Service/WhoAmI required authenticated",
        "POST /test.Service/List required denied",
    ] {
        assert!(
            described.iter().any(|one| one.starts_with(line)),
            "{line}: {described:?}"
        );
    }
}

/// The lines of a description, with one space between the words.
#[cfg(feature = "testing")]
fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(words)
        .collect()
}

/// Entries of the reference: by route, the scopes of which any one is enough.
type Reference = BTreeMap<(&'static str, &'static str), Vec<&'static str>>;

fn references() -> impl Strategy<Value = Reference> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS"]);
    let path = prop::sample::select(vec![
        "/a",
        "/a/",
        "/{id}",
        "/{id}/b",
        "/n/a",
        "/n/{*rest}",
        "/n",
        "/",
    ]);
    let scopes =
        prop::sample::subsequence(vec!["agents:read", "billing:manage", "trunks:read"], 1..3);
    prop::collection::btree_map((method, path), scopes, 0..8)
}

/// The entry that decides, as the reference finds it.
fn entry<'a>(reference: &'a Reference, method: &str, path: &str) -> Option<&'a [&'static str]> {
    let of = |method: &str| {
        let found = reference
            .iter()
            .find(|((m, p), _)| (*m, *p) == (method, path));
        found.map(|(_, scopes)| &**scopes)
    };
    of(method).or_else(|| of("GET").filter(|_| method == "HEAD"))
}

proptest! {
    #[test]
    fn a_table_by_route_decides_as_the_reference(
        reference in references(),
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS", "PURGE"]),
        path in "/(n/)?(a|A|%61|\\{id\\}|x|\\.\\.|b)?(/|//|/b|%2f|;a)?",
    ) {
        let matched = Arc::new(Mutex::new(None));
        let note = Arc::clone(&matched);
        let noting = MapRequestLayer::new(move |request: Request<Body>| {
            let path = request.extensions().get::<MatchedPath>();
            *note.lock().unwrap() = path.map(|path| path.as_str().to_owned());
            request
        });
        let listed = reference.iter().fold(routes(), |routes, ((method, path), scopes)| {
            routes.any(method.parse().unwrap(), path, scopes.iter().copied())
        });
        let inner = Router::new().route("/a", get(handler)).route("/{*rest}", any(handler));
        let app = Router::new()
            .route("/a", any(handler))
            .route("/{id}", get(handler).post(handler))
            .route("/{id}/b", any(handler))
            .nest("/n", inner)
            .fallback(handler)
            .layer(RequireScopesLayer::by_route(listed).unwrap())
            .layer(noting)
            .layer(auth());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, cause) = runtime.block_on(send(&app, &method.parse().unwrap(), &path));
        let matched = matched.lock().unwrap().take();
        let entry = matched.as_deref().and_then(|path| entry(&reference, method, path));
        let wanted = match entry {
            Some(scopes) if scopes.contains(&"agents:read") => "-",
            Some(_) => "no_accepted_scope",
            None => "unlisted_route",
        };
        prop_assert_eq!(cause, wanted, "{:?} {}", matched, path);
    }
}

#[test]
fn debug_shows_the_entries() {
    let routes = routes().any(Method::GET, "/agents", ["agents:read"]);
    let entry = r#"(GET, "/agents", Ok(Scopes({"agents:read"})))"#;
    assert_eq!(
        format!("{routes:?}"),
        format!("RouteScopes {{ entries: [{entry}], .. }}")
    );
}

#[test]
fn debug_output_of_a_table_shows_its_routes() {
    let shown = format!("{:?}", table());
    for part in ["/agents/{id}", "billing:manage", "DELETE"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
