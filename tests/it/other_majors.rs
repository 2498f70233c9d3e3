//! Bodies of other axum and tonic majors, which the crate does not know: a closure returns them, as
//! the guide shows.

use crate::support;

use std::{convert::Infallible, fmt::Debug, future::ready};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use support::{
    KEY, TOKEN, bearer, bearer_in, grpc_call, memory,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneSyncService,
};
use tower_api_key::{
    AuthLayer, CredentialStore, EveryRouteDecidesLayer, Rejection, RequireDescendantLayer,
    RequireOrganizationLayer, RequireScopesLayer,
    rejection::{JsonResponder, ProblemResponder, Responder},
};

/// A service that returns the body `B`.
type Inner<B> = BoxCloneSyncService<Request<String>, Response<B>, Infallible>;

const MISSING: &str = r#"{"detail":"Missing Bearer token"}"#;

/// The body of axum 0.7.
fn axum_07(text: String) -> axum_core_04::body::Body {
    text.into()
}

fn tonic_013(text: String) -> tonic_013::body::Body {
    tonic_013::body::Body::new(text)
}

/// The recipe: the documented JSON in a body that only implements `Default`.
fn auth<B: Default + 'static>(
    store: impl CredentialStore,
    body: fn(String) -> B,
) -> AuthLayer<impl CredentialStore, impl Responder<B>> {
    let json = JsonResponder::default();
    AuthLayer::new(store)
        .with_responder(move |rejection: &Rejection| json.respond(rejection).map(body))
}

async fn send<B, L>(layer: &L, body: fn(String) -> B, request: Request<String>) -> Response<String>
where
    B: http_body::Body<Error: Debug> + Send + 'static,
    L: Layer<Inner<B>>,
    L::Service: Service<Request<String>, Response = Response<B>, Error = Infallible>,
{
    let inner = service_fn(move |_| ready(Ok(Response::new(body("reached".to_owned())))));
    let service = layer.layer(BoxCloneSyncService::new(inner));
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(text.into()).unwrap())
}

fn header<'a>(response: &'a Response<String>, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

/// Checks everything that a layer adds to a refusal, for any body.
async fn refuses_as_documented<B>(body: fn(String) -> B)
where
    B: http_body::Body<Error: Debug> + Default + Send + 'static,
{
    let up = auth(memory(), body);
    let refused = send(&up, body, request()).await;
    assert_eq!(
        (refused.status(), refused.body().as_str()),
        (StatusCode::UNAUTHORIZED, MISSING)
    );
    for (name, value) in [
        ("content-type", "application/json"),
        ("www-authenticate", r#"Bearer realm="api""#),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(&refused, name), Some(value), "{name}");
    }
    let cause = refused.extensions().get::<Rejection>().unwrap().cause();
    assert_eq!(cause.code(), "no_credential");
    let accepted = send(&up, body, bearer(KEY)).await;
    assert_eq!(
        (accepted.status(), accepted.body().as_str()),
        (StatusCode::OK, "reached")
    );

    let down = auth(RemoteStore::new(memory(), Behaviour::Fails), body);
    let outage = send(&down, body, bearer(KEY)).await;
    assert_eq!(outage.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&outage, "retry-after"), Some("1"));

    let preflight = with(request(), "origin", "https://app.example");
    let mut preflight = with(preflight, "access-control-request-method", "GET");
    *preflight.method_mut() = Method::OPTIONS;
    let answered = send(&up.with_preflight_pass(), body, preflight).await;
    assert_eq!(
        (answered.status(), answered.body().as_str()),
        (StatusCode::OK, "")
    );
}

#[tokio::test]
async fn a_closure_can_return_the_body_of_another_axum_major() {
    refuses_as_documented(axum_07).await;
}

#[tokio::test]
async fn a_closure_can_return_the_body_of_another_tonic_major() {
    refuses_as_documented(tonic_013).await;
}

