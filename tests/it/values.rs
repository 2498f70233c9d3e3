//! The values that handlers, responders and logs read: what a [`Principal`] and a [`Rejection`]
//! return, and the `Debug` output of both and of the layers.

use crate::support;

use std::{error::Error as _, time::Duration};

use support::{
    Inner, KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, memory, pat, request,
};
use tower::{Layer as _, Service as _};
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, Rejection, RequireDescendantLayer, RequireOrganizationLayer,
    clock::UnixMillis, credential::Kind, id::check_organization_id,
};

#[tokio::test]
async fn a_principal_returns_whether_any_of_several_scopes_is_held() {
    let answer = ask(&AuthLayer::new(memory()), bearer_in(TOKEN, OTHER_ORG)).await;
    let viewer = answer.principal().unwrap();
    assert!(viewer.has_any(["agents:read"]));
    assert!(viewer.has_any(["agents:manage", "agents:read"]));
    assert!(!viewer.has_any(["agents:manage", "billing:manage"]));
    assert!(!viewer.has_any([]));
}

#[test]
fn an_invalid_id_names_itself_and_a_moment_has_a_unit() {
    let invalid = check_organization_id("org 1").unwrap_err();
    assert_eq!(invalid.id(), "org 1");
    assert_eq!(UnixMillis(1_500).to_string(), "1500 ms");
}

#[cfg(feature = "testing")]
#[test]
fn a_manual_clock_moves_by_whole_milliseconds() {
    use tower_api_key::{clock::Clock as _, testing::ManualClock};

    let clock = ManualClock::at(UnixMillis(1_000));
    clock.advance(Duration::from_micros(1_999));
    assert_eq!(clock.now(), UnixMillis(1_001));
}

#[cfg(feature = "axum")]
#[test]
fn only_an_outage_of_management_asks_to_retry() {
    use axum::response::IntoResponse as _;
    use tower_api_key::{manage::ManageError, store::StoreError};

    let outage = ManageError::from(StoreError::unavailable("test"));
    for (error, status, retry) in [(outage, 503, Some("1")), (ManageError::Busy, 409, None)] {
        let response = error.into_response();
        let after = response.headers().get("retry-after");
        assert_eq!(after.map(|value| value.to_str().unwrap()), retry);
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_rejection_returns_whose_credential_was_refused() {
    let auth = AuthLayer::new(memory());
    let key = Some(Kind::OrgKey);
    let token = Some(Kind::PersonalToken);
    for (name, request, kind, id, organization, user) in [
        ("none", request(), None, None, None, None),
        ("malformed", bearer("ak_id"), None, None, None, None),
        ("unknown", bearer("ak_unknown.x"), key, None, None, None),
        (
            "a wrong secret",
            bearer("ak_testkey.x"),
            key,
            Some("testkey"),
            Some(ORG),
            None,
        ),
        (
            "expired",
            bearer_in(pat("expired"), ORG),
            token,
            Some("expired"),
            Some(ORG),
            Some(USER),
        ),
    ] {
        let rejection = ask(&auth, request).await.rejection.unwrap();
        assert_eq!(rejection.kind(), kind, "{name}");
        assert_eq!(rejection.credential_id(), id, "{name}");
        assert_eq!(rejection.organization(), organization, "{name}");
        assert_eq!(rejection.user(), user, "{name}");
    }
}

#[tokio::test]
async fn a_rejection_is_an_error_whose_source_is_the_cause() {
    let auth = AuthLayer::new(memory());
    let rejection: Rejection = ask(&auth, bearer("ak_testkey.x")).await.rejection.unwrap();
    assert_eq!(rejection.to_string(), "Invalid or expired token");
    let source = rejection.source().unwrap();
    assert_eq!(source.to_string(), rejection.cause().to_string());
    let shown = format!("{rejection:?}");
    for part in [
        "Rejection",
        "InvalidToken",
        "WrongSecret",
        r#"Some("testkey")"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test]
async fn debug_output_of_a_principal_shows_whose_it_is() {
    let answer = ask(&AuthLayer::new(memory()), bearer_in(TOKEN, OTHER_ORG)).await;
    let shown = format!("{:?}", answer.principal().unwrap());
    for part in [
        "Principal",
        "PersonalToken",
        OTHER_ORG,
        USER,
        "viewer",
        "agents:read",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn debug_output_of_a_layer_shows_its_settings() {
    let auth = AuthLayer::new(memory())
        .optional()
        .with_deadline(Duration::from_secs(7))
        .with_browser_guard(|_| {});
    let below = RequireDescendantLayer::new(memory(), |_| None)
        .with_deadline(Duration::from_secs(9))
        .observed();
    let settings = [
        "Policy",
        "deadline: 7s",
        "optional: true",
        "browser_guard: Some(BrowserGuard(..))",
    ];
    for (name, shown, parts) in [
        ("AuthLayer", format!("{auth:?}"), &settings[..]),
        (
            "AuthService",
            format!("{:?}", auth.layer(Inner::default())),
            &[&settings[..], &["Inner"]].concat(),
        ),
        (
            "RequireDescendantLayer",
            format!("{below:?}"),
            &[
                "child_organizations:manage",
                "deadline: 9s",
                "observed: true",
            ],
        ),
        (
            "RequireOrganizationLayer",
            format!("{:?}", RequireOrganizationLayer::new().observed()),
            &["observed: true"],
        ),
    ] {
        assert!(shown.starts_with(name), "{name}: {shown}");
        for part in parts {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn debug_output_of_the_layer_for_every_route_names_its_types() {
    let every = EveryRouteDecidesLayer::new();
    let mut service = every.layer(Inner::default());
    assert_eq!(format!("{every:?}"), "EveryRouteDecidesLayer");
    let shown = format!("{service:?}");
    assert!(
        shown.starts_with("EveryRouteDecides") && shown.contains("Inner"),
        "{shown}"
    );
    let future = service.call(bearer(KEY));
    assert_eq!(format!("{future:?}"), "EveryRouteDecidesFuture { .. }");
}

#[tokio::test]
async fn debug_output_of_a_response_says_what_it_waits_for() {
    let service = AuthLayer::new(memory()).layer(Inner::default());
    for (request, state) in [(bearer(KEY), "Forwarded"), (request(), "Answered")] {
        let response = service.clone().call(request);
        let shown = format!("{response:?}");
        assert_eq!(shown, format!("ResponseFuture {{ state: {state:?}, .. }}"));
    }
}
