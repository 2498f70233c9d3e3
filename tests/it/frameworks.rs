//! axum and tonic: handlers receive the principal, refusals use the form of each protocol, and both
//! share one port.

mod by_method;
mod greeter;

use crate::support;
use tower_api_key::{
    AuthLayer, CredentialSource, EveryRouteDecidesLayer, Principal, PublicLayer, Rejection,
    RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer, observe::TARGET,
    store::Directory, tonic::RequestExt as _,
};

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use greeter::{call, greeter, listen};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, ask, bearer, key, logs, memory,
    remote_store::{Behaviour, RemoteStore},
};
use tokio::task::JoinSet;
use tonic::{
    Code,
    server::NamedService,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tower::{Layer, ServiceExt as _};

async fn principal_id(principal: Principal) -> String {
    principal.credential_id().to_owned()
}

async fn optional_principal_id(principal: Option<Principal>) -> String {
    principal.map_or_else(
        || "anonymous".to_owned(),
        |principal| principal.credential_id().to_owned(),
    )
}

fn router() -> Router {
    Router::new()
        .route("/principal", get(principal_id))
        .route("/optional", get(optional_principal_id))
}

/// Sends a request to a router in memory.
async fn get_from(router: Router, path: &str, token: Option<&str>) -> (u16, String, Response<()>) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let (parts, body) = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
        .into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (parts.status.as_u16(), text, Response::from_parts(parts, ()))
}

#[tokio::test]
async fn axum_handlers_receive_the_principal() {
    let auth = AuthLayer::new(memory());
    for (name, router, path, token, wanted) in [
        (
            "a key",
            router().layer(auth.clone()),
            "/principal",
            Some(KEY),
            (200, "testkey"),
        ),
        (
            "optional, with a credential",
            router().layer(auth.clone().optional()),
            "/optional",
            Some(KEY),
            (200, "testkey"),
        ),
        (
            "optional, without a credential",
            router().layer(auth.clone().optional()),
            "/optional",
            None,
            (200, "anonymous"),
        ),
        (
            "public",
            router().layer(PublicLayer::new()),
            "/optional",
            Some(KEY),
            (200, "anonymous"),
        ),
        (
            "missing",
            router().layer(auth.clone()),
            "/principal",
            None,
            (401, r#"{"detail":"Missing Bearer token"}"#),
        ),
        (
            "bad",
            router().layer(auth.clone().optional()),
            "/optional",
            Some("x"),
            (401, UNRECOGNIZED),
        ),
        (
            "no credential",
            router().layer(auth.optional()),
            "/principal",
            None,
            (401, r#"{"detail":"Missing Bearer token"}"#),
        ),
    ] {
        let (status, text, _) = get_from(router, path, token).await;
        assert_eq!((status, &*text), wanted, "{name}");
    }
}

const UNRECOGNIZED: &str = concat!(
    r#"{"detail":"Unrecognized token format. Expected a personal access token (pat_...) "#,
    r#"or organization API key (ak_...)."}"#
);

#[tokio::test]
async fn an_axum_handler_without_an_auth_layer_is_a_500_and_the_log_names_the_fix() {
    for path in ["/principal", "/optional"] {
        logs::start();
        let (status, text, response) = get_from(router(), path, Some(KEY)).await;
        assert_eq!(
            (status, &*text),
            (500, r#"{"detail":"Internal server error"}"#),
            "{path}"
        );
        assert_eq!(
            response
                .extensions()
                .get::<Rejection>()
                .map(|r| r.cause().code()),
            Some("no_auth_layer")
        );
        logs::assert_error_names_fix(&logs::only_event(TARGET), ".layer(AuthLayer::new(store))");
    }
}

#[tokio::test]
async fn a_rejection_converts_into_a_response_with_all_headers() {
    let rejection = ask(&AuthLayer::new(memory()), bearer("pat_"))
        .await
        .rejection
        .unwrap();
    let response = axum::response::IntoResponse::into_response(rejection);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="api", error="invalid_token""#
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.extensions().get::<Rejection>().is_some());
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, r#"{"detail":"Invalid or expired token"}"#);
}

#[tokio::test]
async fn an_axum_route_can_have_its_own_requirements() {
    let auth = AuthLayer::new(memory());
    let requirement = RequireScopesLayer::any(["unheld:scope"])
        .unwrap()
        .with_responses_of(&auth);
    let router = Router::new()
        .route("/gated", get(principal_id).layer(requirement))
        .merge(router())
        .layer(auth);
    assert_eq!(get_from(router.clone(), "/gated", Some(KEY)).await.0, 403);
    assert_eq!(get_from(router, "/principal", Some(KEY)).await.0, 200);
}

#[tokio::test]
async fn a_tonic_request_returns_the_principal_or_a_status() {
    let as_tonic = |answer: support::Answer| {
        let mut request = tonic::Request::new(());
        *request.extensions_mut() = answer.reached.unwrap().extensions;
        request
    };
    let auth = AuthLayer::new(memory());
    let request = as_tonic(ask(&auth, bearer(KEY)).await);
    assert_eq!(request.principal().unwrap().organization(), Some(ORG));
    let anonymous = as_tonic(ask(&auth.optional(), support::request()).await);
    let status = anonymous.principal().unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "Missing Bearer token")
    );
    logs::start();
    let status = tonic::Request::new(()).principal().unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "Internal server error")
    );
    let events = logs::events(TARGET);
    assert!(
        events[0]["fields"]["message"]
            .as_str()
            .unwrap()
            .contains("AuthLayer::new(store)"),
        "{events:?}"
    );
}

