//! An API on axum with credentials in memory: mints one key and one token, and prints `curl` lines to try them with.
//!
//! ```text
//! cargo run --features axum --example axum_api [ADDRESS]
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to whoever started it")]

use std::error::Error;

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_api_key::{
    AuthLayer, Principal, PublicLayer, RequireScopes,
    credential::{Kind, TokenFormat},
    secret::Secret,
    store::{MemoryStore, Record},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let store = MemoryStore::new();
    let (key, token) = mint(&store)?;
    print_curl_lines(&listener.local_addr()?.to_string(), key.expose_secret(), token.expose_secret());
    axum::serve(listener, router(store)?).await?;
    Ok(())
}

fn router(store: MemoryStore) -> Result<Router, Box<dyn Error>> {
    let auth = AuthLayer::new(store);
    let reads = RequireScopes::any(["agents:read", "agents:manage"])?.like(&auth);
    let manages = RequireScopes::any(["agents:manage"])?.like(&auth);

    // A layer on a method router wraps every method that it has so far, so each method brings its own.
    let agents = get(list_agents).route_layer(reads).merge(post(create_agent).route_layer(manages));
    let organization = Router::new().route("/agents", agents).route_layer(auth.clone());
    let person = Router::new().route("/me", get(whoami)).route_layer(auth.user_scoped());
    let public = Router::new().route("/status", get(status)).route_layer(PublicLayer::new());
    Ok(organization.merge(person).merge(public))
}

async fn list_agents(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "agents": ["ada", "grace"] }))
}

async fn create_agent(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "created_by": caller.credential_id() }))
}

async fn whoami(caller: Principal) -> Json<Value> {
    Json(json!({ "user": caller.user() }))
}

async fn status() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// An organization with an admin key, and a person who may only read there.
fn mint(store: &MemoryStore) -> Result<(Secret, Secret), Box<dyn Error>> {
    let format = TokenFormat::default();
    store.create_organization("org_demo", None)?;
    let key = format.mint(Kind::OrgKey)?;
    store.insert(Record::org_key(&key.id, key.digest, "org_demo").with_role("admin", store.catalogue())?)?;

    store.create_user("user_demo")?;
    store.set_member("user_demo", "org_demo", "viewer")?;
    let token = format.mint(Kind::PersonalToken)?;
    store.insert(Record::personal_token(&token.id, token.digest, "user_demo"))?;
    Ok((key.secret, token.secret))
}

fn print_curl_lines(address: &str, key: &str, token: &str) {
    let org = "-H 'X-Anyreach-Org: org_demo'";
    let lines = [
        ("200, the key carries its organization", format!("-H 'Authorization: Bearer {key}' {address}/agents")),
        ("200, the key may also write", format!("-X POST -H 'Authorization: Bearer {key}' {address}/agents")),
        ("200, the token with an organization", format!("-H 'Authorization: Bearer {token}' {org} {address}/agents")),
        ("200, the token where none is needed", format!("-H 'Authorization: Bearer {token}' {address}/me")),
        ("401, no credential", format!("{address}/agents")),
        ("401, neither kind of token", format!("-H 'Authorization: Bearer nonsense' {address}/agents")),
        ("401, the token without an organization", format!("-H 'Authorization: Bearer {token}' {address}/agents")),
        ("403, the token may only read", format!("-X POST -H 'Authorization: Bearer {token}' {org} {address}/agents")),
        ("200, a public route", format!("{address}/status")),
    ];
    for (comment, arguments) in lines {
        println!("# {comment}\ncurl -i {arguments}\n");
    }
}
