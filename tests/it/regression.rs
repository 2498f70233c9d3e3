//! What was wrong once, each with a test.

use crate::support;

use http::{Response, StatusCode, header::AUTHORIZATION};
use support::{
    KEY, ask, bearer,
    distant::{Distant, Mood},
    memory, with,
};
use tower_api_key::{
    AuthLayer, PublicLayer, Reason, Rejection,
    secret::Digest,
    store::{Lookup, LookupKey},
};

#[tokio::test]
async fn a_credential_that_nobody_looks_at_is_marked_as_sensitive_too() {
    let reached = ask(&PublicLayer::new(), bearer(KEY)).await.reached.unwrap();
    assert!(reached.headers[AUTHORIZATION].is_sensitive(), "public");
}

#[tokio::test]
async fn a_responder_cannot_blame_the_client_for_an_outage_nor_the_service_for_a_bad_credential() {
    let saying = |status: StatusCode| {
        move |_: &Rejection| {
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            response
        }
    };
    let down = || Distant::new(memory(), Mood::Fails);
    for (said, kept) in [(401, 503), (200, 503), (302, 503), (500, 500), (504, 504)] {
        let auth =
            AuthLayer::new(down()).with_responder(saying(StatusCode::from_u16(said).unwrap()));
        assert_eq!(
            ask(&auth, bearer(KEY)).await.status,
            kept,
            "an outage as {said}"
        );
    }
    for (said, kept) in [(500, 401), (200, 401), (404, 404), (403, 403)] {
        let auth =
            AuthLayer::new(memory()).with_responder(saying(StatusCode::from_u16(said).unwrap()));
        assert_eq!(
            ask(&auth, bearer("x")).await.status,
            kept,
            "a bad credential as {said}"
        );
    }
}

#[tokio::test]
async fn a_report_that_panics_does_not_let_the_credential_through() {
    let auth = AuthLayer::new(memory()).with_browser_guard(|_| panic!("the report panics"));
    let answer = ask(&auth, with(bearer(KEY), "origin", "https://a.test")).await;
    assert_eq!(
        (answer.reason(), answer.reached.is_none()),
        (Some(Reason::ExposedCredential), true)
    );
}

#[test]
fn a_logged_lookup_shows_nothing_that_was_presented() {
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