#[test]
fn a_service_behind_any_layer_keeps_its_name() {
    fn name_behind<L: Layer<tonic_health::pb::health_server::HealthServer<greeter::Greeter>>>(
        _: &L,
    ) -> &'static str
    where
        L::Service: NamedService,
    {
        <L::Service as NamedService>::NAME
    }
    let scopes = RequireScopesLayer::any(["a"]).unwrap();
    let names = [
        name_behind(&AuthLayer::new(memory())),
        name_behind(&PublicLayer::new()),
        name_behind(&scopes),
        name_behind(&RequireOrganizationLayer::new()),
        name_behind(&RequireDescendantLayer::new(memory(), |_| None)),
        name_behind(&EveryRouteDecidesLayer::new()),
    ];
    assert_eq!(names, ["grpc.health.v1.Health"; 6]);
}

/// Serves the greeter behind a layer until the set is dropped.
async fn serve_tonic<S: tower_api_key::CredentialStore>(
    auth: AuthLayer<S>,
) -> (JoinSet<()>, SocketAddr) {
    let (listener, address) = listen().await;
    let mut server = JoinSet::new();
    let serving = Server::builder()
        .layer(auth)
        .add_service(greeter())
        .serve_with_incoming(TcpIncoming::from(listener));
    server.spawn(async move { serving.await.unwrap() });
    (server, address)
}

#[tokio::test]
async fn a_tonic_client_receives_the_status_and_message() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let (_server, address) = serve_tonic(AuthLayer::new(Arc::clone(&store))).await;
    let auth = |token: &str| format!("Bearer {token}");
    let (good, token, bad) = (auth(KEY), auth(TOKEN), auth(&key("unknown")));
    assert_eq!(
        call(address, &[("authorization", &good)]).await.unwrap(),
        "testkey"
    );
    assert_eq!(
        call(
            address,
            &[("authorization", &token), ("x-anyreach-org", ORG)]
        )
        .await
        .unwrap(),
        "token"
    );
    let by_header = CredentialSource::header("x-api-key".parse().unwrap());
    let by_header = AuthLayer::new(Arc::clone(&store)).with_source(by_header);
    let (_other, further) = serve_tonic(by_header.unwrap()).await;
    assert_eq!(
        call(further, &[("x-api-key", KEY)]).await.unwrap(),
        "testkey"
    );
    for (metadata, code, message) in [
        (&[][..], Code::Unauthenticated, "Missing Bearer token"),
        (
            &[("authorization", &*bad)],
            Code::Unauthenticated,
            "Invalid or expired token",
        ),
        (
            &[("authorization", &*token)],
            Code::Unauthenticated,
            "Token is missing organization claim.",
        ),
        (
            &[("authorization", &*good), ("x-anyreach-org", OTHER_ORG)],
            Code::PermissionDenied,
            "Token does not grant access to this organization",
        ),
    ] {
        let status = call(address, metadata).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message));
    }
    store.set_behaviour(Behaviour::Fails);
    let status = call(address, &[("authorization", &good)])
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::Unavailable,
            "Authentication is temporarily unavailable"
        )
    );
}

