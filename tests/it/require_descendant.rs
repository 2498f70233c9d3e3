//! The rule of the partner console: a request may target the acting organization or one below it,
//! checked in a fixed order.

use crate::support::{self, now};
use tower_api_key::{
    AuthLayer, CredentialStore, Messages, PublicLayer, Reason, RequireDescendantLayer,
    id::OrgId,
    scope::ScopeSet,
    store::{Directory, ManageStore, MemoryStore},
};

use std::{sync::Arc, time::Duration};

use http::{Request, request::Parts};
use support::{
    Answer, KEY, ORG, TOKEN, USER, ask, bearer, bearer_in, grpc_call, key, key_record, memory,
    remote_store::{Behaviour, OUTAGE, RemoteStore},
    request, with,
};
use tower::ServiceBuilder;

const SCOPE: &str = "child_organizations:manage";

/// `org_top` above `org_a` and `org_b`; below `org_a` one more, and one below that.
fn tree() -> MemoryStore {
    let store = memory();
    for (id, parent) in [
        ("org_top", None),
        ("org_a", Some("org_top")),
        ("org_b", Some("org_top")),
        ("org_a_1", Some("org_a")),
        ("org_a_1_x", Some("org_a_1")),
        ("org_a_gone", Some("org_a")),
        ("org_a_gone_x", Some("org_a_gone")),
    ] {
        now(store.create_organization(id, parent)).unwrap();
    }
    let scopes = |scopes: &[&str]| scopes.iter().copied().collect::<ScopeSet>();
    now(store.insert(key_record("partner", "org_a").with_scopes(scopes(&[SCOPE])))).unwrap();
    now(store.insert(key_record("plain", "org_a").with_scopes(scopes(&["agents:read"])))).unwrap();
    now(store.set_member(USER, "org_a", "admin")).unwrap();
    now(store.delete_organization("org_a_gone")).unwrap();
    store
}

/// Reads the target from the header `x-target`; `None` if absent.
fn target(request: &Parts) -> Option<OrgId> {
    request
        .headers
        .get("x-target")
        .map(|value| value.to_str().unwrap().into())
}

fn targeting(request: Request<String>, organization: &str) -> Request<String> {
    with(request, "x-target", organization)
}

async fn through(
    store: impl CredentialStore,
    tree: impl Directory,
    request: Request<String>,
) -> Answer {
    let auth = AuthLayer::new(store);
    let requirement = RequireDescendantLayer::new(tree, target).with_responses_of(&auth);
    ask(
        &ServiceBuilder::new().layer(auth).layer(requirement),
        request,
    )
    .await
}

#[tokio::test]
async fn only_the_acting_organization_and_its_descendants_can_be_managed() {
    let store = tree();
    for (name, organization, cause) in [
        ("its own", "org_a", "accepted"),
        ("a child", "org_a_1", "accepted"),
        ("a grandchild", "org_a_1_x", "accepted"),
        ("a sibling", "org_b", "not_a_descendant"),
        ("its parent", "org_top", "not_a_descendant"),
        ("an unrelated organization", ORG, "not_a_descendant"),
        ("an unknown organization", "org_no", "not_a_descendant"),
        ("a deleted child", "org_a_gone", "not_a_descendant"),
        (
            "an active child of a deleted organization",
            "org_a_gone_x",
            "not_a_descendant",
        ),
        ("a child in capitals", "ORG_A_1", "not_a_descendant"),
        ("a prefix of its id", "org_", "not_a_descendant"),
        ("an empty name", "", "not_a_descendant"),
    ] {
        for remote in [false, true] {
            let request = targeting(bearer(key("partner")), organization);
            let answer = match remote {
                true => {
                    through(
                        store.clone(),
                        RemoteStore::new(store.clone(), Behaviour::Answers),
                        request,
                    )
                    .await
                }
                false => through(store.clone(), store.clone(), request).await,
            };
            assert_eq!(answer.cause(), cause, "{name}");
            assert_eq!(answer.reached.is_some(), cause == "accepted", "{name}");
        }
    }
    let no_target = through(store.clone(), store, bearer(key("partner"))).await;
    assert_eq!(no_target.cause(), "not_a_descendant", "no target");
}

