//! Fixed bugs, each with a test.

use crate::support;

use http::{Response, StatusCode, header::AUTHORIZATION};
use support::{
    KEY, ask, bearer, memory,
    remote_store::{Behaviour, RemoteStore},
    with,
};
use tower_api_key::{
    AuthLayer, PublicLayer, Reason, Rejection,
    secret::Digest,
    store::{Lookup, LookupKey},
};

#[tokio::test]
async fn an_ignored_credential_is_marked_sensitive_too() {
    let reached = ask(&PublicLayer::new(), bearer(KEY)).await.reached.unwrap();
    assert!(reached.headers[AUTHORIZATION].is_sensitive(), "public");
}

#[tokio::test]
async fn a_responder_cannot_turn_an_outage_into_a_4xx_or_a_refusal_into_a_5xx() {
    let responding_with = |status: StatusCode| {
        move |_: &Rejection| {
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            response
        }
    };
    let down = || RemoteStore::new(memory(), Behaviour::Fails);
    for (sent, kept) in [(401, 503), (200, 503), (302, 503), (500, 500), (504, 504)] {
        let auth = AuthLayer::new(down())
            .with_responder(responding_with(StatusCode::from_u16(sent).unwrap()));
        assert_eq!(
            ask(&auth, bearer(KEY)).await.status,
            kept,
            "an outage as {sent}"
        );
    }
    for (sent, kept) in [(500, 401), (200, 401), (404, 404), (403, 403)] {
        let auth = AuthLayer::new(memory())
            .with_responder(responding_with(StatusCode::from_u16(sent).unwrap()));
        assert_eq!(
            ask(&auth, bearer("x")).await.status,
            kept,
            "a bad credential as {sent}"
        );
    }
}

#[tokio::test]
async fn a_panicking_browser_report_still_refuses() {
    let auth = AuthLayer::new(memory()).with_browser_guard(|_| panic!("the report panics"));
    let answer = ask(&auth, with(bearer(KEY), "origin", "https://a.test")).await;
    assert_eq!(
        (answer.reason(), answer.reached.is_none()),
        (Some(Reason::ExposedCredential), true)
    );
}

#[test]
fn debug_output_of_a_lookup_contains_no_credential() {
    let digest = Digest::of(b"pat_test-token");
    let key = Lookup::new(
        LookupKey::OrgKey {
            id: "test-secret-in-the-wrong-place",
        },
        None,
    );
    let token = Lookup::new(
        LookupKey::PersonalToken { digest: &digest },
        Some("test-secret-in-the-wrong-place"),
    );
    for lookup in [key, token] {
        let shown = format!("{lookup:?} {:?}", lookup.key());
        assert!(!shown.contains("wrong-place"), "{shown}");
    }
}
