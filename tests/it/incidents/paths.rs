//! Rules that read a path otherwise than the router did. Here a route has its own layer, and there
//! is no rule over paths that could read anything.

use axum::{Router, routing::any};
use tower_api_key::{AuthLayer, PublicLayer};

use super::client::{Reached, Server, Wire, assert_unreached, open};
use crate::support::{KEY, memory};

/// `/public/…` and `/info` for everyone; `/admin/…` and every other path for callers with a key.
fn app(reached: &Reached) -> Router {
    let admin = Router::new()
        .route("/", any(reached.handler()))
        .route("/{*rest}", any(reached.handler()));
    let public = Router::new()
        .route("/public/{*rest}", any(open))
        .route("/info", any(open))
        .layer(PublicLayer::new());
    let private = Router::new()
        .nest("/admin", admin)
        .fallback(reached.handler())
        .layer(AuthLayer::new(memory()));
    public.merge(private)
}

async fn server() -> (Server, Reached) {
    let reached = Reached::default();
    (Server::start(app(&reached)).await, reached)
}

/// Sends each target without a credential. Some are public under a strict reading of the path: what
/// counts is that the handler behind the layer never runs.
async fn assert_all_unreached(targets: &[&str]) {
    let (server, reached) = server().await;
    for target in targets {
        assert_unreached(&server, &reached, &Wire::get(target), &[200, 400, 401]).await;
    }
    let with_key = Wire::get("/admin/x").with("authorization", &format!("Bearer {KEY}"));
    assert_eq!(server.statuses(&with_key).await, [Some(200); 2]);
    assert_eq!(reached.take(), 2, "the handler counts");
}

/// gRPC-Go CVE-2026-33186: a `:path` without its slash was routed to the method, and matched none
/// of the rules that denied it. Here such a request is not routed, or is refused.
#[tokio::test]
async fn cve_2026_33186_path_without_its_slash() {
    assert_all_unreached(&["admin/x", "admin", "x/../admin/x", "*"]).await;
}

/// The same against tonic's own router, where a path names a service.
#[cfg(feature = "tonic")]
#[tokio::test]
async fn cve_2026_33186_grpc_path_without_its_slash() {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let auth = AuthLayer::new(memory()).with_grpc();
    let app = tonic::service::Routes::new(health)
        .into_axum_router()
        .layer(auth);
    let server = Server::start(app).await;
    for target in [
        "grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Check",
        "//Check",
    ] {
        let mut wire = Wire::get(target).with("content-type", "application/grpc");
        wire.method = "POST".to_owned();
        if let Ok(answer) = server.http2(&wire).await {
            let status = answer
                .fields
                .iter()
                .find(|(name, _)| name == b"grpc-status");
            let refused = status.is_some_and(|(_, value)| value == b"16");
            assert!(refused || answer.status == 400, "{target}: {answer:?}");
        }
    }
}

/// `http` before 1.4.1 took a path without its slash, so that `Uri::path` did not begin with one.
#[test]
fn http_before_1_4_1_path_without_its_slash() {
    for text in ["admin/x", "http://localhostadmin/x", "?admin", "#admin"] {
        if let Ok(uri) = text.parse::<http::Uri>() {
            assert!(
                uri.path().is_empty() || uri.path().starts_with('/'),
                "{text}: {uri:?}"
            );
        }
    }
}

/// Envoy CVE-2019-9901: `/info/../admin` matched the open prefix `/info`, and the server behind it
/// resolved the dots. Here the router's own match decides, and resolves none.
#[tokio::test]
async fn envoy_cve_2019_9901_dot_segments() {
    let targets = [
        "/info/../admin/x",
        "/public/../admin/x",
        "/./admin/x",
        "/admin/./x",
    ];
    assert_all_unreached(&targets).await;
}

/// Envoy CVE-2021-29492: `%2F` and `%5C` were a slash to the server and none to the rule.
#[tokio::test]
async fn envoy_cve_2021_29492_escaped_slashes() {
    let targets = [
        "/public%2F..%2Fadmin/x",
        "/admin%2Fx",
        "/admin%5Cx",
        "/%61dmin/x",
        "%2Fadmin/x",
    ];
    assert_all_unreached(&targets).await;
}

