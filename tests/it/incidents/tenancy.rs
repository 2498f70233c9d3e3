//! Callers who acted for someone else, or got more than they had.

use axum::{Router, routing::any};
use tokio::task::JoinSet;
use tower_api_key::{
    AuthLayer, Principal,
    credential::Kind,
    manage::{Actor, ManageError, Manager, NewKey, NewToken},
    scope::ScopeSet,
    store::{Filter, ManageStore as _, MemoryStore, Owner},
};

use super::client::{Server, Wire};
use crate::support::{KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, key, memory, now};

/// The caller of an accepted request.
async fn caller_of(store: &MemoryStore, request: http::Request<String>) -> Principal {
    let answer = ask(&AuthLayer::new(store.clone()), request).await;
    answer.principal().expect("the request is accepted").clone()
}

/// Better Auth CVE-2025-61928: a user id in the body of a request switched authentication off, and
/// keys were issued for any user. Here an actor is the caller who was proven, and the owner of what
/// it issues is not an input.
#[tokio::test]
async fn better_auth_cve_2025_61928_a_user_id_in_the_body() {
    let store = memory();
    let manager = Manager::new(store.clone());
    let mut request = bearer_in(TOKEN, ORG);
    *request.body_mut() = r#"{"userId":"user_victim","name":"test"}"#.to_owned();
    let caller = caller_of(&store, request).await;
    let issued = manager
        .issue_token(&Actor::from_principal(&caller), NewToken::named("test"))
        .await
        .unwrap();
    assert_eq!(issued.info().owner, Owner::User(USER.into()));
    let mut anonymous = crate::support::request();
    *anonymous.body_mut() = r#"{"userId":"user_victim"}"#.to_owned();
    let answer = ask(&AuthLayer::new(store), anonymous).await;
    assert_eq!(answer.cause(), "no_credential");
}

/// Gitea GHSA-683j-3ff6-hh2x: a token with few scopes issued one with more.
#[tokio::test]
async fn gitea_ghsa_683j_3ff6_hh2x_a_token_issued_a_wider_one() {
    let store = memory();
    let narrow: ScopeSet = ["organizations:manage"].into_iter().collect();
    let record = crate::support::key_record("narrow", ORG).with_scopes(narrow);
    now(store.insert(record)).unwrap();
    let caller = caller_of(&store, bearer(key("narrow"))).await;
    let manager = Manager::new(store);
    let actor = Actor::from_principal(&caller);
    for new in [
        NewKey::named("wider").with_scopes(["organizations:manage", "agents:manage"]),
        NewKey::named("wider").with_role("admin"),
    ] {
        let refused = manager.issue_key(&actor, new).await;
        assert!(refused.is_err(), "a wider key was issued");
    }
    let owner = Owner::of(Kind::OrgKey, ORG);
    let operator = Actor::operator("test", owner);
    let page = manager
        .list(&operator, Kind::OrgKey, &Filter::default(), None, 50)
        .await;
    assert!(page.unwrap().items.iter().all(|key| &*key.name != "wider"));
    let same = NewKey::named("same").with_scopes(["organizations:manage"]);
    manager.issue_key(&actor, same).await.unwrap();
}

/// bigcapital GHSA-2g96: the organization was what a header said. Here it is what the credential
/// may do, and a header that names another one is refused.
#[tokio::test]
async fn bigcapital_ghsa_2g96_the_organization_header_is_trusted() {
    let store = memory();
    for (request, cause) in [
        (bearer_in(KEY, OTHER_ORG), "other_organization"),
        (bearer_in(KEY, "org_unknown"), "other_organization"),
        (bearer_in(TOKEN, "org_unknown"), "not_a_member"),
        (
            bearer_in(crate::support::pat("ownerless"), OTHER_ORG),
            "owner_gone",
        ),
    ] {
        assert_eq!(
            ask(&AuthLayer::new(store.clone()), request).await.cause(),
            cause
        );
    }
    // Another organization's credentials look like unknown ones.
    let manager = Manager::new(store.clone());
    let caller = caller_of(&store, bearer(KEY)).await;
    let actor = Actor::from_principal(&caller);
    let theirs = crate::support::key_record("theirs", OTHER_ORG);
    now(store.insert(theirs)).unwrap();
    let foreign = manager
        .delete(&actor, Kind::OrgKey, "theirs")
        .await
        .unwrap_err();
    let unknown = manager
        .delete(&actor, Kind::OrgKey, "unknown")
        .await
        .unwrap_err();
    assert!(
        matches!(foreign, ManageError::UnknownCredential),
        "{foreign:?}"
    );
    assert_eq!(foreign.to_string(), unknown.to_string());
}

/// Grafana CVE-2022-39328: under load, requests shared a context, and one ran as the caller of
/// another. Here the caller is in the request's own extensions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grafana_cve_2022_39328_concurrent_requests_mixed_up() {
    async fn id(caller: Option<Principal>) -> String {
        caller.map_or_else(
            || "nobody".to_owned(),
            |caller| caller.credential_id().to_owned(),
        )
    }
    let store = memory();
    for number in 0..20 {
        let record = crate::support::key_record(&format!("key{number}"), ORG);
        now(store.insert(record)).unwrap();
    }
    let auth = AuthLayer::new(store).optional();
    let server =
        std::sync::Arc::new(Server::start(Router::new().route("/", any(id)).layer(auth)).await);
    let mut clients = JoinSet::new();
    for number in 0..100 {
        let server = server.clone();
        let (name, wire) = match number % 4 {
            0 => ("nobody".to_owned(), Wire::get("/")),
            _ => {
                let name = format!("key{}", number % 20);
                let bearer = format!("Bearer {}", key(&name));
                (name, Wire::get("/").with("authorization", &bearer))
            }
        };
        clients.spawn(async move {
            let answer = server.http2(&wire).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&answer.body), name);
            let (_, answer) = server.http1(&wire).await.unwrap();
            assert!(
                answer.ends_with(&format!("\r\n\r\n{name}")),
                "{name}: {answer}"
            );
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}
