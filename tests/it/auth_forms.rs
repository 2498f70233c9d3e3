//! The form of refusals and its settings: texts, body key, realm, responders, prefixes, headers,
//! gRPC and gRPC-Web.

use crate::support;
use tower_api_key::{
    AuthLayer, Messages, Reason, Rejection,
    credential::TokenFormat,
    rejection::ProblemResponder,
    secret::Digest,
    store::{ManageStore, MemoryStore, Record},
};

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};
use support::{
    Answer, KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, ask, bearer, bearer_in, grpc_call, memory,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn each_reason_returns_its_replaced_text() {
    let mut messages = Messages::default();
    messages.missing_credential = "test missing".into();
    messages.unrecognized_token = "test unrecognized".into();
    messages.invalid_token = "test \"invalid\"".into();
    messages.missing_organization = "test organization".into();
    messages.organization_denied = "test denied".into();
    messages.exposed_credential = "test exposed".into();
    messages.unavailable = "test unavailable".into();
    let down = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails))
        .with_messages(messages.clone());
    let up = auth().with_messages(messages).with_browser_guard(|_| {});
    for (request, text) in [
        (request(), "test missing"),
        (bearer("x"), "test unrecognized"),
        (bearer("pat_"), "test \"invalid\""),
        (bearer(TOKEN), "test organization"),
        (bearer_in(KEY, OTHER_ORG), "test denied"),
        (with(bearer(KEY), "origin", "null"), "test exposed"),
    ] {
        assert_eq!(body(&ask(&up, request).await), json!({ "detail": text }));
    }
    assert_eq!(
        body(&ask(&down, bearer(KEY)).await),
        json!({ "detail": "test unavailable" })
    );
}

