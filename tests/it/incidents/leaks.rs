//! Secrets in places that are read by more people than the secrets are for.

use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
    manage::{Actor, Manager, NewKey},
    store::{ManageStore as _, Owner},
};

use crate::support::{KEY, ORG, ask, bearer, memory};

/// poem-openapi derived `Debug` for its credentials, and requests were logged with it. Here neither
/// a secret nor anything around it shows one.
#[tokio::test]
async fn poem_openapi_derived_debug_shows_a_credential() {
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    let token = minted.secret.expose_secret();
    let secret = token.rsplit('.').next().unwrap();
    let texts = [
        format!("{minted:?}"),
        format!("{:?}", minted.secret),
        format!("{:#?}", minted),
    ];
    for text in texts {
        assert!(!text.contains(token) && !text.contains(secret), "{text}");
    }
    let answer = ask(&AuthLayer::new(memory()), bearer(KEY)).await;
    let seen = format!("{:?}", answer.reached.unwrap());
    assert!(!seen.contains("test-secret"), "{seen}");
}

/// An error tracker received the headers of failed requests, cookies and all. Here the inner
/// service sees the credential marked as sensitive, also on routes where it is not needed.
#[tokio::test]
async fn cookies_sent_to_an_error_tracker() {
    let optional = AuthLayer::new(memory()).optional();
    let public = tower_api_key::PublicLayer::new();
    for parts in [
        ask(&AuthLayer::new(memory()), bearer(KEY)).await.reached,
        ask(&optional, bearer(KEY)).await.reached,
        ask(&public, bearer(KEY)).await.reached,
    ] {
        let headers = parts.unwrap().headers;
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{headers:?}").contains("test-secret"));
    }
    let refused = ask(
        &AuthLayer::new(memory()),
        bearer("ak_testkey.planted-canary"),
    )
    .await;
    let seen = format!("{refused:?}{:?}", refused.rejection);
    assert!(!seen.contains("planted-canary"), "{seen}");
}

/// An audit table kept the key that an event was about. Here it has the public id.
#[tokio::test]
async fn a_key_in_an_audit_table() {
    let store = memory();
    let owner = Owner::of(Kind::OrgKey, ORG);
    let manager = Manager::new(store.clone());
    let operator = Actor::operator("test", owner.clone());
    let issued = manager
        .issue_key(&operator, NewKey::named("audited"))
        .await
        .unwrap();
    let id = issued.info().id.as_str().to_owned();
    let secret = issued.into_secret().unwrap();
    let events = store.events(&owner, None, 50).await.unwrap();
    let text = format!("{events:?}");
    assert!(text.contains(&id), "{text}");
    let token = secret.expose_secret();
    assert!(!text.contains(token), "{text}");
    assert!(!text.contains(token.rsplit('.').next().unwrap()), "{text}");
}
