//! Every response is either decided by a layer or withheld: which way of adding a layer covers
//! which routes in axum, as in the guide's table, and how [`EveryRouteDecidesLayer`] finds the
//! rest.

use crate::support;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::Response,
    routing::{any, get},
};
use http::{Extensions, Method, StatusCode};
use support::{
    KEY, bearer, memory,
    remote_store::{Behaviour, RemoteStore},
};
use tower::{Layer, ServiceBuilder, ServiceExt as _, service_fn};
use tower_api_key::{
    AuthLayer, CredentialStore, EveryRouteDecidesLayer, PublicLayer, Reason, Rejection,
    RequireScopesLayer, store::MemoryStore,
};

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

async fn open() -> &'static str {
    "open"
}

/// Sends a request without a credential.
async fn send(app: &Router, method: &str, path: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn causes(response: &Response) -> Option<&'static str> {
    response
        .extensions()
        .get::<Rejection>()
        .map(|rejection| rejection.cause().code())
}

/// The routes of the table. `/late` and, where noted, the fallbacks are merged or set after the
/// layer.
fn routes() -> Router {
    let nested = Router::new().route("/inner", get(open)).fallback(open);
    Router::new()
        .route("/route", get(open))
        .nest("/nested", nested)
        .fallback(open)
        .method_not_allowed_fallback(open)
}

const PLACES: [(&str, &str, &str); 7] = [
    ("a route", "GET", "/route"),
    ("another method of it", "DELETE", "/route"),
    ("a nested route", "GET", "/nested/inner"),
    ("a nested fallback", "GET", "/nested/unknown"),
    ("the fallback", "GET", "/unknown"),
    ("a route merged after", "GET", "/late"),
    ("another method of that", "DELETE", "/late"),
];

