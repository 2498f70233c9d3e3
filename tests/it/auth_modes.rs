//! The other modes of the layer: optional, user-scoped, public, preflights, the browser guard; and
//! whose principal a request carries.

use crate::support;

use std::sync::{Arc, Mutex};

use http::{Extensions, Request, header::AUTHORIZATION};
use support::{
    KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, USER, ask, authorization, bearer, bearer_in, key,
    memory, pat,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower_api_key::{
    AuthLayer, ExposedCredential, Principal, PublicLayer, Reason, credential::Kind,
};

#[tokio::test]
async fn an_optional_route_is_anonymous_only_without_a_credential() {
    let auth = AuthLayer::new(memory()).optional();
    for (name, request, cause) in [
        ("nothing", request(), "accepted"),
        (
            "only an organization",
            with(request(), ORG_HEADER, ORG),
            "accepted",
        ),
        ("Basic", authorization("Basic x"), "other_scheme"),
        ("an empty header", authorization(""), "other_scheme"),
        ("only a scheme", authorization("Bearer"), "empty_bearer"),
        (
            "two keys",
            with(bearer(KEY), "authorization", "Bearer x"),
            "several_credentials",
        ),
        ("another prefix", bearer("x"), "unknown_prefix"),
        (
            "an unknown key",
            bearer(key("unknown")),
            "unknown_credential",
        ),
        ("a deleted key", bearer(key("deleted")), "deleted"),
        (
            "a token without organization",
            bearer(TOKEN),
            "no_organization",
        ),
        (
            "a key in another organization",
            bearer_in(KEY, OTHER_ORG),
            "other_organization",
        ),
    ] {
        let answer = ask(&auth, request).await;
        assert_eq!(answer.cause(), cause, "{name}");
        assert!(answer.principal().is_none(), "{name}");
    }
    assert_eq!(
        ask(&auth, bearer(KEY))
            .await
            .principal()
            .map(Principal::credential_id),
        Some("testkey")
    );
}

#[tokio::test]
async fn an_optional_route_still_reports_outages() {
    let store = RemoteStore::new(memory(), Behaviour::Fails);
    let auth = AuthLayer::new(Arc::clone(&store)).optional();
    assert_eq!(ask(&auth, bearer(KEY)).await.status, 503);
    assert_eq!(
        (ask(&auth, request()).await.status, store.calls()),
        (200, 1),
        "an anonymous request needs no store"
    );
}

#[tokio::test]
async fn a_user_scoped_route_accepts_only_users_and_ignores_the_organization() {
    let store = memory();
    let waiting = AuthLayer::new(RemoteStore::new(store.clone(), Behaviour::Answers)).user_scoped();
    let at_once = AuthLayer::new(store).user_scoped();
    for (name, request, cause) in [
        ("a token", bearer(TOKEN), "accepted"),
        (
            "an organization of its owner",
            bearer_in(TOKEN, ORG),
            "accepted",
        ),
        (
            "an organization without membership",
            bearer_in(TOKEN, "org_unknown"),
            "accepted",
        ),
        (
            "a malformed organization",
            bearer_in(TOKEN, "a b"),
            "accepted",
        ),
        (
            "two organizations",
            with(bearer_in(TOKEN, ORG), ORG_HEADER, OTHER_ORG),
            "accepted",
        ),
        ("a key", bearer(KEY), "key_on_user_route"),
        (
            "a key with its organization",
            bearer_in(KEY, ORG),
            "key_on_user_route",
        ),
        (
            "an unknown token",
            bearer(pat("unknown")),
            "unknown_credential",
        ),
        (
            "a wrong secret",
            bearer("ak_testkey.test-wrong"),
            "wrong_secret",
        ),
        ("nothing", request(), "no_credential"),
    ] {
        for answer in [
            ask(&at_once, request.clone()).await,
            ask(&waiting, request).await,
        ] {
            assert_eq!(answer.cause(), cause, "{name}");
            if cause == "accepted" {
                let principal = answer.principal().expect(name);
                assert_eq!(
                    (principal.user(), principal.organization(), principal.role()),
                    (Some(USER), None, None)
                );
                assert!(
                    principal.scopes().is_empty(),
                    "{name}: the rights of a user belong to an organization"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_public_route_ignores_credentials() {
    for request in [
        request(),
        bearer(KEY),
        bearer("x"),
        authorization(""),
        with(bearer(KEY), "authorization", "x"),
    ] {
        let sent = request.headers().clone();
        let answer = ask(&PublicLayer::new(), request).await;
        assert_eq!(answer.status, 200);
        assert!(answer.principal().is_none());
        assert_eq!(answer.reached.unwrap().headers, sent);
    }
}

fn marked(options: bool, origin: bool, asks: bool) -> Request<String> {
    let mut request = bearer("ak_testkey.test-wrong");
    if options {
        *request.method_mut() = http::Method::OPTIONS;
    }
    if origin {
        request = with(request, "origin", "https://page.test");
    }
    if asks {
        request = with(request, "access-control-request-method", "POST");
    }
    request
}

#[tokio::test]
async fn a_preflight_needs_all_three_marks_and_must_be_enabled() {
    let store = RemoteStore::new(memory(), Behaviour::Fails);
    let strict = AuthLayer::new(memory());
    for combination in 0..8 {
        let request = || {
            marked(
                combination & 1 != 0,
                combination & 2 != 0,
                combination & 4 != 0,
            )
        };
        let passes = AuthLayer::new(Arc::clone(&store)).with_preflight_pass();
        let before = store.calls();
        let answer = ask(&passes, request()).await;
        let (status, lookups) = if combination == 7 { (200, 0) } else { (503, 1) };
        assert_eq!(
            (answer.status, store.calls() - before),
            (status, lookups),
            "{combination:03b}"
        );
        assert!(answer.reached.is_none(), "{combination:03b}");
        assert_eq!(
            ask(&strict, request()).await.status,
            401,
            "{combination:03b}"
        );
    }
}

/// A layer with the browser guard, and its reports.
fn guarded() -> (
    AuthLayer<tower_api_key::store::MemoryStore>,
    Arc<Mutex<Vec<ExposedCredential>>>,
) {
    let reports = Arc::<Mutex<Vec<_>>>::default();
    let sink = Arc::clone(&reports);
    (
        AuthLayer::new(memory())
            .with_browser_guard(move |exposed| sink.lock().unwrap().push(exposed)),
        reports,
    )
}

#[tokio::test]
async fn a_valid_credential_from_a_browser_is_refused_and_reported_by_id() {
    let (auth, reports) = guarded();
    let origin = Some("https://page.test");
    for (name, request, kind, id, origin) in [
        (
            "Origin",
            with(bearer(KEY), "origin", "https://page.test"),
            Kind::OrgKey,
            "testkey",
            origin,
        ),
        (
            "Origin: null",
            with(bearer(KEY), "origin", "null"),
            Kind::OrgKey,
            "testkey",
            Some("null"),
        ),
        (
            "an origin that is not text",
            with(bearer(KEY), "origin", b"\xff"),
            Kind::OrgKey,
            "testkey",
            None,
        ),
        (
            "cors",
            with(bearer(KEY), "sec-fetch-mode", "cors"),
            Kind::OrgKey,
            "testkey",
            None,
        ),
        (
            "no-cors",
            with(bearer(KEY), "sec-fetch-mode", "no-cors"),
            Kind::OrgKey,
            "testkey",
            None,
        ),
        (
            "navigate",
            with(bearer_in(TOKEN, ORG), "sec-fetch-mode", "navigate"),
            Kind::PersonalToken,
            "token",
            None,
        ),
        (
            "a token without organization",
            with(bearer(TOKEN), "origin", "null"),
            Kind::PersonalToken,
            "token",
            Some("null"),
        ),
    ] {
        let answer = ask(&auth, request).await;
        assert_eq!(
            (answer.status, answer.reason()),
            (403, Some(Reason::ExposedCredential)),
            "{name}"
        );
        let reported = reports.lock().unwrap().pop().expect(name);
        assert_eq!(
            (
                reported.kind,
                &*reported.credential_id,
                reported.origin.as_deref()
            ),
            (kind, id, origin),
            "{name}"
        );
        assert!(reports.lock().unwrap().is_empty(), "{name}: reported once");
    }
}

#[tokio::test]
async fn an_invalid_credential_from_a_browser_is_not_reported() {
    let (auth, reports) = guarded();
    for token in [
        "ak_testkey.test-wrong",
        "ak_unknown.test-secret",
        "ak_deleted.test-secret",
        "ak_expired.test-secret",
        "x",
    ] {
        let (plain, browser) = (
            bearer(token),
            with(bearer(token), "origin", "https://page.test"),
        );
        let (plain, browser) = (ask(&auth, plain).await, ask(&auth, browser).await);
        assert_eq!(
            (browser.status, browser.wire()),
            (401, plain.wire()),
            "{token}"
        );
    }
    assert!(reports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_browser_guard_ignores_other_requests() {
    let (auth, reports) = guarded();
    for name in [
        "referer",
        "user-agent",
        "sec-fetch-site",
        "access-control-request-method",
    ] {
        assert_eq!(
            ask(&auth, with(bearer(KEY), name, "https://page.test"))
                .await
                .status,
            200,
            "{name}"
        );
    }
    assert!(reports.lock().unwrap().is_empty());
    let off = AuthLayer::new(memory());
    assert_eq!(
        ask(&off, with(bearer(KEY), "origin", "https://page.test"))
            .await
            .status,
        200,
        "off by default"
    );
}

/// The extensions of a request that was accepted for another principal.
async fn of_somebody_else() -> Extensions {
    let accepted = ask(&AuthLayer::new(memory()), bearer_in(TOKEN, OTHER_ORG)).await;
    assert!(accepted.principal().is_some());
    accepted.reached.unwrap().extensions
}

#[tokio::test]
async fn an_earlier_principal_is_removed() {
    let forged = of_somebody_else().await;
    let put = |mut request: Request<String>| {
        request.extensions_mut().extend(forged.clone());
        request
    };
    let auth = AuthLayer::new(memory());
    let waiting = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers));
    for accepted in [
        ask(&auth, put(bearer(KEY))).await,
        ask(&waiting, put(bearer(KEY))).await,
    ] {
        assert_eq!(
            accepted.principal().map(Principal::credential_id),
            Some("testkey")
        );
    }
    assert_eq!(ask(&auth, put(request())).await.status, 401);
    assert_eq!(
        ask(&auth, put(bearer("ak_testkey.test-wrong")))
            .await
            .status,
        401
    );
    let passed = [
        (
            "anonymous",
            ask(&auth.clone().optional(), put(request())).await,
        ),
        ("public", ask(&PublicLayer::new(), put(bearer(KEY))).await),
    ];
    for (name, answer) in passed {
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.principal().is_none(), "{name}");
    }
}

#[tokio::test]
async fn identity_headers_from_a_client_are_ignored() {
    let auth = AuthLayer::new(memory());
    for name in [
        "x-user",
        "x-user-id",
        "x-forwarded-user",
        "x-authenticated",
        "remote-user",
        "x-anyreach-org",
        "x_anyreach_org",
    ] {
        assert_eq!(
            ask(&auth, with(request(), name, USER)).await.status,
            401,
            "{name}"
        );
    }
    let underscored = with(bearer(TOKEN), "x_anyreach_org", ORG);
    assert_eq!(ask(&auth, underscored).await.cause(), "no_organization");
}

#[tokio::test]
async fn the_inner_service_receives_the_credential_marked_sensitive() {
    for auth in [
        AuthLayer::new(memory()),
        AuthLayer::new(memory()).optional(),
    ] {
        let reached = ask(&auth, bearer(KEY)).await.reached.unwrap();
        assert!(reached.headers[AUTHORIZATION].is_sensitive());
        assert_eq!(
            reached.headers[AUTHORIZATION],
            format!("Bearer {KEY}"),
            "unchanged"
        );
    }
    let waiting = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers));
    let reached = ask(&waiting, bearer_in(TOKEN, ORG)).await.reached.unwrap();
    assert!(reached.headers[AUTHORIZATION].is_sensitive());
}
