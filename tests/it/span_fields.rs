//! The caller on the span of the request.

use crate::support;

use http::Request;
use serde_json::Value;
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, USER, bearer, bearer_in, logs, memory,
    remote_store::{Behaviour, RemoteStore},
    request,
};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_api_key::{AuthLayer, CredentialStore};
use tower_http::trace::TraceLayer;
use tracing::{Span, field::Empty, info, info_span};

/// Declares every field, as the documentation lists them.
fn declares_all(_: &Request<String>) -> Span {
    info_span!(
        "request",
        credential_id = Empty,
        organization = Empty,
        enduser.id = Empty,
        enduser.role = Empty,
        enduser.scope = Empty,
    )
}

fn declares_one(_: &Request<String>) -> Span {
    info_span!("request", credential_id = Empty)
}

/// Returns the span of an event that the handler emits, or of the refusal.
async fn span_of(
    auth: AuthLayer<impl CredentialStore>,
    span: fn(&Request<String>) -> Span,
    request: Request<String>,
) -> Value {
    logs::start();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(auth)
        .service(service_fn(async |_: Request<String>| {
            info!(target: "tower_api_key::verdict", "reached");
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        }));
    drop(service.oneshot(request).await);
    let mut event = logs::events("tower_api_key::verdict").pop().unwrap();
    event["span"].take()
}

#[tokio::test]
async fn the_caller_is_recorded_in_the_fields_that_the_span_declares() {
    let auth = || AuthLayer::new(memory()).with_span_fields();
    let key = span_of(auth(), declares_all, bearer(KEY)).await;
    assert_eq!(key["credential_id"], "testkey");
    assert_eq!(key["organization"], ORG);
    assert_eq!(key["enduser.role"], "admin");
    assert_eq!(key.get("enduser.id"), None, "a key has no user");

    let token = span_of(auth(), declares_all, bearer_in(TOKEN, OTHER_ORG)).await;
    assert_eq!(token["credential_id"], "token");
    assert_eq!(token["organization"], OTHER_ORG);
    assert_eq!(token["enduser.id"], USER);
    assert_eq!(token["enduser.role"], "viewer");
    let scopes = token["enduser.scope"].as_str().unwrap();
    assert!(
        scopes.split(' ').any(|scope| scope == "agents:read"),
        "{scopes}"
    );

    let one = span_of(auth(), declares_one, bearer(KEY)).await;
    let name_and_id = serde_json::json!({ "name": "request", "credential_id": "testkey" });
    assert_eq!(one, name_and_id);
}

#[tokio::test]
async fn a_caller_found_by_a_lookup_is_recorded_too() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let auth = AuthLayer::new(store).with_span_fields();
    let span = span_of(auth, declares_all, bearer(KEY)).await;
    assert_eq!(span["credential_id"], "testkey");
}

#[tokio::test]
async fn nothing_is_recorded_by_default_or_for_a_refused_request() {
    let bare = serde_json::json!({ "name": "request" });
    let off = AuthLayer::new(memory());
    assert_eq!(span_of(off, declares_all, bearer(KEY)).await, bare);
    let auth = || AuthLayer::new(memory()).with_span_fields();
    for request in [request(), bearer("ak_testkey.test-wrong")] {
        assert_eq!(span_of(auth(), declares_all, request).await, bare);
    }
}
