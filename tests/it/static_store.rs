//! A store over a list from a configuration file: what it accepts, and what a reload changes.

use std::sync::Arc;

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_api_key::{
    AuthLayer, Principal, RequireScopesLayer,
    credential::{Kind, TokenFormat},
    scope::Catalogue,
    secret::Digest,
    store::{
        Cached, Change, CredentialStore, Lookup, LookupKey, Peek, Record, StaticError, StaticStore,
        Status, StoreError,
    },
    testing::contract::Contract,
};

use crate::support::{ORG, ORG_HEADER, OTHER_ORG, USER, ask, bearer, bearer_in, key, now, pat};

mod agreement;
mod mistakes;
mod reload;
mod secrets;

fn store(list: Value) -> Result<StaticStore, StaticError> {
    let list = serde_json::from_value(list).unwrap();
    StaticStore::new(list, Catalogue::anyreach())
}

fn digest(token: &str) -> String {
    Digest::of(token.as_bytes()).to_hex()
}

/// An entry for the key `id`.
fn key_entry(id: &str, role: &str) -> Value {
    json!({ "id": id, "digest": digest(&key(id)), "organization": ORG, "role": role })
}

/// An entry for the token `id` of a user who is an admin in one organization.
fn token_entry(id: &str) -> Value {
    json!({
        "id": id, "digest": digest(&pat(id)), "user": USER,
        "memberships": [{ "organization": ORG, "role": "admin" }],
    })
}

/// Sends a request to an API with one route for everyone and one for `agents:manage`.
async fn status<S: CredentialStore + Clone>(store: &S, path: &str, token: &str) -> StatusCode {
    let auth = AuthLayer::new(store.clone());
    let manages = RequireScopesLayer::any(["agents:manage"]).unwrap();
    let app = Router::new()
        .route(
            "/",
            get(async |caller: Principal| caller.credential_id().to_owned()),
        )
        .route("/manage", get(async || "managed").layer(manages))
        .layer(auth);
    let request = Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .header(ORG_HEADER, ORG);
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await;
    response.unwrap().status()
}

const TOML: &str = r#"
    [[keys]]
    id = "reader"
    digest = "DIGEST OF ak_reader.test-secret"
    organization = "org_test"
    role = "viewer"
    expires_at = 4102444800000

    [[keys]]
    id = "writer"
    digest = "DIGEST OF ak_writer.test-secret"
    organization = "org_test"
    scopes = ["agents:manage"]

    [[keys]]
    id = "expired"
    digest = "DIGEST OF ak_expired.test-secret"
    organization = "org_test"
    role = "admin"
    expires_at = 1

    [[keys]]
    id = "disabled"
    digest = "DIGEST OF ak_disabled.test-secret"
    organization = "org_test"
    role = "admin"
    disabled = true

    [[tokens]]
    id = "laptop"
    digest = "DIGEST OF pat_test-laptop"
    user = "user_test"
    memberships = [
        { organization = "org_test", role = "admin" },
        { organization = "org_other", role = "viewer" },
    ]

    [[tokens]]
    id = "script"
    digest = "DIGEST OF pat_test-script"
    user = "user_test"
    scopes = ["agents:read"]
    organizations = ["org_test"]
    [[tokens.memberships]]
    organization = "org_test"
    role = "admin"
    [[tokens.memberships]]
    organization = "org_other"
    role = "admin"
"#;

/// The list above, with digests.
fn toml_text() -> String {
    let with_digest = |line: &str| match line.split_once("\"DIGEST OF ") {
        Some((before, token)) => format!("{before}\"{}\"", digest(token.trim_end_matches('"'))),
        None => line.to_owned(),
    };
    TOML.lines().map(|line| with_digest(line) + "\n").collect()
}