/// The places that each form covers, as in the guide's table.
fn forms() -> [(&'static str, Router, [bool; 7]); 4] {
    let late = || Router::new().route("/late", get(open));
    let own = || Router::new().route("/route", get(open)).layer(auth());
    [
        (
            "`.layer(auth)`",
            routes().layer(auth()).merge(late()),
            [true, true, true, true, true, false, false],
        ),
        (
            "`.route_layer(auth)`",
            routes().route_layer(auth()).merge(late()),
            [true, true, true, false, false, false, false],
        ),
        (
            "`.layer(auth)`, fallbacks set afterwards",
            own()
                .fallback(open)
                .method_not_allowed_fallback(open)
                .merge(late()),
            [true, false, false, false, false, false, false],
        ),
        (
            "`.layer(auth)` as the last call",
            routes().merge(late()).layer(auth()),
            [true, true, true, true, true, true, true],
        ),
    ]
}

#[tokio::test]
async fn each_way_of_adding_a_layer_covers_the_routes_in_the_guide() {
    for (form, app, covered) in forms() {
        for ((place, method, path), covered) in PLACES.into_iter().zip(covered) {
            let response = send(&app, method, path).await;
            assert_eq!(
                causes(&response) == Some("no_credential"),
                covered,
                "{form}: {place}: {}",
                response.status()
            );
        }
    }
}

#[test]
fn the_guide_contains_this_table() {
    let guide = include_str!("../../src/guide/placement.rs");
    let places = PLACES.map(|(place, _, _)| place).join(" | ");
    assert!(guide.contains(&format!("//! | | {places} |\n")), "{places}");
    for (form, _, covered) in forms() {
        let marks = covered
            .map(|covered| if covered { "yes" } else { "**no**" })
            .join(" | ");
        let row = format!("//! | {form} | {marks} |\n");
        assert!(guide.contains(&row), "not in the guide: {row}");
    }
}

#[tokio::test]
async fn the_outermost_layer_withholds_undecided_responses() {
    for (form, app, covered) in forms() {
        let app = app.layer(EveryRouteDecidesLayer::new());
        for ((place, method, path), covered) in PLACES.into_iter().zip(covered) {
            let response = send(&app, method, path).await;
            let (status, cause) = if covered {
                (401, "no_credential")
            } else {
                (500, "undecided")
            };
            assert_eq!(
                (response.status().as_u16(), causes(&response)),
                (status, Some(cause)),
                "{form}: {place}"
            );
            assert_eq!(
                response.headers()["cache-control"],
                "no-store",
                "{form}: {place}"
            );
        }
    }
}

#[tokio::test]
async fn undecided_services_beside_the_routes_are_found() {
    /// Answers like a file service or a proxy: for any path, with headers from another source.
    async fn answer(request: Request) -> Result<Response, Infallible> {
        let mut response = Response::new(Body::from("open"));
        *response.headers_mut() = request.headers().clone();
        Ok(response)
    }
    let private = || Router::new().route("/route", get(open)).layer(auth());
    for (name, app, path) in [
        (
            "nested",
            private().nest_service("/files", service_fn(answer)),
            "/files/a",
        ),
        (
            "a route",
            private().route_service("/proxy", service_fn(answer)),
            "/proxy",
        ),
        (
            "the fallback",
            private().fallback_service(service_fn(answer)),
            "/anything",
        ),
        (
            "a fallback in a nested router",
            private().nest("/api", Router::new().fallback_service(service_fn(answer))),
            "/api/a",
        ),
    ] {
        assert_eq!(
            send(&app, "GET", path).await.status(),
            200,
            "{name}: reachable without the outermost layer"
        );
        let app = app.layer(EveryRouteDecidesLayer::new());
        let response = send(&app, "GET", path).await;
        assert_eq!(
            (response.status().as_u16(), causes(&response)),
            (500, Some("undecided")),
            "{name}"
        );
        assert_eq!(send(&app, "GET", "/route").await.status(), 401, "{name}");
    }
}

#[tokio::test]
async fn an_inner_layer_decides_for_both() {
    let inner = Router::new()
        .route("/route", get(open))
        .layer(auth())
        .route("/late", get(open));
    let app = Router::new()
        .merge(inner.layer(EveryRouteDecidesLayer::new()))
        .layer(EveryRouteDecidesLayer::new());
    assert_eq!(send(&app, "GET", "/route").await.status(), 401);
    let response = send(&app, "GET", "/late").await;
    assert_eq!(
        (response.status().as_u16(), causes(&response)),
        (500, Some("undecided"))
    );
}

#[tokio::test]
async fn every_decided_response_passes() {
    let remote = |behaviour| {
        AuthLayer::new(RemoteStore::new(memory(), behaviour) as Arc<dyn CredentialStore>)
    };
    let local = || AuthLayer::new(Arc::new(memory()) as Arc<dyn CredentialStore>);
    let scopes = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    let gated = Router::new()
        .route("/", get(open).layer(scopes))
        .layer(local());
    let reads = Router::new().route("/", get(open)).layer(local());
    let plain =
        |auth: AuthLayer<Arc<dyn CredentialStore>>| Router::new().route("/", any(open)).layer(auth);
    let public = Router::new()
        .route("/", any(open))
        .layer(PublicLayer::new());
    for (name, app, token, method, status) in [
        ("accepted", plain(local()), Some(KEY), "GET", 200),
        (
            "accepted after a wait",
            plain(remote(Behaviour::Answers)),
            Some(KEY),
            "GET",
            200,
        ),
        (
            "accepted, and no such method",
            reads,
            Some(KEY),
            "POST",
            405,
        ),
        ("refused", plain(local()), None, "GET", 401),
        (
            "refused after a wait",
            plain(remote(Behaviour::Answers)),
            Some("ak_testkey.test-wrong"),
            "GET",
            401,
        ),
        (
            "an outage",
            plain(remote(Behaviour::Fails)),
            Some(KEY),
            "GET",
            503,
        ),
        ("refused by a requirement", gated, Some(KEY), "GET", 403),
        ("anonymous", plain(local().optional()), None, "GET", 200),
        ("public", public, Some(KEY), "GET", 200),
        (
            "a preflight",
            plain(local().with_preflight_pass()),
            None,
            "OPTIONS",
            200,
        ),
        ("a HEAD", plain(local()), Some(KEY), "HEAD", 200),
    ] {
        let app = app.layer(EveryRouteDecidesLayer::new());
        let mut request = token.map_or_else(support::request, bearer).map(Body::from);
        *request.method_mut() = method.parse().unwrap();
        if request.method() == Method::OPTIONS {
            request
                .headers_mut()
                .insert("origin", "https://a.test".parse().unwrap());
            request
                .headers_mut()
                .insert("access-control-request-method", "GET".parse().unwrap());
        }
        assert_eq!(
            app.oneshot(request).await.unwrap().status(),
            status,
            "{name}"
        );
    }
}

/// The extensions of a response that was decided under another outermost layer.
async fn of_another_response() -> Extensions {
    let app = Router::new()
        .route("/", get(open))
        .layer(PublicLayer::new())
        .layer(EveryRouteDecidesLayer::new());
    let response = send(&app, "GET", "/").await;
    assert_eq!(response.status(), 200);
    response.extensions().clone()
}

#[tokio::test]
async fn a_decision_mark_cannot_be_smuggled_in() {
    let extensions = of_another_response().await;
    let kept = move |request: Request| {
        let extensions = extensions.clone();
        async move {
            // As a cache or a proxy would: the request's headers, and everything an earlier
            // response had.
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = request.headers().clone();
            *response.extensions_mut() = extensions;
            response
        }
    };
    let app = Router::new()
        .route("/", get(kept))
        .layer(EveryRouteDecidesLayer::new());
    for header in ["decided", "x-decided", "x-tower-api-key-decided"] {
        let request = Request::get("/")
            .header(header, "1")
            .body(Body::empty())
            .unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), causes(&response)),
            (500, Some("undecided")),
            "{header}"
        );
    }
}