/// Sends a request over a socket, with HTTP/1.1.
async fn get_over_http(address: SocketAddr, path: &str, token: &str) -> (u16, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(format!("http://{address}{path}"))
        .header("authorization", format!("Bearer {token}"));
    let response = client
        .request(request.body(Empty::new()).unwrap())
        .await
        .unwrap();
    (
        response.status().as_u16(),
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

#[tokio::test]
async fn axum_and_tonic_share_a_port_and_an_auth_layer() {
    let (listener, address) = listen().await;
    let grpc = Routes::new(greeter()).into_axum_router();
    let auth = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers)).with_grpc();
    let both = grpc.merge(router()).layer(auth);
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, both).await.unwrap() });
    assert_eq!(
        get_over_http(address, "/principal", KEY).await,
        (200, "testkey".into())
    );
    let (status, body) = get_over_http(address, "/principal", "pat_").await;
    let detail: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &detail["detail"]),
        (401, &"Invalid or expired token".into())
    );
    assert_eq!(
        call(address, &[("authorization", &format!("Bearer {KEY}"))])
            .await
            .unwrap(),
        "testkey"
    );
    let status = call(address, &[]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "Missing Bearer token")
    );
}

#[tokio::test]
async fn a_service_with_an_interceptor_works_behind_every_layer() {
    let store = memory();
    store
        .create_organization("org_child", Some(ORG))
        .await
        .unwrap();
    let auth = AuthLayer::new(RemoteStore::new(store.clone(), Behaviour::Answers));
    let scopes = RequireScopesLayer::any(["agents:read"])
        .unwrap()
        .with_responses_of(&auth);
    let below =
        RequireDescendantLayer::new(store, |_| Some("org_child".into())).with_responses_of(&auth);
    let interceptor = |request: tonic::Request<()>| match request.metadata().get("x-test-stop") {
        Some(_) => Err(tonic::Status::aborted("stopped by the interceptor")),
        None => Ok(request),
    };
    let layers = tower::ServiceBuilder::new()
        .layer(EveryRouteDecidesLayer::new().with_responses_of(&auth))
        .layer(auth)
        .layer(RequireOrganizationLayer::new())
        .layer(scopes)
        .layer(below);
    let service = layers.service(
        tonic_health::pb::health_server::HealthServer::with_interceptor(
            greeter::Greeter,
            interceptor,
        ),
    );
    let (listener, address) = listen().await;
    let serving = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener));
    let mut server = JoinSet::new();
    server.spawn(async move { serving.await.unwrap() });

    let good = format!("Bearer {KEY}");
    assert_eq!(
        call(address, &[("authorization", &good)]).await.unwrap(),
        "testkey"
    );
    for (metadata, code, message) in [
        (&[][..], Code::Unauthenticated, "Missing Bearer token"),
        (
            &[("authorization", &*good), ("x-test-stop", "1")],
            Code::Aborted,
            "stopped by the interceptor",
        ),
    ] {
        let status = call(address, metadata).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message));
    }
}

#[tokio::test]
async fn a_grpc_service_in_an_axum_router_needs_with_grpc() {
    let (listener, address) = listen().await;
    let grpc = Routes::new(greeter())
        .into_axum_router()
        .layer(AuthLayer::new(memory()));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, grpc).await.unwrap() });
    let status = call(address, &[]).await.unwrap_err();
    assert_ne!(
        status.message(),
        "Missing Bearer token",
        "a client cannot read it, so `with_grpc` is needed here"
    );
}
