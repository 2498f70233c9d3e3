//! Requirements behind the auth layer: scopes and an organization; with its responses, and never
//! without it.

use crate::support;
use tower_api_key::{
    AuthLayer, ConfigError, Messages, PublicLayer, Reason, RequireOrganizationLayer,
    RequireScopesLayer,
    rejection::ProblemResponder,
    scope::{AcceptedScopes, ScopeSet},
};

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, ask, bearer, bearer_in, grpc_call, holding, key, memory,
    remote_store::{Behaviour, RemoteStore},
    request,
};
use tower::ServiceBuilder;

fn accepting(scopes: &[&str]) -> RequireScopesLayer {
    RequireScopesLayer::any(scopes.iter().copied()).unwrap()
}

#[tokio::test]
async fn any_accepted_scope_is_enough() {
    let both = &["agents:read", "agents:manage"][..];
    for (name, held, accepted, passes) in [
        (
            "the one accepted",
            &["agents:read"][..],
            &["agents:read"][..],
            true,
        ),
        ("the first of two", &["agents:read"], both, true),
        ("the second of two", &["agents:manage"], both, true),
        ("both", both, both, true),
        (
            "one of many held",
            &["a", "b", "agents:read", "z"],
            both,
            true,
        ),
        ("none", &[], both, false),
        ("others", &["members:read", "billing:manage"], both, false),
        (
            "a scope that implies it",
            &["agents:manage"],
            &["agents:read"],
            false,
        ),
        ("a beginning", &["agents"], both, false),
        ("an extension", &["agents:read:all"], both, false),
        ("another case", &["Agents:Read"], both, false),
        ("a wildcard", &["*", "agents:*", "*:read"], both, false),
        (
            "both in one name",
            &["agents:read agents:manage", "agents:read,agents:manage"],
            both,
            false,
        ),
        ("an empty name", &[""], both, false),
    ] {
        let auth = AuthLayer::new(holding(held));
        let stack = ServiceBuilder::new()
            .layer(auth.clone())
            .layer(accepting(accepted).with_responses_of(&auth));
        let answer = ask(&stack, bearer(key("held"))).await;
        let wanted = if passes {
            (200, "accepted")
        } else {
            (403, "no_accepted_scope")
        };
        assert_eq!((answer.status, answer.cause()), wanted, "{name}");
    }
}

#[tokio::test]
async fn missing_scopes_are_named_only_when_no_others_would_do() {
    let any = |names: &[&str]| AcceptedScopes::any(names.iter().copied()).unwrap();
    let all = |names: &[&str]| AcceptedScopes::all(names.iter().copied()).unwrap();
    for (accepted, challenge) in [
        (
            any(&["billing:manage"]),
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage""#,
        ),
        (
            any(&["billing:manage", "billing:manage"]),
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage""#,
        ),
        (
            any(&["billing:manage", "trunks:read"]),
            r#"Bearer realm="api", error="insufficient_scope""#,
        ),
        (
            all(&["trunks:read", "billing:manage"]),
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage trunks:read""#,
        ),
        (
            all(&["billing:manage", "billing:manage"]),
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage""#,
        ),
        (
            all(&["billing:manage"]).and_any(["a", "b"]).unwrap(),
            r#"Bearer realm="api", error="insufficient_scope""#,
        ),
    ] {
        let auth = AuthLayer::new(holding(&["agents:read"]));
        let requirement = RequireScopesLayer::new(accepted.clone());
        let answer = ask(
            &ServiceBuilder::new().layer(auth).layer(requirement),
            bearer(key("held")),
        )
        .await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (403, Some(challenge))
        );
        assert_eq!(
            answer.body,
            r#"{"detail":"Token does not grant access to this action"}"#
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let rejection = answer.rejection.unwrap();
        assert_eq!(
            (rejection.reason(), rejection.credential_id()),
            (Reason::InsufficientScope, Some("held"))
        );
        assert_eq!(rejection.accepted_scopes(), Some(&accepted));
    }
}

#[tokio::test]
async fn all_of_several_scopes_can_be_required() {
    let all = || RequireScopesLayer::all(["agents:read", "billing:manage"]).unwrap();
    let reads = AcceptedScopes::any(["agents:read", "agents:manage"]).unwrap();
    let mixed = || RequireScopesLayer::new(reads.clone().and_any(["billing:manage"]).unwrap());
    for (held, by_all, by_mixed) in [
        (&["agents:read", "billing:manage"][..], true, true),
        (&["agents:read", "billing:manage", "x"], true, true),
        (&["agents:manage", "billing:manage"], false, true),
        (&["agents:read", "agents:manage"], false, false),
        (&["agents:read"], false, false),
        (&["billing:manage"], false, false),
        (&["agents:read billing:manage"], false, false),
        (&[], false, false),
    ] {
        let auth = AuthLayer::new(holding(held));
        for (requirement, passes) in [(all(), by_all), (mixed(), by_mixed)] {
            let stack = ServiceBuilder::new().layer(auth.clone()).layer(requirement);
            let answer = ask(&stack, bearer(key("held"))).await;
            let wanted = if passes {
                "accepted"
            } else {
                "no_accepted_scope"
            };
            assert_eq!(answer.cause(), wanted, "{held:?}");
        }
    }
}