#[tokio::test]
async fn the_inner_and_outermost_layers_return_that_body_too() {
    let store = memory();
    let auth = auth(store.clone(), axum_07);
    let optional = auth.clone().optional();
    let scopes = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    let scopes = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(scopes.with_responses_of(&auth));
    let organization = ServiceBuilder::new()
        .layer(optional)
        .layer(RequireOrganizationLayer::new().with_responses_of(&auth));
    let tree = RemoteStore::new(store, Behaviour::Answers);
    let below = RequireDescendantLayer::new(tree, |_| Some("org_no".into()));
    let below = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(below.with_responses_of(&auth));
    let undecided = EveryRouteDecidesLayer::new().with_responses_of(&auth);
    let token = || bearer_in(TOKEN, support::ORG);
    for (response, status, detail) in [
        (
            send(&scopes, axum_07, token()).await,
            403,
            "Token does not grant access to this action",
        ),
        (
            send(&organization, axum_07, request()).await,
            401,
            "Missing Bearer token",
        ),
        (
            send(&below, axum_07, token()).await,
            403,
            "Token does not grant access to this organization",
        ),
        (
            send(&undecided, axum_07, token()).await,
            500,
            "Internal server error",
        ),
    ] {
        assert_eq!(response.status().as_u16(), status, "{response:?}");
        assert_eq!(*response.body(), format!(r#"{{"detail":"{detail}"}}"#));
    }
}

#[tokio::test]
async fn problem_documents_can_be_converted_too() {
    let problems = ProblemResponder::new();
    let auth = AuthLayer::new(memory())
        .with_responder(move |rejection: &Rejection| problems.respond(rejection).map(axum_07));
    let refused = send(&auth, axum_07, request()).await;
    assert_eq!(
        header(&refused, "content-type"),
        Some("application/problem+json")
    );
    assert!(refused.body().contains(r#""code":"missing_credential""#));
}

#[tokio::test]
async fn a_closure_needs_with_grpc_for_grpc_refusals() {
    let call = || grpc_call(request(), "application/grpc");
    let auth = auth(memory(), tonic_013);
    let refused = send(&auth, tonic_013, call()).await;
    assert_eq!(
        (refused.status(), refused.body().as_str()),
        (StatusCode::UNAUTHORIZED, MISSING)
    );

    let refused = send(&auth.clone().with_grpc(), tonic_013, call()).await;
    assert_eq!(
        (refused.status(), refused.body().as_str()),
        (StatusCode::OK, "")
    );
    assert_eq!(header(&refused, "content-type"), Some("application/grpc"));
    let status = status_of(refused.headers());
    assert_eq!(status.code(), tonic_013::Code::Unauthenticated);
    assert_eq!(status.message(), "Missing Bearer token");

    let plain = send(&auth.with_grpc(), tonic_013, request()).await;
    assert_eq!(plain.status(), StatusCode::UNAUTHORIZED, "not a gRPC call");
}

/// The status as that major's own client reads it.
fn status_of(headers: &HeaderMap) -> tonic_013::Status {
    tonic_013::Status::from_header_map(headers).unwrap()
}

/// Returns its own status without a text, in any body with `Default`.
struct Silent {
    speaks_grpc: bool,
}

impl<B: Default> Responder<B> for Silent {
    fn respond(&self, _: &Rejection) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    fn empty_body(&self) -> B {
        B::default()
    }

    fn speaks_grpc(&self) -> bool {
        self.speaks_grpc
    }
}

#[tokio::test]
async fn a_responder_type_can_enable_grpc_refusals() {
    for (speaks_grpc, status) in [(false, StatusCode::NOT_FOUND), (true, StatusCode::OK)] {
        let auth = AuthLayer::new(memory()).with_responder(Silent { speaks_grpc });
        let call = grpc_call(request(), "application/grpc");
        let refused = send(&auth, tonic_013, call).await;
        assert_eq!(refused.status(), status);
        let plain = send(&auth, tonic_013, request()).await;
        assert_eq!(plain.status(), StatusCode::NOT_FOUND);
    }
}