#[tokio::test]
async fn a_token_acts_in_the_organization_of_the_header_not_the_target() {
    let store = tree();
    for (acting, organization, cause) in [
        ("org_a", "org_a_1", "accepted"),
        (ORG, "org_a_1", "not_a_descendant"),
        ("org_a_1", "org_a_1", "not_a_member"),
        ("org_top", "org_a", "not_a_member"),
    ] {
        let request = targeting(bearer_in(TOKEN, acting), organization);
        assert_eq!(
            through(store.clone(), store.clone(), request).await.cause(),
            cause,
            "{acting}"
        );
    }
    let unnamed = targeting(bearer(TOKEN), "org_a");
    assert_eq!(
        through(store.clone(), store, unnamed).await.cause(),
        "no_organization"
    );
}

#[tokio::test]
async fn authentication_precedes_scopes_and_scopes_precede_the_target() {
    let store = tree();
    let down = RemoteStore::new(store.clone(), Behaviour::Fails);
    for (name, request, cause) in [
        (
            "no credential",
            targeting(request(), "org_b"),
            "no_credential",
        ),
        (
            "a wrong secret",
            targeting(bearer("ak_partner.test-wrong"), "org_b"),
            "wrong_secret",
        ),
        (
            "no scope, a sibling",
            targeting(bearer(key("plain")), "org_b"),
            "no_accepted_scope",
        ),
        (
            "no scope, its own organization",
            targeting(bearer(key("plain")), "org_a"),
            "no_accepted_scope",
        ),
        (
            "no scope, no target",
            bearer(key("plain")),
            "no_accepted_scope",
        ),
        ("no target", bearer(key("partner")), "not_a_descendant"),
        (
            "its own",
            targeting(bearer(key("partner")), "org_a"),
            "accepted",
        ),
    ] {
        assert_eq!(
            through(store.clone(), Arc::clone(&down), request)
                .await
                .cause(),
            cause,
            "{name}"
        );
    }
    assert_eq!(down.calls(), 0, "none of these needs the directory");
}

#[tokio::test]
async fn an_outside_target_gets_the_same_response_whether_or_not_it_exists() {
    let store = tree();
    let ask_about = |organization: &'static str| {
        through(
            store.clone(),
            store.clone(),
            targeting(bearer(key("partner")), organization),
        )
    };
    let unknown = ask_about("org_no").await;
    assert_eq!(
        (unknown.status, unknown.reason()),
        (403, Some(Reason::OrganizationDenied))
    );
    assert_eq!(
        unknown.body,
        r#"{"detail":"Token does not grant access to this organization"}"#
    );
    for organization in ["org_b", "org_top", ORG, "org_a_gone", "org_a_gone_x"] {
        assert_eq!(
            ask_about(organization).await.wire(),
            unknown.wire(),
            "{organization}"
        );
    }
    let no_target = through(store.clone(), store.clone(), bearer(key("partner"))).await;
    assert_eq!(no_target.wire(), unknown.wire());
}