#[test]
fn an_impossible_requirement_is_a_config_error() {
    assert_eq!(
        RequireScopesLayer::all([""; 0]).unwrap_err(),
        ConfigError::NoScopes
    );
    assert_eq!(
        RequireScopesLayer::any([""; 0]).unwrap_err(),
        ConfigError::NoScopes
    );
    for name in ["", "a b", "a\"b", "a\\b", "é", "a\n"] {
        assert_eq!(
            RequireScopesLayer::any(["fine", name]).unwrap_err(),
            ConfigError::InvalidScope(name.into())
        );
    }
}

#[tokio::test]
async fn scopes_come_from_the_acting_organization() {
    let auth = AuthLayer::new(memory());
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(accepting(&["agents:manage"]).with_responses_of(&auth));
    assert_eq!(
        ask(&stack, bearer_in(TOKEN, ORG)).await.cause(),
        "accepted",
        "admin in this organization"
    );
    assert_eq!(
        ask(&stack, bearer_in(TOKEN, OTHER_ORG)).await.cause(),
        "no_accepted_scope",
        "viewer in the other organization"
    );
}

#[tokio::test]
async fn scopes_are_checked_last() {
    let auth = AuthLayer::new(memory());
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(accepting(&["unheld:scope"]).with_responses_of(&auth));
    for (request, cause) in [
        (request(), "no_credential"),
        (bearer("ak_testkey.test-wrong"), "wrong_secret"),
        (bearer(TOKEN), "no_organization"),
        (bearer_in(TOKEN, "org_unknown"), "not_a_member"),
        (bearer_in(KEY, OTHER_ORG), "other_organization"),
        (bearer(KEY), "no_accepted_scope"),
    ] {
        assert_eq!(ask(&stack, request).await.cause(), cause);
    }
}