#[tokio::test]
async fn the_body_key_is_configurable() {
    for key in ["error", "a \"quoted\" key"] {
        let answer = ask(&auth().with_body_key(key), request()).await;
        assert_eq!(body(&answer), json!({ key: "Missing Bearer token" }));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn the_order_of_settings_does_not_matter() {
    let messages = || {
        let mut messages = Messages::default();
        messages.missing_credential = "test".into();
        messages
    };
    let one = auth()
        .with_body_key("error")
        .with_realm("r")
        .unwrap()
        .with_messages(messages());
    let other = auth()
        .with_messages(messages())
        .with_realm("r")
        .unwrap()
        .with_body_key("error");
    let (one, other) = (ask(&one, request()).await, ask(&other, request()).await);
    assert_eq!(one.wire(), other.wire());
    assert_eq!(one.header("www-authenticate"), Some(r#"Bearer realm="r""#));
    assert_eq!(one.body, r#"{"error":"test"}"#);
}

#[tokio::test]
async fn a_realm_cannot_close_its_quotes() {
    let auth = auth().with_realm(r#"a", error="x\"#).unwrap();
    let answer = ask(&auth, request()).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="a\", error=\"x\\""#)
    );
    for realm in ["a\r\nset-cookie: x", "a\0", "a\u{7f}", "a\u{85}"] {
        assert!(self::auth().with_realm(realm).is_err(), "{realm:?}");
    }
}

#[tokio::test]
async fn custom_prefixes_replace_the_default_ones() {
    let format = TokenFormat::default()
        .with_prefixes("sk_live_", "pt-")
        .unwrap();
    let store = memory();
    store
        .insert(Record::org_key(
            "a",
            Digest::of(b"sk_live_a.test-secret"),
            ORG,
        ))
        .await
        .unwrap();
    store
        .insert(Record::personal_token(
            "b",
            Digest::of(b"pt-test-token"),
            support::USER,
        ))
        .await
        .unwrap();
    let auth = AuthLayer::new(store).with_token_format(format);
    for (token, cause) in [
        ("sk_live_a.test-secret", "accepted"),
        ("pt-test-token", "accepted"),
        ("sk_live_a.test-wrong", "wrong_secret"),
        (KEY, "unknown_prefix"),
        (TOKEN, "unknown_prefix"),
    ] {
        assert_eq!(
            ask(&auth, bearer_in(token, ORG)).await.cause(),
            cause,
            "{token}"
        );
    }
}

#[tokio::test]
async fn only_the_default_text_names_the_configured_prefixes() {
    let format = |org_key, token| {
        let format = TokenFormat::default().with_prefixes(org_key, token);
        format.unwrap()
    };
    let default = Messages::default;
    let custom = || {
        let mut messages = Messages::default();
        messages.unrecognized_token = "test, not pat_ or ak_".into();
        messages
    };
    let named = |token: &str, key: &str| {
        format!(
            "Unrecognized token format. Expected a personal access token ({token}...) or \
             organization API key ({key}...)."
        )
    };
    let auth = || grpc_auth().with_token_format(format("sk_live_", "pt-"));
    for (name, auth, text) in [
        ("the default", grpc_auth(), named("pat_", "ak_")),
        ("others", auth(), named("pt-", "sk_live_")),
        (
            "texts after",
            auth().with_messages(default()),
            named("pt-", "sk_live_"),
        ),
        (
            "texts before",
            grpc_auth()
                .with_messages(default())
                .with_token_format(format("sk_live_", "pt-")),
            named("pt-", "sk_live_"),
        ),
        (
            "twice",
            auth().with_token_format(format("a_", "b_")),
            named("b_", "a_"),
        ),
        (
            "swapped",
            auth().with_token_format(format("pat_", "ak_")),
            named("ak_", "pat_"),
        ),
        (
            "back",
            auth().with_token_format(TokenFormat::default()),
            named("pat_", "ak_"),
        ),
        (
            "a custom text",
            auth().with_messages(custom()),
            custom().unrecognized_token.into(),
        ),
        (
            "a custom text set first",
            grpc_auth()
                .with_messages(custom())
                .with_token_format(format("a_", "b_")),
            custom().unrecognized_token.into(),
        ),
    ] {
        let http = ask(&auth, bearer("x")).await;
        assert_eq!(body(&http), json!({ "detail": text }), "{name}");
        let grpc = ask(&auth, grpc_call(bearer("x"), "application/grpc")).await;
        assert_eq!(grpc.header("grpc-message"), Some(&*text), "{name}");
    }
}

#[tokio::test]
async fn a_custom_organization_header_replaces_the_default_one() {
    let auth = auth().with_organization_header("x-tenant".parse().unwrap());
    for (token, header, organization, cause) in [
        (TOKEN, "X-Tenant", ORG, "accepted"),
        (TOKEN, ORG_HEADER, ORG, "no_organization"),
        (KEY, "x-tenant", OTHER_ORG, "other_organization"),
        (KEY, ORG_HEADER, OTHER_ORG, "accepted"),
    ] {
        let answer = ask(&auth, with(bearer(token), header, organization)).await;
        assert_eq!(answer.cause(), cause, "{token}, {header}");
    }
}

#[tokio::test]
async fn a_token_over_the_length_limit_is_refused_without_a_lookup() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let auth = AuthLayer::new(Arc::clone(&store))
        .with_token_format(TokenFormat::default().with_max_len(55).unwrap());
    for (length, cause, calls) in [(56, "token_too_long", 0), (55, "unknown_credential", 1)] {
        assert_eq!(
            ask(&auth, bearer(format!("pat_{}", "A".repeat(length - 4))))
                .await
                .cause(),
            cause
        );
        assert_eq!(store.calls(), calls);
    }
}

#[tokio::test]
async fn a_custom_responder_cannot_omit_the_status_or_mandatory_headers() {
    let page = |rejection: &Rejection| Response::new(format!("<h1>{rejection}</h1>"));
    let missing = ask(&auth().with_responder(page), request()).await;
    assert_eq!(
        (missing.status, &*missing.body),
        (401, "<h1>Missing Bearer token</h1>"),
        "its status 200 is replaced"
    );
    assert_eq!(
        missing.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
    assert_eq!(missing.header("cache-control"), Some("no-store"));
    assert_eq!(missing.header("retry-after"), None);
    let down = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails)).with_responder(page);
    let down = ask(&down, bearer(KEY)).await;
    assert_eq!(
        (
            down.status,
            down.header("retry-after"),
            down.header("www-authenticate")
        ),
        (503, Some("1"), None)
    );
    for status in [
        StatusCode::NO_CONTENT,
        StatusCode::FOUND,
        StatusCode::CONTINUE,
    ] {
        let evasive = move |_: &Rejection| {
            Response::builder()
                .status(status)
                .body(String::new())
                .unwrap()
        };
        assert_eq!(
            ask(&auth().with_responder(evasive), request()).await.status,
            401,
            "instead of {status}"
        );
    }
}

#[tokio::test]
async fn a_custom_responder_can_choose_its_status_headers_and_body() {
    let custom = |rejection: &Rejection| {
        let response = Response::builder()
            .status(404)
            .header("www-authenticate", "Bearer")
            .header("x-custom", "1");
        response.body(rejection.reason().code().to_owned()).unwrap()
    };
    let answer = ask(&auth().with_responder(custom), bearer("x")).await;
    assert_eq!((answer.status, &*answer.body), (404, "unrecognized_token"));
    assert_eq!(
        (answer.header("www-authenticate"), answer.header("x-custom")),
        (Some("Bearer"), Some("1"))
    );
    assert_eq!(
        answer.reason(),
        Some(Reason::UnrecognizedToken),
        "the typed rejection is still present"
    );
}

#[tokio::test]
async fn problem_documents_follow_rfc_9457() {
    let auth = auth().with_responder(ProblemResponder::new());
    for (request, status, title, detail, code) in [
        (
            request(),
            401,
            "Unauthorized",
            "Missing Bearer token",
            "missing_credential",
        ),
        (
            bearer("pat_"),
            401,
            "Unauthorized",
            "Invalid or expired token",
            "invalid_token",
        ),
        (
            bearer_in(KEY, OTHER_ORG),
            403,
            "Forbidden",
            "Token does not grant access to this organization",
            "organization_denied",
        ),
    ] {
        let answer = ask(&auth, request).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json"))
        );
        let wanted = json!({
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
        });
        assert_eq!(body(&answer), wanted);
        assert!(answer.header("www-authenticate").is_some(), "{code}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{code}");
    }
}

/// A layer for services that speak gRPC.
fn grpc_auth() -> AuthLayer<MemoryStore> {
    auth().with_grpc()
}

#[tokio::test]
async fn grpc_refusals_are_trailers_only_with_any_responder() {
    let down = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails)).with_grpc();
    for (name, answer, status) in [
        (
            "no credential",
            ask(&grpc_auth(), grpc_call(request(), "application/grpc")).await,
            "16",
        ),
        (
            "bad",
            ask(
                &grpc_auth(),
                grpc_call(bearer("x"), "application/grpc+proto"),
            )
            .await,
            "16",
        ),
        (
            "no organization",
            ask(
                &grpc_auth(),
                grpc_call(bearer(TOKEN), "application/grpc;q=1"),
            )
            .await,
            "16",
        ),
        (
            "denied",
            ask(
                &grpc_auth(),
                grpc_call(bearer_in(KEY, OTHER_ORG), "application/grpc"),
            )
            .await,
            "7",
        ),
        (
            "outage",
            ask(&down, grpc_call(bearer(KEY), "application/grpc")).await,
            "14",
        ),
        (
            "problem",
            ask(
                &grpc_auth().with_responder(ProblemResponder::new()),
                grpc_call(request(), "application/grpc"),
            )
            .await,
            "16",
        ),
    ] {
        assert_eq!((answer.status, &*answer.body), (200, ""), "{name}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/grpc"),
            "{name}"
        );
        assert_eq!(answer.header("grpc-status"), Some(status), "{name}");
        assert_eq!(
            answer.header("grpc-message"),
            answer.rejection.as_ref().map(Rejection::detail),
            "{name}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(answer.headers.len(), 4, "{name}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn grpc_web_refusals_use_the_callers_content_type() {
    for (sent, returned) in [
        ("application/grpc-web", "application/grpc-web"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text"),
        (
            "application/grpc-web-text+proto; charset=utf-8",
            "application/grpc-web-text+proto",
        ),
    ] {
        let answer = ask(&grpc_auth(), grpc_call(bearer("x"), sent)).await;
        assert_eq!((answer.status, &*answer.body), (200, ""), "{sent}");
        assert_eq!(answer.header("content-type"), Some(returned), "{sent}");
        assert_eq!(answer.header("grpc-status"), Some("16"), "{sent}");
    }
    for sent in [
        "application/json",
        "application/grpcx",
        "application/grpc-webx",
        "text/plain; application/grpc",
        "",
    ] {
        assert_eq!(
            ask(&grpc_auth(), grpc_call(bearer("x"), sent)).await.status,
            401,
            "{sent}"
        );
    }
}

#[tokio::test]
async fn a_grpc_message_is_percent_encoded() {
    let mut messages = Messages::default();
    messages.missing_credential = "50 % é\r\n~ \"x\"".into();
    let answer = ask(
        &grpc_auth().with_messages(messages),
        grpc_call(request(), "application/grpc"),
    )
    .await;
    assert_eq!(
        answer.header("grpc-message"),
        Some("50 %25 %C3%A9%0D%0A~ \"x\"")
    );
}