#[tokio::test]
async fn a_refusal_built_by_a_handler_is_not_a_decision() {
    let rejection: Arc<Mutex<Option<Rejection>>> = Arc::default();
    *rejection.lock().unwrap() = send(&routes().layer(auth()), "GET", "/route")
        .await
        .extensions()
        .get()
        .cloned();
    let handler = move || {
        let rejection = rejection.lock().unwrap().clone().unwrap();
        async move { rejection }
    };
    let app = Router::new()
        .route("/", get(handler))
        .layer(EveryRouteDecidesLayer::new());
    assert_eq!(
        send(&app, "GET", "/").await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn the_refusal_uses_the_responses_of_the_given_layer() {
    let auth = auth().with_body_key("error").with_grpc();
    let inner = service_fn(async |_: http::Request<String>| {
        Ok::<_, Infallible>(http::Response::new(String::new()))
    });
    let service = EveryRouteDecidesLayer::new()
        .with_responses_of(&auth)
        .layer(inner);
    let response = service.clone().oneshot(support::request()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &**response.body()),
        (500, r#"{"error":"Internal server error"}"#)
    );
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.reason(), Reason::Misconfigured);
    let call = support::grpc_call(support::request(), "application/grpc");
    let response = service.oneshot(call).await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["grpc-status"]
        ),
        (200, &"13".parse().unwrap())
    );
}

#[tokio::test]
async fn credentials_are_sensitive_from_the_outermost_layer_inwards() {
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let inner = service_fn(move |request: http::Request<String>| {
        let values = request.headers().get_all("authorization").iter();
        sink.lock()
            .unwrap()
            .extend(values.map(http::HeaderValue::is_sensitive));
        async { Ok::<_, Infallible>(http::Response::new(String::new())) }
    });
    let service = ServiceBuilder::new()
        .layer(EveryRouteDecidesLayer::new())
        .service(inner);
    service
        .oneshot(support::with(bearer(KEY), "authorization", "x"))
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [true, true]);
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn an_undecided_response_emits_an_error_event_naming_the_fix() {
    use support::logs;
    let app = routes().layer(EveryRouteDecidesLayer::new());
    logs::start();
    send(&app, "GET", "/route").await;
    let event = logs::only_event(tower_api_key::observe::TARGET);
    assert_eq!(event["fields"]["cause"], "undecided", "{event}");
    logs::assert_error_names_fix(&event, "AuthLayer or a PublicLayer");
}