#[tokio::test]
async fn a_requirement_can_use_the_responses_of_an_auth_layer() {
    let mut messages = Messages::default();
    messages.insufficient_scope = "test scope".into();
    let auth = AuthLayer::new(memory())
        .with_realm("r")
        .unwrap()
        .with_messages(messages)
        .with_body_key("error");
    let requirement = accepting(&["unheld:scope"]).with_responses_of(&auth);
    let answer = ask(
        &ServiceBuilder::new()
            .layer(auth.clone())
            .layer(requirement.clone()),
        bearer(KEY),
    )
    .await;
    assert_eq!(answer.body, r#"{"error":"test scope"}"#);
    let challenge = r#"Bearer realm="r", error="insufficient_scope", scope="unheld:scope""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let grpc = || grpc_call(bearer(KEY), "application/grpc");
    let stack = |requirement: RequireScopesLayer| {
        ServiceBuilder::new().layer(auth.clone()).layer(requirement)
    };
    assert_eq!(
        ask(&stack(requirement.clone()), grpc()).await.status,
        403,
        "the service does not enable gRPC"
    );
    for requirement in [
        requirement.with_grpc(),
        accepting(&["unheld:scope"]).with_responses_of(&auth.clone().with_grpc()),
    ] {
        let answer = ask(&stack(requirement), grpc()).await;
        assert_eq!(
            (
                answer.status,
                answer.header("grpc-status"),
                answer.header("grpc-message")
            ),
            (200, Some("7"), Some("test scope"))
        );
    }
    let problems = auth.with_responder(ProblemResponder::new());
    let requirement = accepting(&["unheld:scope"]).with_responses_of(&problems);
    let answer = ask(
        &ServiceBuilder::new().layer(problems).layer(requirement),
        bearer(KEY),
    )
    .await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn an_organization_requirement_accepts_only_principals_in_an_organization() {
    let auth = AuthLayer::new(memory());
    let requirement = || RequireOrganizationLayer::new().with_responses_of(&auth);
    let personal = ServiceBuilder::new()
        .layer(auth.clone().user_scoped())
        .layer(requirement());
    let answer = ask(&personal, bearer_in(TOKEN, ORG)).await;
    assert_eq!(
        (answer.cause(), answer.body.as_str()),
        (
            "no_organization",
            r#"{"detail":"Token is missing organization claim."}"#
        )
    );
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="api""#),
        "a valid token is not called invalid"
    );
    let usual = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(requirement());
    assert_eq!(ask(&usual, bearer_in(TOKEN, ORG)).await.cause(), "accepted");
    let optional = ServiceBuilder::new()
        .layer(auth.clone().optional())
        .layer(requirement());
    assert_eq!(ask(&optional, request()).await.cause(), "anonymous");
    assert_eq!(ask(&optional, bearer(KEY)).await.cause(), "accepted");
}

#[tokio::test]
async fn a_requirement_answers_401_to_an_anonymous_request() {
    let auth = AuthLayer::new(memory());
    let requirement = || accepting(&["agents:read"]).with_responses_of(&auth);
    let optional = ServiceBuilder::new()
        .layer(auth.clone().optional())
        .layer(requirement());
    let public = ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(requirement());
    let inside_out = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(PublicLayer::new())
        .layer(requirement());
    for answer in [
        ask(&optional, request()).await,
        ask(&public, bearer(KEY)).await,
        ask(&inside_out, bearer(KEY)).await,
    ] {
        assert_eq!((answer.status, answer.cause()), (401, "anonymous"));
        assert_eq!(answer.body, r#"{"detail":"Missing Bearer token"}"#);
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="api""#)
        );
    }
}

#[tokio::test]
async fn the_innermost_auth_layer_decides() {
    let auth = AuthLayer::new(memory());
    let stack = ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(auth.clone())
        .layer(accepting(&["agents:read"]));
    assert_eq!(ask(&stack, bearer(KEY)).await.cause(), "accepted");
    assert_eq!(ask(&stack, request()).await.cause(), "no_credential");
    let strict_then_optional = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(auth.optional());
    assert_eq!(
        ask(&strict_then_optional, request()).await.cause(),
        "no_credential"
    );
}

#[tokio::test]
async fn a_requirement_without_an_auth_layer_is_a_500() {
    let fix = "AuthLayer::new(store)";
    for answer in [
        ask(&accepting(&["agents:read"]), bearer(KEY)).await,
        ask(&RequireOrganizationLayer::new(), request()).await,
    ] {
        assert_eq!((answer.status, answer.cause()), (500, "no_auth_layer"));
        assert_eq!(answer.body, r#"{"detail":"Internal server error"}"#);
        assert_eq!(
            (
                answer.header("www-authenticate"),
                answer.header("cache-control")
            ),
            (None, Some("no-store"))
        );
        assert!(answer.rejection.unwrap().cause().to_string().contains(fix));
    }
    // The wrong order: the requirement is outside of the auth layer.
    let auth = AuthLayer::new(memory());
    let wrong = ServiceBuilder::new()
        .layer(accepting(&["agents:read"]))
        .layer(auth);
    assert_eq!(ask(&wrong, bearer(KEY)).await.cause(), "no_auth_layer");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_requirement_without_an_auth_layer_logs_the_fix() {
    support::logs::start();
    ask(&accepting(&["agents:read"]), bearer(KEY)).await;
    let event = support::logs::only_event(tower_api_key::observe::TARGET);
    assert_eq!(event["fields"]["cause"], "no_auth_layer", "{event}");
    support::logs::assert_error_names_fix(&event, ".layer(AuthLayer::new(store))");
}

#[tokio::test]
async fn a_requirement_does_not_wait_after_an_awaited_accept() {
    let store = RemoteStore::new(holding(&["agents:read"]), Behaviour::Answers);
    let auth = AuthLayer::new(Arc::clone(&store));
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(accepting(&["agents:read"]).with_responses_of(&auth));
    assert_eq!(ask(&stack, bearer(key("held"))).await.cause(), "accepted");
    assert_eq!(store.calls(), 1);
}

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("[abAB*][:.]?[ab]?", 0..6)
}

proptest! {
    #[test]
    fn a_requirement_passes_exactly_if_an_accepted_scope_is_held(
        held in names(),
        accepted in names(),
    ) {
        let set: ScopeSet = held.iter().map(String::as_str).collect();
        match AcceptedScopes::any(accepted.iter().map(String::as_str)) {
            Ok(requirement) => {
                prop_assert_eq!(requirement.met_by(&set), !held.is_disjoint(&accepted));
            }
            Err(error) => prop_assert!(accepted.is_empty() && error == ConfigError::NoScopes),
        }
    }

    #[test]
    fn a_requirement_of_several_sets_passes_exactly_if_each_has_a_scope_that_is_held(
        held in names(),
        needed in names(),
        others in proptest::collection::vec(names(), 0..3),
    ) {
        let set: ScopeSet = held.iter().map(String::as_str).collect();
        let all = AcceptedScopes::all(needed.iter().map(String::as_str));
        let accepted = others.iter().fold(all, |accepted, names| accepted?.and_any(names.iter().map(String::as_str)));
        let possible = !needed.is_empty() && others.iter().all(|names| !names.is_empty());
        let meets = needed.is_subset(&held) && others.iter().all(|names| !names.is_disjoint(&held));
        prop_assert_eq!(accepted.map(|accepted| accepted.met_by(&set)).ok(), possible.then_some(meets));
    }

    #[test]
    fn a_set_of_scopes_is_a_set(names in proptest::collection::vec("[abAB*][:.]?[ab]?", 0..8)) {
        let set: ScopeSet = names.iter().map(String::as_str).collect();
        let model: BTreeSet<String> = names.into_iter().collect();
        prop_assert!(set.iter().eq(model.iter().map(String::as_str)));
        prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        prop_assert!(model.iter().all(|name| set.contains(name)));
        let backwards: ScopeSet = model.iter().rev().map(String::as_str).collect();
        prop_assert_eq!(backwards, set);
    }
}
