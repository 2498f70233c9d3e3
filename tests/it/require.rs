//! Demands inside of the door: scopes, an organization; in the door's own form, and never without a door.

use crate::support::{self, now};
use tower_api_key::{
    AuthLayer, ConfigError, Messages, PublicLayer, Reason, RequireOrganizationLayer,
    RequireScopesLayer,
    rejection::ProblemResponder,
    scope::{AcceptedScopes, ScopeSet},
    store::{ManageStore, MemoryStore},
};

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, ask, bearer, bearer_in,
    distant::{Distant, Mood},
    grpc_call, key, key_record, memory, request,
};
use tower::ServiceBuilder;

/// A store with the key `held`, which holds exactly `scopes`.
fn holding(scopes: &[&str]) -> MemoryStore {
    let store = memory();
    now(store.insert(key_record("held", ORG).with_scopes(scopes.iter().copied().collect())))
        .unwrap();
    store
}

fn accepting(scopes: &[&str]) -> RequireScopesLayer {
    RequireScopesLayer::any(scopes.iter().copied()).unwrap()
}

#[tokio::test]
async fn holding_any_one_of_the_accepted_scopes_is_enough() {
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
            "a stronger name for the same",
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
async fn a_missing_scope_is_named_only_when_exactly_one_is_accepted() {
    for (accepted, challenge) in [
        (
            &["billing:manage"][..],
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage""#,
        ),
        (
            &["billing:manage", "billing:manage"],
            r#"Bearer realm="api", error="insufficient_scope", scope="billing:manage""#,
        ),
        (
            &["billing:manage", "trunks:read"],
            r#"Bearer realm="api", error="insufficient_scope""#,
        ),
    ] {
        let auth = AuthLayer::new(holding(&[]));
        let answer = ask(
            &ServiceBuilder::new().layer(auth).layer(accepting(accepted)),
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
        assert_eq!(
            rejection.accepted_scopes(),
            Some(&AcceptedScopes::any(accepted.iter().copied()).unwrap())
        );
    }
}

#[test]
fn a_demand_that_nobody_can_meet_or_name_is_refused_when_it_is_made() {
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
async fn the_scopes_are_those_of_the_organization_that_the_request_acts_in() {
    let auth = AuthLayer::new(memory());
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(accepting(&["agents:manage"]).with_responses_of(&auth));
    assert_eq!(
        ask(&stack, bearer_in(TOKEN, ORG)).await.cause(),
        "accepted",
        "an admin here"
    );
    assert_eq!(
        ask(&stack, bearer_in(TOKEN, OTHER_ORG)).await.cause(),
        "no_accepted_scope",
        "a viewer there"
    );
}

#[tokio::test]
async fn scopes_come_last() {
    let auth = AuthLayer::new(memory());
    let stack = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(accepting(&["nobody:holds"]).with_responses_of(&auth));
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
async fn a_demand_like_a_door_answers_in_its_form() {
    let mut messages = Messages::default();
    messages.insufficient_scope = "test scope".into();
    let auth = AuthLayer::new(memory())
        .with_realm("r")
        .unwrap()
        .with_messages(messages)
        .with_body_key("error");
    let demand = accepting(&["nobody:holds"]).with_responses_of(&auth);
    let answer = ask(
        &ServiceBuilder::new()
            .layer(auth.clone())
            .layer(demand.clone()),
        bearer(KEY),
    )
    .await;
    assert_eq!(answer.body, r#"{"error":"test scope"}"#);
    let challenge = r#"Bearer realm="r", error="insufficient_scope", scope="nobody:holds""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let grpc = || grpc_call(bearer(KEY), "application/grpc");
    let stack =
        |demand: RequireScopesLayer| ServiceBuilder::new().layer(auth.clone()).layer(demand);
    assert_eq!(
        ask(&stack(demand.clone()), grpc()).await.status,
        403,
        "the service does not say that it speaks gRPC"
    );
    for demand in [
        demand.with_grpc(),
        accepting(&["nobody:holds"]).with_responses_of(&auth.clone().with_grpc()),
    ] {
        let answer = ask(&stack(demand), grpc()).await;
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
    let demand = accepting(&["nobody:holds"]).with_responses_of(&problems);
    let answer = ask(
        &ServiceBuilder::new().layer(problems).layer(demand),
        bearer(KEY),
    )
    .await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn a_demand_for_an_organization_is_for_routes_that_need_none() {
    let auth = AuthLayer::new(memory());
    let demand = || RequireOrganizationLayer::new().with_responses_of(&auth);
    let personal = ServiceBuilder::new()
        .layer(auth.clone().user_scoped())
        .layer(demand());
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
        "a good token is not called invalid"
    );
    let usual = ServiceBuilder::new().layer(auth.clone()).layer(demand());
    assert_eq!(ask(&usual, bearer_in(TOKEN, ORG)).await.cause(), "accepted");
    let optional = ServiceBuilder::new()
        .layer(auth.clone().optional())
        .layer(demand());
    assert_eq!(ask(&optional, request()).await.cause(), "anonymous");
    assert_eq!(ask(&optional, bearer(KEY)).await.cause(), "accepted");
}

#[tokio::test]
async fn nobody_is_asked_for_a_credential_where_a_demand_needs_somebody() {
    let auth = AuthLayer::new(memory());
    let demand = || accepting(&["agents:read"]).with_responses_of(&auth);
    let optional = ServiceBuilder::new()
        .layer(auth.clone().optional())
        .layer(demand());
    let public = ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(demand());
    let inside_out = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(PublicLayer::new())
        .layer(demand());
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
async fn a_door_further_in_is_the_one_that_counts() {
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
async fn without_a_door_a_demand_is_a_mistake_of_the_service_and_not_of_the_client() {
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
    // The wrong way round: the demand stands outside of the door.
    let auth = AuthLayer::new(memory());
    let wrong = ServiceBuilder::new()
        .layer(accepting(&["agents:read"]))
        .layer(auth);
    assert_eq!(ask(&wrong, bearer(KEY)).await.cause(), "no_auth_layer");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn without_a_door_an_error_event_names_the_fix() {
    support::logs::start();
    ask(&accepting(&["agents:read"]), bearer(KEY)).await;
    let events = support::logs::events(tower_api_key::observe::TARGET);
    let [event] = &events[..] else {
        panic!("one event, not {events:?}")
    };
    assert_eq!(
        (&event["level"], &event["fields"]["cause"]),
        (&"ERROR".into(), &"no_auth_layer".into())
    );
    assert!(
        event["fields"]["message"]
            .as_str()
            .unwrap()
            .contains(".layer(AuthLayer::new(store))"),
        "{event}"
    );
}

#[tokio::test]
async fn a_demand_waits_for_nothing_after_an_accept_that_had_to_wait() {
    let store = Distant::new(holding(&["agents:read"]), Mood::Answers);
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
    fn accepted_scopes_are_met_exactly_when_one_of_them_is_held(held in names(), accepted in names()) {
        let set: ScopeSet = held.iter().map(String::as_str).collect();
        match AcceptedScopes::any(accepted.iter().map(String::as_str)) {
            Ok(demand) => prop_assert_eq!(demand.met_by(&set), !held.is_disjoint(&accepted)),
            Err(error) => prop_assert!(accepted.is_empty() && error == ConfigError::NoScopes),
        }
    }

    #[test]
    fn a_set_of_scopes_is_a_set(names in proptest::collection::vec("[abAB*][:.]?[ab]?", 0..8)) {
        let (set, model): (ScopeSet, BTreeSet<String>) = (names.iter().map(String::as_str).collect(), names.into_iter().collect());
        prop_assert!(set.iter().eq(model.iter().map(String::as_str)));
        prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        prop_assert!(model.iter().all(|name| set.contains(name)));
        let backwards: ScopeSet = model.iter().rev().map(String::as_str).collect();
        prop_assert_eq!(backwards, set);
    }
}
