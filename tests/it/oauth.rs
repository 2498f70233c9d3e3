//! What OAuth clients read: further parameters of the challenge, and the metadata of the resource.

use crate::support;

use support::{
    KEY, OTHER_ORG, TOKEN, ask, bearer, bearer_in, grpc_call, key, memory,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::ServiceBuilder;
#[cfg(feature = "axum")]
use tower_api_key::oauth::ProtectedResourceMetadata;
use tower_api_key::{AuthLayer, ConfigError, Messages, RequireScopesLayer, store::MemoryStore};

const URL: &str = "https://api.test/.well-known/oauth-protected-resource/mcp";

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

/// The challenges of one refusal of each kind that has one, without and with an error.
async fn challenges(auth: &AuthLayer<MemoryStore>) -> Vec<String> {
    let mut found = Vec::new();
    for request in [
        request(),
        bearer(TOKEN),
        bearer("x"),
        bearer("ak_testkey.test-wrong"),
        bearer_in(KEY, OTHER_ORG),
    ] {
        let answer = ask(auth, request).await;
        found.push(answer.header("www-authenticate").unwrap().to_owned());
    }
    let scopes = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    let both = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(scopes.with_responses_of(auth));
    let answer = ask(&both, bearer(KEY)).await;
    found.push(answer.header("www-authenticate").unwrap().to_owned());
    found
}

#[tokio::test]
async fn every_challenge_names_the_metadata_if_it_is_set() {
    let common = format!(r#"Bearer realm="api", resource_metadata="{URL}""#);
    let invalid = format!(r#"{common}, error="invalid_token""#);
    let insufficient = format!(r#"{common}, error="insufficient_scope""#);
    let scope = format!(r#"{insufficient}, scope="unheld:scope""#);
    let wanted = [
        common.clone(),
        common,
        invalid.clone(),
        invalid,
        insufficient,
        scope,
    ];
    let auth = auth().with_resource_metadata(URL).unwrap();
    assert_eq!(challenges(&auth).await, wanted);
}

#[tokio::test]
async fn an_error_is_described_by_the_public_text_and_only_beside_an_error() {
    let found = challenges(&auth().with_error_description()).await;
    let wanted = [
        r#"Bearer realm="api""#,
        r#"Bearer realm="api""#,
        concat!(
            r#"Bearer realm="api", error="invalid_token", error_description="Unrecognized token "#,
            r#"format. Expected a personal access token (pat_...) or organization API key "#,
            r#"(ak_...).""#
        ),
        r#"Bearer realm="api", error="invalid_token", error_description="Invalid or expired token""#,
        concat!(
            r#"Bearer realm="api", error="insufficient_scope", "#,
            r#"error_description="Token does not grant access to this organization""#
        ),
        concat!(
            r#"Bearer realm="api", error="insufficient_scope", "#,
            r#"error_description="Token does not grant access to this action", "#,
            r#"scope="unheld:scope""#
        ),
    ];
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_description_does_not_depend_on_the_cause() {
    let auth = auth().with_error_description();
    let unknown = ask(&auth, bearer("ak_unknown.test-secret")).await;
    for id in ["deleted", "expired", "disabled", "orphan"] {
        let refused = ask(&auth, bearer(key(id))).await;
        assert_eq!(refused.wire(), unknown.wire(), "{id}");
    }
}

#[tokio::test]
async fn the_order_of_the_parameters_settings_does_not_matter() {
    let mut messages = Messages::default();
    messages.invalid_token = "test text".into();
    let one = auth()
        .with_error_description()
        .with_resource_metadata(URL)
        .and_then(|auth| auth.with_realm("r"))
        .unwrap()
        .with_messages(messages.clone());
    let other = auth()
        .with_messages(messages)
        .with_realm("r")
        .and_then(|auth| auth.with_resource_metadata(URL))
        .unwrap()
        .with_error_description()
        .with_body_key("detail");
    let found = challenges(&one).await;
    assert_eq!(found, challenges(&other).await);
    assert_eq!(
        found[3],
        format!(
            r#"Bearer realm="r", resource_metadata="{URL}", error="invalid_token", error_description="test text""#
        )
    );
}

#[tokio::test]
async fn a_text_that_cannot_be_a_description_is_left_out() {
    for text in ["a \"quoted\" text", "a\\b", "ungültig", "a\tb", ""] {
        let mut messages = Messages::default();
        messages.invalid_token = text.into();
        let auth = auth().with_messages(messages).with_error_description();
        let refused = ask(&auth, bearer("pat_x")).await;
        assert_eq!(
            refused.header("www-authenticate"),
            Some(r#"Bearer realm="api", error="invalid_token""#),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn refusals_without_a_challenge_stay_without_one() {
    let set = |auth: AuthLayer<_>| {
        let auth = auth.with_resource_metadata(URL).unwrap();
        auth.with_error_description()
    };
    let down = RemoteStore::new(memory(), Behaviour::Fails);
    let outage = ask(&set(AuthLayer::new(down)), bearer(KEY)).await;
    let up = auth()
        .with_resource_metadata(URL)
        .unwrap()
        .with_browser_guard(|_| {});
    let exposed = ask(&up, with(bearer(KEY), "origin", "null")).await;
    let call = ask(&up.with_grpc(), grpc_call(request(), "application/grpc")).await;
    for (status, answer) in [(503, outage), (403, exposed), (200, call)] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("www-authenticate"), None, "{status}");
    }
}

#[test]
fn an_address_that_is_not_an_https_url_is_an_error() {
    for url in ["/relative", "http://api.test/", "https://api.test/\r\nx: y"] {
        let error = auth().with_resource_metadata(url).err();
        assert_eq!(error, Some(ConfigError::InvalidUrl(url.into())));
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_document_is_served_on_a_public_route_where_the_challenge_points() {
    use axum::{Router, routing::get};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use tower_api_key::{EveryRouteDecidesLayer, PublicLayer};

    let metadata = ProtectedResourceMetadata::new("https://api.test/mcp")
        .and_then(|it| it.with_authorization_server("https://login.test"))
        .unwrap();
    assert_eq!(metadata.url(), URL);
    let public = Router::new()
        .route(&metadata.path(), get(metadata))
        .layer(PublicLayer::new());
    let app = public.layer(EveryRouteDecidesLayer::new());
    let path = URL.strip_prefix("https://api.test").unwrap();
    let request = http::Request::get(path).body(axum::body::Body::empty());
    let response = app.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        body,
        concat!(
            r#"{"resource":"https://api.test/mcp","authorization_servers":["https://login.test"],"#,
            r#""bearer_methods_supported":["header"]}"#
        )
    );
}