/// oauth2-proxy CVE-2025-54576: patterns for open paths were matched against the query, too.
#[tokio::test]
async fn oauth2_proxy_cve_2025_54576_an_open_path_in_the_query() {
    let targets = [
        "/admin/x?/public/a",
        "/admin/x?next=/info",
        "/admin?/public/",
        "/admin/x#/info",
    ];
    assert_all_unreached(&targets).await;
}

/// oauth2-proxy CVE-2026-40575: a path that the client named in `X-Forwarded-Uri` was compared with
/// the open paths. Here no header names a path.
#[tokio::test]
async fn oauth2_proxy_cve_2026_40575_a_forwarded_uri() {
    let (server, reached) = server().await;
    for name in [
        "x-forwarded-uri",
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
    ] {
        let wire = Wire::get("/admin/x")
            .with(name, "/public/a")
            .with("forwarded", "for=127.0.0.1");
        assert_unreached(&server, &reached, &wire, &[401]).await;
    }
}

/// Better Auth CVE-2025-71399: `//path` was the same route, and not on the list of disabled paths.
#[tokio::test]
async fn better_auth_cve_2025_71399_empty_segments() {
    assert_all_unreached(&[
        "//admin/x",
        "///admin/x",
        "/admin//x",
        "/public//../admin/x",
    ])
    .await;
}

/// Traefik CVE-2026-48020: dots in a path that matched a public route led to a private one after
/// its prefix was stripped. Here `nest` strips the prefix of the route that was matched.
#[tokio::test]
async fn traefik_cve_2026_48020_dots_behind_a_stripped_prefix() {
    let targets = [
        "/public/%2e%2e/admin/x",
        "/public/..%2fadmin/x",
        "/public/..;/admin/x",
    ];
    assert_all_unreached(&targets).await;
}

/// axum's `nest` shows an inner layer a path without its prefix, so that a rule for `/admin` in a
/// layer never matched. Here the layer does not look at the path, inside `nest` or outside.
#[tokio::test]
async fn axum_nest_shows_an_inner_layer_a_stripped_path() {
    let reached = Reached::default();
    let inner = Router::new()
        .route("/info", any(reached.handler()))
        .layer(AuthLayer::new(memory()));
    let app = Router::new()
        .nest("/admin", inner)
        .route("/info", any(open));
    let server = Server::start(app).await;
    assert_unreached(&server, &reached, &Wire::get("/admin/info"), &[401]).await;
}

/// librefang#3895: routes that were merged after `.layer()` had no authentication. The outermost
/// layer withholds what such a route answers.
#[tokio::test]
async fn librefang_3895_routes_merged_after_the_layer() {
    use tower_api_key::EveryRouteDecidesLayer;

    let late = Router::new().route("/late", any(open));
    let app = Router::new()
        .route("/early", any(open))
        .layer(AuthLayer::new(memory()));
    let open_app = Server::start(app.clone().merge(late.clone())).await;
    assert_eq!(
        open_app.statuses(&Wire::get("/late")).await,
        [Some(200); 2],
        "the mistake"
    );
    let server = Server::start(app.merge(late).layer(EveryRouteDecidesLayer::new())).await;
    let (status, answer) = server.http1(&Wire::get("/late")).await.unwrap();
    assert_eq!(status, 500);
    assert!(!answer.contains("open"), "{answer}");
    assert_eq!(server.statuses(&Wire::get("/early")).await, [Some(401); 2]);
}

/// Next.js CVE-2025-29927: a header that meant "already checked" came from a client, and skipped
/// every check. Here a check leaves its mark in the request's extensions, where no header arrives.
#[tokio::test]
async fn nextjs_cve_2025_29927_a_header_says_already_checked() {
    let (server, reached) = server().await;
    for (name, value) in [
        (
            "x-middleware-subrequest",
            "middleware:middleware:middleware",
        ),
        ("x-authenticated", "true"),
        ("x-principal", "testkey"),
        ("x-tower-api-key-decided", "1"),
        ("x-user-id", "user_test"),
    ] {
        let wire = Wire::get("/admin/x").with(name, value);
        assert_unreached(&server, &reached, &wire, &[401]).await;
    }
}
