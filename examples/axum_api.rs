//! An API on axum with credentials in a SQLite file: mints one key and one token when the file is new, and prints `curl`
//! lines to try them with. After a restart both still work.
//!
//! ```text
//! cargo run --features axum,sqlite --example axum_api [ADDRESS [FILE]]
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to whoever started it")]

use std::{error::Error, path::PathBuf};

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_api_key::{
    AuthLayer, Principal, PublicLayer, RequireScopes,
    credential::{Kind, TokenFormat},
    principal::Catalogue,
    secret::Secret,
    store::{Record, SqliteStore, StoreAdmin, WriteError},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let file = arguments.next().map_or_else(|| std::env::temp_dir().join("axum_api.db"), PathBuf::from);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let store = SqliteStore::open(&file, Catalogue::documented()).await?;
    let address = listener.local_addr()?.to_string();
    match mint(&store).await? {
        Some((key, token)) => print_curl_lines(&address, key.expose_secret(), token.expose_secret()),
        None => {
            println!("# {} has its credentials from an earlier start; they work as before.", file.display());
            println!("# A secret is shown once, when it is made. To start afresh: rm {}*", file.display());
            print_curl_lines(&address, "<the key>", "<the token>");
        }
    }
    axum::serve(listener, router(store)?).await?;
    Ok(())
}

fn router(store: SqliteStore) -> Result<Router, Box<dyn Error>> {
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

/// An organization with an admin key, and a person who may only read there; `None` when the file has them already.
async fn mint(store: &SqliteStore) -> Result<Option<(Secret, Secret)>, Box<dyn Error>> {
    let format = TokenFormat::default();
    match store.create_organization("org_demo", None).await {
        Err(WriteError::Taken(_)) => return Ok(None),
        created => created?,
    }
    let key = format.mint(Kind::OrgKey)?;
    store.insert(Record::org_key(&key.id, key.digest, "org_demo").with_role("admin", store.catalogue())?).await?;

    store.create_user("user_demo").await?;
    store.set_member("user_demo", "org_demo", "viewer").await?;
    let token = format.mint(Kind::PersonalToken)?;
    store.insert(Record::personal_token(&token.id, token.digest, "user_demo")).await?;
    Ok(Some((key.secret, token.secret)))
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
