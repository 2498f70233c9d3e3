//! An API on axum with credentials in a SQLite file: issues one key and one token when the file is new, and prints `curl`
//! lines to try them with. After a restart both still work. With the key, more keys can be made, listed, rotated and
//! deleted.
//!
//! ```text
//! cargo run --features axum,sqlite --example axum_api [ADDRESS [FILE]]
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to whoever started it")]

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_api_key::{
    AuthLayer, Principal, PublicLayer, RequireScopes,
    clock::UnixMillis,
    credential::Kind,
    manage::{
        Actor, CredentialInfo, Cursor, Filter, Issued, LastUse, ManageError, Manager, NewKey, NewToken, Owner, Rotation,
    },
    principal::Catalogue,
    secret::Secret,
    store::{Cached, SqliteStore, StoreAdmin, WriteError},
};

/// The store that the layers ask and the manager writes to: one cache, so that a deleted key is refused at once.
type Store = Arc<Cached<SqliteStore>>;
type Keys = State<Manager<Store>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let file = arguments.next().map_or_else(|| std::env::temp_dir().join("axum_api.db"), PathBuf::from);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let store = SqliteStore::open(&file, Catalogue::documented()).await?;
    let feed = store.feed().await?; // so that the cache hears of what other programs do to the file
    let store = Arc::new(Cached::new(store));
    tokio::spawn(store.follow(feed));
    let manager = Manager::new(Arc::clone(&store));
    let uses = LastUse::new();
    tokio::spawn(manager.clone().keep_recording(uses.clone()));
    let address = listener.local_addr()?.to_string();
    match first_credentials(&manager).await? {
        Some((key, token)) => print_curl_lines(&address, key.expose_secret(), token.expose_secret()),
        None => {
            println!("# {} has its credentials from an earlier start; they work as before.", file.display());
            println!("# A secret is shown once, when it is made. To start afresh: rm {}*", file.display());
            print_curl_lines(&address, "<the key>", "<the token>");
        }
    }
    axum::serve(listener, router(manager, uses)?).await?;
    Ok(())
}

fn router(manager: Manager<Store>, uses: LastUse) -> Result<Router, Box<dyn Error>> {
    let auth = AuthLayer::new(Arc::clone(manager.store())).with_last_use(uses);
    let reads = RequireScopes::any(["agents:read", "agents:manage"])?.like(&auth);
    let manages = RequireScopes::any(["agents:manage"])?.like(&auth);

    // A layer on a method router wraps every method that it has so far, so each method brings its own.
    let agents = get(list_agents).route_layer(reads).merge(post(create_agent).route_layer(manages));
    // Who may manage keys is the manager's to say.
    let keys = Router::new()
        .route("/admin/organization-pats", post(create_key).get(list_keys))
        .route("/admin/organization-pats/{id}", delete(delete_key))
        .route("/admin/organization-pats/{id}/rotate", post(rotate_key))
        .with_state(manager);
    let scopes = Router::new().route("/admin/members/me/scopes", get(my_scopes));
    let organization = Router::new().route("/agents", agents).merge(keys).merge(scopes).route_layer(auth.clone());
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

#[derive(Deserialize)]
struct CreateKey {
    name: String,
    expires_at: Option<i64>,
}

/// The new key may do what its creator may.
async fn create_key(
    State(manager): Keys,
    caller: Principal,
    Json(body): Json<CreateKey>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let new =
        NewKey::named(&body.name).with_scopes(caller.scopes().iter()).expiring_at(body.expires_at.map(UnixMillis));
    Ok((StatusCode::CREATED, shown_once(manager.issue_key(&Actor::principal(&caller), new).await?)))
}

#[derive(Deserialize)]
struct Listing {
    cursor: Option<String>,
}

async fn list_keys(
    State(manager): Keys,
    caller: Principal,
    Query(listing): Query<Listing>,
) -> Result<Json<Value>, ManageError> {
    let cursor = listing.cursor.map(|text| text.parse::<Cursor>()).transpose()?;
    let actor = Actor::principal(&caller);
    let page = manager.list(&actor, Kind::OrgKey, &Filter::default(), cursor.as_ref(), 50).await?;
    let keys = page.items.iter().map(shown).collect::<Vec<_>>();
    Ok(Json(json!({ "keys": keys, "next": page.next.map(|next| next.to_string()) })))
}

async fn delete_key(
    State(manager): Keys,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ManageError> {
    manager.delete(&Actor::principal(&caller), Kind::OrgKey, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The old key counts for one more minute.
async fn rotate_key(
    State(manager): Keys,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let overlap = Rotation::default().with_overlap(Duration::from_secs(60));
    let new = manager.rotate(&Actor::principal(&caller), Kind::OrgKey, &id, overlap).await?;
    Ok((StatusCode::CREATED, shown_once(new)))
}

async fn my_scopes(caller: Principal) -> Json<Value> {
    Json(json!(caller.scopes().iter().collect::<Vec<_>>()))
}

fn shown(key: &CredentialInfo) -> Value {
    json!({
        "id": key.id.as_str(),
        "key_id": key.key_id("ak_"),
        "name": key.name,
        "created_at": key.created_at.0,
        "expires_at": key.expires_at.map(|moment| moment.0),
        "last_used_at": key.last_used_at.map(|moment| moment.0),
    })
}

fn shown_once(issued: Issued) -> Json<Value> {
    let (key, secret) = issued.into_parts();
    let mut body = shown(&key);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("pat_key".into(), json!(secret.as_ref().map(Secret::expose_secret)));
    }
    Json(body)
}

/// An organization with an admin key, and a person who may only read there; `None` when the file has them already.
async fn first_credentials(manager: &Manager<Store>) -> Result<Option<(Secret, Secret)>, Box<dyn Error>> {
    let store = manager.store();
    match store.create_organization("org_demo", None).await {
        Err(WriteError::Taken(_)) => return Ok(None),
        created => created?,
    }
    store.create_user("user_demo").await?;
    store.set_member("user_demo", "org_demo", "viewer").await?;
    let organization = Actor::operator("first start", Owner::Organization("org_demo".into()));
    let key = manager.issue_key(&organization, NewKey::named("first key").with_role("admin")).await?;
    let person = Actor::operator("first start", Owner::User("user_demo".into()));
    let token = manager.issue_token(&person, NewToken::named("first token")).await?;
    Ok(key.into_secret().zip(token.into_secret()))
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
        (
            "201, another key, shown once",
            format!(
                "-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"name\": \"ci\"}}' \
                 {address}/admin/organization-pats"
            ),
        ),
        ("200, the keys", format!("-H 'Authorization: Bearer {key}' {address}/admin/organization-pats")),
        (
            "403, the token may not manage them",
            format!("-H 'Authorization: Bearer {token}' {org} {address}/admin/organization-pats"),
        ),
    ];
    for (comment, arguments) in lines {
        println!("# {comment}\ncurl -i {arguments}\n");
    }
}
