//! What is left open around the listed routes is found: other methods, fallbacks at each level, and
//! routes that nobody listed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::{any, get, post},
};
use http::Method;
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_api_key::{
    EveryRouteDecidesLayer, PublicLayer, RequireOrganizationLayer, testing::routes::RouteProbe,
};

use super::{Handlers, auth, describe, lines, scopes};

fn handler() -> impl Fn() -> std::future::Ready<&'static str> + Clone + use<> {
    Handlers::default().handler()
}

#[tokio::test]
async fn an_open_method_beside_a_guarded_one_is_found() {
    let h = handler();
    let app = Router::new()
        .route("/post", get(h.clone()).layer(auth()).post(h.clone()))
        .route("/head", get(h.clone()).layer(auth()).head(h.clone()))
        .route("/options", get(h.clone()).layer(auth()).options(h.clone()))
        .route("/trace", get(h.clone()).layer(auth()).trace(h.clone()))
        .route("/connect", get(h.clone()).layer(auth()).connect(h.clone()))
        .route("/others", post(h.clone()).layer(auth()).fallback(h.clone()))
        .fallback_service(any(h.clone()).layer(auth()));
    let listed = ["/post", "/options", "/trace", "/connect"].map(|path| ("GET", path));
    let listed = [&listed[..], &[("HEAD", "/head"), ("POST", "/others")]].concat();
    let routes = describe(app, &listed).await;
    let wanted = [
        "* /* required",
        "CONNECT /connect undecided",
        "GET /connect required",
        "* /head required",
        "HEAD /head undecided",
        "GET /options required",
        "OPTIONS /options undecided",
        "* /others undecided",
        "POST /others required",
        "GET /post required",
        "POST /post undecided",
        "GET /trace required",
        "TRACE /trace undecided",
    ];
    assert_eq!(lines(&routes), wanted);
}

/// Picks a service by the method, as a router of another kind may.
#[tokio::test]
async fn an_extension_method_is_probed() {
    let open = any(handler());
    let guarded = tower::Layer::layer(&auth(), open.clone());
    for method in ["QUERY", "PROPFIND"] {
        let (guarded, open) = (guarded.clone(), open.clone());
        let app = tower::service_fn(move |request: Request| {
            let (guarded, open) = (guarded.clone(), open.clone());
            async move {
                match request.method().as_str() == method {
                    true => open.oneshot(request).await,
                    false => guarded.oneshot(request).await,
                }
            }
        });
        let probe = RouteProbe::new(app, Body::empty);
        // A method that is listed anywhere is probed on every path.
        let probe = probe.with_routes([("GET", "/a"), ("propfind", "/b")]);
        let found = lines(&probe.describe().await);
        let wanted = format!("{method} /a undecided");
        assert!(found.contains(&wanted), "{found:?}");
    }
}

#[tokio::test]
async fn other_methods_with_other_requirements_have_a_line() {
    let h = handler();
    let app = Router::new()
        .route("/a", get(h.clone()).layer(scopes(&["a"])).delete(h.clone()))
        .route("/b", get(h.clone()).route_layer(scopes(&["b"])))
        .layer(auth());
    let routes = describe(app, &[("GET", "/a"), ("GET", "/b")]).await;
    let wanted = [
        "* /* required",
        "DELETE /a required",
        "GET /a required \"a\"",
        "* /b required",
        "GET /b required \"b\"",
    ];
    assert_eq!(lines(&routes), wanted);
}

#[tokio::test]
async fn fallbacks_at_each_level_are_found() {
    let h = handler();
    let guarded = || Router::new().route("/{item}", get(h.clone()).layer(auth()));
    let app = Router::new()
        .nest("/beside", guarded().fallback(h.clone()))
        .nest("/orgs/{org}/below", guarded().fallback(h.clone()))
        .nest_service("/one/{id}", guarded().fallback(h.clone()))
        .route("/slash", get(h.clone()).layer(auth()))
        .route("/slash/", get(h.clone()))
        .route("/file/{name}", get(h.clone()).layer(auth()))
        .route("/file/{name}/{version}", get(h.clone()))
        .fallback_service(
            get(h.clone())
                .layer(auth())
                .merge(post(h.clone()).layer(PublicLayer::new())),
        );
    let listed = [
        "/beside/{item}",
        "/orgs/{org}/below/{item}",
        "/one/{id}/{item}",
        "/slash",
        "/file/{name}",
    ];
    let routes = describe(app, &listed.map(|path| ("GET", path))).await;
    let wanted = [
        "* /* public",
        "GET /* required",
        "* /beside/*/* undecided",
        "GET /beside/{item} required",
        "* /file/*/* undecided",
        "GET /file/{name} required",
        "* /file/{name}/ public",
        "GET /file/{name}/ required",
        "* /file/{name}/*/* public",
        "GET /file/{name}/*/* required",
        "* /one/ public",
        "GET /one/ required",
        "* /one/* undecided",
        "GET /one/{id}/{item} required",
        "* /orgs/{org}/below/*/* undecided",
        "GET /orgs/{org}/below/{item} required",
        "GET /slash required",
        "* /slash/ undecided",
    ];
    assert_eq!(lines(&routes), wanted);
}