#[tokio::test]
async fn the_missing_scope_is_named_in_the_challenge() {
    let store = tree();
    let auth = AuthLayer::new(store.clone()).with_realm("r").unwrap();
    let requirement = RequireDescendantLayer::new(store, target).with_responses_of(&auth);
    let stack = |requirement| ServiceBuilder::new().layer(auth.clone()).layer(requirement);
    let answer = ask(
        &stack(requirement.clone()),
        targeting(bearer(key("plain")), "org_a_1"),
    )
    .await;
    let challenge =
        r#"Bearer realm="r", error="insufficient_scope", scope="child_organizations:manage""#;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (403, Some(challenge))
    );
    let others = requirement
        .with_scopes(["agents:read", "agents:manage"])
        .unwrap();
    assert_eq!(
        ask(
            &stack(others.clone()),
            targeting(bearer(key("plain")), "org_a_1")
        )
        .await
        .cause(),
        "accepted"
    );
    let answer = ask(&stack(others), targeting(bearer(key("partner")), "org_a_1")).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="r", error="insufficient_scope""#)
    );
    assert!(
        RequireDescendantLayer::new(tree(), target)
            .with_scopes([""; 0])
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_fails_hangs_or_panics_is_an_outage() {
    for (behaviour, cause) in [
        (Behaviour::Fails, "store_unavailable"),
        (Behaviour::Hangs, "store_timed_out"),
        (Behaviour::Panics, "store_panicked"),
    ] {
        let store = tree();
        let down = RemoteStore::new(store.clone(), behaviour);
        for organization in ["org_a_1", "org_b", "org_no"] {
            let request = targeting(bearer(key("partner")), organization);
            let started = tokio::time::Instant::now();
            let answer = through(store.clone(), Arc::clone(&down), request).await;
            assert_eq!((answer.status, answer.cause()), (503, cause));
            assert_eq!(answer.header("retry-after"), Some("1"), "{cause}");
            assert!(!answer.body.contains(OUTAGE), "{cause}");
            assert!(started.elapsed() <= Duration::from_secs(1), "{cause}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_directory_has_its_own_deadline() {
    let store = tree();
    let auth = AuthLayer::new(store.clone()).with_deadline(Duration::from_secs(9));
    let requirement =
        RequireDescendantLayer::new(RemoteStore::new(store, Behaviour::Hangs), target)
            .with_deadline(Duration::from_secs(2));
    let started = tokio::time::Instant::now();
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(requirement.with_responses_of(&auth));
    assert_eq!(
        ask(&stack, targeting(bearer(key("partner")), "org_a_1"))
            .await
            .cause(),
        "store_timed_out"
    );
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn a_principal_without_an_organization_is_refused() {
    let (store, auth) = (tree(), AuthLayer::new(tree()));
    let requirement = RequireDescendantLayer::new(store.clone(), target);
    let alone = ask(&requirement, targeting(bearer(KEY), "org_a")).await;
    assert_eq!((alone.status, alone.cause()), (500, "no_auth_layer"));
    let public = ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(requirement.clone());
    let anonymous = ask(&public, targeting(bearer(key("partner")), "org_a")).await;
    assert_eq!((anonymous.status, anonymous.cause()), (401, "anonymous"));
    let personal = ServiceBuilder::new()
        .layer(auth.user_scoped())
        .layer(requirement);
    assert_eq!(
        ask(&personal, targeting(bearer_in(TOKEN, "org_a"), "org_a"))
            .await
            .cause(),
        "no_organization"
    );
}

#[tokio::test]
async fn refusals_use_the_responses_of_the_auth_layer() {
    let mut messages = Messages::default();
    messages.organization_denied = "test denied".into();
    let auth = AuthLayer::new(tree())
        .with_messages(messages)
        .with_body_key("error");
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(RequireDescendantLayer::new(tree(), target).with_responses_of(&auth));
    let answer = ask(&stack, targeting(bearer(key("partner")), "org_b")).await;
    assert_eq!(answer.body, r#"{"error":"test denied"}"#);
    let grpc = || {
        grpc_call(
            targeting(bearer(key("partner")), "org_b"),
            "application/grpc",
        )
    };
    assert_eq!(
        ask(&stack, grpc()).await.status,
        403,
        "the service does not enable gRPC"
    );
    let requirement = RequireDescendantLayer::new(tree(), target)
        .with_responses_of(&auth)
        .with_grpc();
    for requirement in [
        requirement,
        RequireDescendantLayer::new(tree(), target).with_responses_of(&auth.clone().with_grpc()),
    ] {
        let answer = ask(
            &ServiceBuilder::new().layer(auth.clone()).layer(requirement),
            grpc(),
        )
        .await;
        assert_eq!(
            (answer.header("grpc-status"), answer.header("grpc-message")),
            (Some("7"), Some("test denied"))
        );
    }
}

#[cfg(feature = "axum")]
mod in_axum {
    use axum::{
        Router,
        body::Body,
        extract::{Path, Query},
        routing::get,
    };
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    /// The console under a prefix, with either the handler's extractor or a closure over the URI as
    /// target.
    fn console(by_extractor: bool) -> Router {
        let store = tree();
        for (id, parent) in [
            ("org_a/1", "org_a"),
            ("org_a%5F1", "org_b"),
            ("org_(1", "org_a"),
        ] {
            now(store.create_organization(id, Some(parent))).unwrap();
        }
        let auth = AuthLayer::new(store.clone());
        let handler = get(async |Path(organization): Path<String>| organization);
        let handler = match by_extractor {
            true => {
                let target = tower_api_key::axum::target(|Path(organization): Path<String>| {
                    organization.into()
                });
                handler.layer(RequireDescendantLayer::new(store, target).with_responses_of(&auth))
            }
            false => {
                let prefix = "/admin/partner-console/";
                let target =
                    move |parts: &Parts| parts.uri.path().strip_prefix(prefix).map(OrgId::from);
                handler.layer(RequireDescendantLayer::new(store, target).with_responses_of(&auth))
            }
        };
        Router::new()
            .nest(
                "/admin",
                Router::new().nest("/partner-console", Router::new().route("/{id}", handler)),
            )
            .layer(auth)
    }

    async fn send(app: &Router, path: &str) -> (u16, String) {
        let request = Request::get(format!("/admin/partner-console/{path}"));
        let request = request.header("authorization", format!("Bearer {}", key("partner")));
        let response = app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_layer_and_the_handler_read_the_same_organization() {
        let app = console(true);
        for (path, organization) in [
            ("org_a", "org_a"),
            ("org_a_1", "org_a_1"),
            ("org%5Fa%5f1", "org_a_1"),
            ("org_a_1?id=org_b", "org_a_1"),
            ("org_a%2F1", "org_a/1"),
            ("org_%281", "org_(1"),
        ] {
            assert_eq!(
                send(&app, path).await,
                (200, organization.to_owned()),
                "{path}"
            );
        }
        for path in [
            "org_b",
            "org%5Fb",
            "org_a%255F1",
            "org_a_gone",
            "org_a_gone_x",
            "org_no",
            "%FF",
            "org_a_1%00",
        ] {
            let (status, body) = send(&app, path).await;
            assert_eq!(
                (status, body.contains("organization")),
                (403, true),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn a_closure_over_the_uri_refuses_everything_under_nest() {
        let app = console(false);
        for path in [
            "org_a",
            "org_a_1",
            "org%5Fa",
            "org_b",
            "/admin/partner-console/org_a",
        ] {
            assert_ne!(send(&app, path).await.0, 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_target_that_cannot_be_extracted_is_refused() {
        let store = tree();
        let auth = AuthLayer::new(store.clone());
        let target = tower_api_key::axum::target(
            |Query(query): Query<std::collections::HashMap<String, String>>| {
                query
                    .get("id")
                    .map_or_else(|| "".into(), |id| OrgId::from(&**id))
            },
        );
        let no_path =
            tower_api_key::axum::target(|Path(organization): Path<String>| organization.into());
        let by_query = RequireDescendantLayer::new(store.clone(), target).with_responses_of(&auth);
        let by_path = RequireDescendantLayer::new(store, no_path).with_responses_of(&auth);
        let app = Router::new()
            .route(
                "/admin/partner-console/query",
                get(|| async {}).layer(by_query),
            )
            .route(
                "/admin/partner-console/path",
                get(|| async {}).layer(by_path),
            )
            .layer(auth);
        assert_eq!(send(&app, "query?id=org_a_1").await.0, 200);
        for path in ["query?id=org_b", "query?id=%FF", "query", "path"] {
            assert_eq!(send(&app, path).await.0, 403, "{path}");
        }
    }
}
