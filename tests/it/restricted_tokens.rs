//! Tokens that are restricted to scopes and organizations of their own, as requests see them.

use crate::support;

use std::time::Duration;

use support::{
    Answer, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, grpc_call, memory, pat, pat_record,
};
use tower::{Layer, ServiceExt as _};
use tower_api_key::{
    AuthLayer, RequireScopesLayer,
    scope::ScopeSet,
    store::{Cached, CredentialStore, Directory, ManageStore, MemoryStore, Restrictions},
};

/// The store of the other tests, with a token `t` of a user who is `admin` in [`ORG`] and `viewer`
/// in [`OTHER_ORG`].
async fn with_token(restrictions: Restrictions) -> MemoryStore {
    let store = memory();
    let token = pat_record("t", USER).restricted_to(restrictions);
    store.insert(token).await.unwrap();
    store
}

fn scopes(names: &[&str]) -> ScopeSet {
    names.iter().copied().collect()
}

/// Asks a route that accepts `agents:manage`.
async fn manage_agents<S: CredentialStore + Clone>(store: &S, organization: &str) -> u16 {
    let auth = AuthLayer::new(store.clone());
    let manages = RequireScopesLayer::any(["agents:manage"]).unwrap();
    let manages = manages.with_responses_of(&auth);
    let inner = tower::service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let service = auth.layer(manages.layer(inner));
    let answer = service.oneshot(bearer_in(pat("t"), organization)).await;
    answer.unwrap().status().as_u16()
}

/// Asks as the owner's role changes, through the store that changes it.
async fn answers_to_role_changes<S>(store: &S) -> Vec<u16>
where
    S: ManageStore + Directory + Clone,
{
    let mut answers = Vec::new();
    for role in ["admin", "viewer", "admin"] {
        store.set_member(USER, ORG, role).await.unwrap();
        answers.push(manage_agents(store, ORG).await);
    }
    store.remove_member(USER, ORG).await.unwrap();
    answers.push(manage_agents(store, ORG).await);
    answers
}

#[tokio::test]
async fn a_list_of_scopes_takes_away_and_never_adds_with_and_without_a_cache() {
    let allowed = Restrictions::default().with_scopes(scopes(&["agents:manage"]));
    let other = Restrictions::default().with_scopes(scopes(&["agents:read", "billing:manage"]));
    let nothing = Restrictions::default().with_scopes(ScopeSet::empty());
    for (name, restrictions, expected) in [
        ("none", Restrictions::default(), [200, 403, 200, 403]),
        ("the scope", allowed, [200, 403, 200, 403]),
        ("other scopes", other, [403; 4]),
        ("an empty list", nothing, [403; 4]),
    ] {
        let plain = with_token(restrictions.clone()).await;
        assert_eq!(answers_to_role_changes(&plain).await, expected, "{name}");
        let cached = Cached::new(with_token(restrictions).await).with_ttl(Duration::MAX);
        assert_eq!(answers_to_role_changes(&cached).await, expected, "{name}");
    }
}

#[tokio::test]
async fn an_organization_off_the_list_is_refused_like_one_that_does_not_exist() {
    let only = Restrictions::default().with_organizations([ORG]);
    let auth = AuthLayer::new(with_token(only).await);
    let answer = async |organization: &str, grpc: bool| {
        let request = bearer_in(pat("t"), organization);
        match grpc {
            true => {
                let call = grpc_call(request, "application/grpc");
                ask(&auth.clone().with_grpc(), call).await
            }
            false => ask(&auth, request).await,
        }
    };
    for grpc in [false, true] {
        let on_the_list = answer(ORG, grpc).await;
        let principal = on_the_list.principal().unwrap();
        assert_eq!(principal.organization(), Some(ORG));
        let off_the_list = answer(OTHER_ORG, grpc).await;
        assert_eq!(off_the_list.cause(), "organization_not_allowed");
        let unknown = answer("org_unknown", grpc).await;
        assert_eq!(unknown.cause(), "not_a_member");
        assert_eq!(off_the_list.wire(), unknown.wire());
        assert!(off_the_list.reached.is_none());
    }
}

#[tokio::test]
async fn handlers_see_what_is_left_and_the_lists() {
    let only = Restrictions::default()
        .with_scopes(scopes(&["agents:read", "unknown:scope"]))
        .with_organizations([OTHER_ORG, ORG]);
    let store = with_token(only.clone()).await;
    let auth = AuthLayer::new(store);
    let seen = |answer: Answer| {
        let principal = answer.principal().unwrap().clone();
        let scopes = principal.scopes().iter().map(str::to_owned);
        (
            scopes.collect::<Vec<_>>(),
            principal.role().map(str::to_owned),
            principal.restrictions().cloned(),
        )
    };
    let restricted = seen(ask(&auth, bearer_in(pat("t"), ORG)).await);
    let read = vec!["agents:read".to_owned()];
    // What the catalogue does not have grants nothing, and is not shown.
    let only = only.with_scopes(scopes(&["agents:read"]));
    assert_eq!(restricted, (read, None, Some(only.clone())));
    let alone = seen(ask(&auth.clone().user_scoped(), bearer(pat("t"))).await);
    assert_eq!(alone, (vec![], None, Some(only)));
    let (_, role, none) = seen(ask(&auth, bearer_in(TOKEN, ORG)).await);
    assert_eq!((role.as_deref(), none), (Some("admin"), None));
}

#[test]
fn a_key_cannot_be_stored_with_a_list_of_organizations() {
    let store = memory();
    let only = Restrictions::default().with_organizations([ORG]);
    let key = support::key_record("restricted", ORG).restricted_to(only);
    let refused = support::now(store.insert(key)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a key belongs to one organization and cannot have a list of them"
    );
}