/// `OPTIONS *` and `CONNECT host:port` have no path that a router knows.
#[tokio::test]
async fn targets_without_a_path_are_probed() {
    let guarded = Router::new().fallback(handler()).layer(auth());
    let open = Router::new().fallback(handler());
    let app = tower::service_fn(move |request: Request| {
        let (guarded, open) = (guarded.clone(), open.clone());
        async move {
            match request.uri().path().starts_with('/') {
                true => guarded.oneshot(request).await,
                false => open.oneshot(request).await,
            }
        }
    });
    let probe = RouteProbe::new(app, Body::empty).with_routes([("GET", "/a")]);
    let wanted = [
        "OPTIONS * undecided",
        "* /* required",
        "GET /a required",
        "CONNECT no-such-route:443 undecided",
    ];
    assert_eq!(lines(&probe.describe().await), wanted);
}

#[tokio::test]
async fn routes_that_nobody_listed_are_read_from_the_router() {
    let h = handler();
    let nested = Router::new()
        .route("/inner", get(h.clone()))
        .fallback(h.clone());
    let app = Router::new()
        .route("/listed", get(h.clone()))
        .layer(auth())
        .layer(EveryRouteDecidesLayer::new())
        .route("/late", post(h.clone()))
        .nest("/nested", nested)
        .nest("/nothing", Router::new().fallback(h.clone()))
        .nest_service("/files", any(h.clone()))
        .layer(RequireOrganizationLayer::new());
    let probe = RouteProbe::new(app, Body::empty).with_routes([("GET", "/listed")]);
    let wanted = [
        "* /* required organization",
        "* /files undecided organization",
        "* /files/ undecided organization",
        "* /files/* undecided organization",
        "* /late undecided organization",
        "GET /listed required organization",
        "* /nested/ required organization",
        "* /nested/* undecided organization",
        "* /nested/inner undecided organization",
        "* /nothing/ required organization",
        "* /nothing/* undecided organization",
    ];
    let routes = probe.with_router_paths().describe().await;
    assert_eq!(lines(&routes), wanted);
    assert!(
        routes
            .to_string()
            .starts_with("# Paths: those listed and the router's.")
    );
}

#[tokio::test]
async fn a_router_whose_paths_cannot_be_read_is_refused() {
    let opaque = Router::<()>::new().route("/a", get(handler()));
    let opaque = BoxCloneSyncService::<Request, _, _>::new(opaque);
    let attempt = AssertUnwindSafe(|| {
        let _ = RouteProbe::new(opaque, Body::empty).with_router_paths();
    });
    assert!(catch_unwind(attempt).is_err());
}

#[tokio::test]
async fn a_description_says_which_paths_are_missing_in_it() {
    let app = Router::new().fallback(handler()).layer(auth());
    let routes = describe(app, &[("GET", "/a")]).await.to_string();
    let first = "# Paths: those listed. A route that is not listed has no line.\n";
    assert!(routes.starts_with(first), "{routes}");
    assert!(!routes.contains("OPTIONS"), "{routes}");
}

#[tokio::test]
async fn a_layer_that_answers_options_can_be_left_out_and_is_named() {
    let cors = from_fn(
        async |request: Request, next: Next| match *request.method() {
            Method::OPTIONS => Response::default(),
            _ => next.run(request).await,
        },
    );
    let app = Router::new()
        .route("/a", get(handler()))
        .layer(auth())
        .layer(cors);
    let probe = || RouteProbe::new(app.clone(), Body::empty).with_routes([("GET", "/a")]);
    let found = lines(&probe().describe().await);
    assert!(
        found.contains(&"OPTIONS /a undecided".to_owned()),
        "{found:?}"
    );
    let routes = probe().without_options().describe().await;
    assert_eq!(lines(&routes), ["* /* required", "GET /a required"]);
    let text = routes.to_string();
    assert!(
        text.contains("\n# Methods: OPTIONS only where it is listed.\n"),
        "{text}"
    );
}

#[test]
fn a_probe_of_no_route_is_refused() {
    let app = Router::<()>::new().fallback(handler()).layer(auth());
    let probe = RouteProbe::new(app, Body::empty).with_routes([("GET", "/a"); 0]);
    let attempt = AssertUnwindSafe(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(probe.describe())
    });
    let message = *catch_unwind(attempt)
        .unwrap_err()
        .downcast::<&str>()
        .unwrap();
    assert!(message.contains("no route is listed"), "{message}");
}