#[tokio::test]
async fn toml_and_json_are_served_alike() {
    let json = serde_json::to_string(&toml::from_str::<Value>(&toml_text()).unwrap()).unwrap();
    let lists = [
        toml::from_str(&toml_text()).unwrap(),
        serde_json::from_str(&json).unwrap(),
    ];
    for list in lists {
        let store = StaticStore::new(list, Catalogue::anyreach()).unwrap();
        for (token, plain, manage) in [
            (key("reader"), 200, 403),
            (key("writer"), 200, 200),
            (key("expired"), 401, 401),
            (key("disabled"), 401, 401),
            (key("unknown"), 401, 401),
            ("ak_writer.wrong-secret".to_owned(), 401, 401),
            (pat("laptop"), 200, 200),
            (pat("script"), 200, 403),
            (pat("unknown"), 401, 401),
        ] {
            assert_eq!(status(&store, "/", &token).await, plain, "{token}");
            assert_eq!(status(&store, "/manage", &token).await, manage, "{token}");
        }
    }
}

#[tokio::test]
async fn a_token_acts_where_its_memberships_and_its_restrictions_allow() {
    let list = toml::from_str(&toml_text()).unwrap();
    let auth = AuthLayer::new(StaticStore::new(list, Catalogue::anyreach()).unwrap());
    for (id, organization, cause, role) in [
        ("laptop", ORG, "accepted", Some("admin")),
        ("laptop", OTHER_ORG, "accepted", Some("viewer")),
        ("laptop", "org_unknown", "not_a_member", None),
        ("script", ORG, "accepted", None), // its scopes are not those of the role
        ("script", OTHER_ORG, "organization_not_allowed", None),
    ] {
        let answer = ask(&auth, bearer_in(pat(id), organization)).await;
        assert_eq!(answer.cause(), cause, "{id} in {organization}");
        let principal = answer.principal();
        assert_eq!(
            principal.and_then(Principal::role),
            role,
            "{id} in {organization}"
        );
    }
    let person = ask(&auth.user_scoped(), bearer(pat("script"))).await;
    assert_eq!(person.principal().unwrap().user(), Some(USER));
}

#[test]
fn every_lookup_is_answered_from_memory() {
    let store = store(json!({ "keys": [key_entry("k", "viewer")] })).unwrap();
    let peek = |id| store.peek(&Lookup::new(LookupKey::OrgKey { id }, None));
    assert!(matches!(peek("k"), Peek::Found(_)));
    assert!(matches!(peek("unknown"), Peek::NotFound));
    let digest = Digest::of(key("k").as_bytes());
    let token = LookupKey::PersonalToken { digest: &digest };
    let peeked = store.peek(&Lookup::new(token, Some(ORG)));
    assert!(matches!(peeked, Peek::NotFound), "a key is not a token");
}

#[tokio::test]
async fn the_contract_of_lookups_is_kept() {
    let contract = Contract::new();
    let known = Catalogue::anyreach();
    let entry = |record: &Record| {
        let mut entry = json!({
            "id": record.id(), "digest": record.digest().to_hex(), "organization": record.organization().unwrap().as_str(),
            "expires_at": record.expires_at().map(|moment| moment.0),
        });
        // A list may not name a scope that the catalogue does not have.
        let scopes = record.scopes().iter().filter(|scope| known.knows(scope));
        match record.role() {
            Some(role) => entry["role"] = json!(role),
            None => entry["scopes"] = json!(scopes.collect::<Vec<_>>()),
        }
        entry
    };
    let keys: Vec<Value> = contract.records().iter().map(entry).collect();
    let store = store(json!({ "keys": keys })).unwrap();
    contract.run_reading(&store).await;
    contract.run_reading(&Arc::new(store.clone())).await;
    contract.run_reading(&Cached::new(store)).await;
}

#[test]
fn debug_shows_how_many_credentials_there_are() {
    let keys = [key_entry("k", "viewer"), key_entry("other", "viewer")];
    let list = json!({ "keys": keys, "tokens": [token_entry("t")] });
    let list: tower_api_key::store::StaticCredentials = serde_json::from_value(list).unwrap();
    assert_eq!(format!("{list:?}"), "StaticCredentials(..)");
    let store = StaticStore::new(list, Catalogue::anyreach()).unwrap();
    assert_eq!(
        format!("{store:?}"),
        "StaticStore { keys: 2, tokens: 1, .. }"
    );
}
