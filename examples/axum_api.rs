//! An API on axum with credentials in a SQLite file. If the file is new, it issues one key and one
//! token, and prints `curl` lines to try them with; after a restart both still work. With the key,
//! more keys can be issued, listed, rotated and deleted.
//!
//! ```text
//! cargo run --features axum --example axum_api [ADDRESS [FILE]]
//! ```
//!
//! `RUST_LOG=debug` shows each request with its headers, but never the credential. Ctrl-C and
//! SIGTERM end it: requests under way are answered, and the last uses of credentials are written.

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{error::Error, path::PathBuf, time::Duration};

use axum::{
    Json, Router,
    extract::{
        FromRequest, FromRequestParts, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, LastUse, Principal, PublicLayer, RequireScopesLayer,
    axum::whoami,
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Issued, ManageError, Manager, NewKey, NewToken, PageCursor, Rotation},
    scope::Catalogue,
    secret::Secret,
    store::{
        Attributes, Cached, CredentialInfo, Directory, ExpiryWatch, Filter, Owner, Retention,
        WriteError,
    },
};
use tower_api_key_sqlx::SqliteStore;
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, TraceLayer},
};
use tracing_subscriber::EnvFilter;

/// The store that the layers look up in and the manager writes to: one cache, so that a deleted key
/// is refused at once.
pub(crate) type Store = Cached<SqliteStore>;
type Keys = State<Manager<Store>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let file = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join("axum_api.db"), PathBuf::from);
    let listener = tokio::net::TcpListener::bind(&address).await;
    let listener =
        listener.map_err(|error| format!("{address}: {error}; name another [ADDRESS [FILE]]"))?;
    let store = SqliteStore::open(&file, Catalogue::anyreach()).await?;
    let feed = store.feed().await?; // so that the cache sees what other programs change in the file
    let store = Cached::new(store);
    tokio::spawn(store.follow(feed));
    let manager = Manager::new(store);
    let uses = LastUse::new();
    tokio::spawn(manager.clone().run_usage_recorder(uses.clone()));
    tokio::spawn(manager.clone().run_expiry_watch(ExpiryWatch::default()));
    tokio::spawn(manager.clone().run_retention(Retention::default()));
    let address = listener.local_addr()?.to_string();
    println!("# the credentials are in {}", file.display());
    match first_credentials(&manager).await? {
        Some((key, token)) => {
            print_curl_lines(&address, key.expose_secret(), token.expose_secret())
        }
        None => {
            println!(
                "# {} has its credentials from an earlier start; they work as before.",
                file.display()
            );
            println!(
                "# A secret is shown once, when it is made. To start afresh: stop this, and rm {}*",
                file.display()
            );
            print_curl_lines(&address, "<the key>", "<the token>");
        }
    }
    let app = router(manager.clone(), uses.clone())?;
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown_requested());
    tokio::select! {
        ended = server => ended?,
        () = grace_period_over() => {}
    }
    manager.record_uses(&uses).await?; // those since `run_usage_recorder` last wrote
    Ok(())
}

/// Waits for Ctrl-C or, as orchestrators send it, SIGTERM.
async fn shutdown_requested() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Waits until requests under way have had ten seconds to end.
async fn grace_period_over() {
    shutdown_requested().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
}

/// Builds the API. `.layer(…)` is the last call on each router, so that it covers the fallbacks,
/// which `route_layer` leaves open.
pub(crate) fn router(manager: Manager<Store>, uses: LastUse) -> Result<Router, Box<dyn Error>> {
    let auth = AuthLayer::new(manager.store().clone()).with_last_use(uses);
    let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?.with_responses_of(&auth);
    let manages = RequireScopesLayer::any(["agents:manage"])?.with_responses_of(&auth);

    // A layer on a method router covers only the methods that are already there, so each method
    // has its own.
    let agents = get(list_agents)
        .layer(reads)
        .merge(post(create_agent).layer(manages));
    // The manager decides who may manage keys.
    let keys = Router::new()
        .route("/admin/organization-pats", post(create_key).get(list_keys))
        .route("/admin/organization-pats/{id}", delete(delete_key))
        .route("/admin/organization-pats/{id}/rotate", post(rotate_key))
        .with_state(manager);
    let caller = Router::new()
        .route("/admin/members/me/scopes", get(my_scopes))
        .route("/whoami", get(whoami));
    // The fallback is behind the layer, too: without a credential, no one learns which paths exist.
    let organization = Router::new()
        .route("/agents", agents)
        .merge(keys)
        .merge(caller)
        .fallback(not_found);
    let organization = organization
        .method_not_allowed_fallback(not_allowed)
        .layer(auth.clone());
    let person = Router::new()
        .route("/me", get(whoami))
        .method_not_allowed_fallback(not_allowed);
    let public = Router::new()
        .route("/status", get(status))
        .method_not_allowed_fallback(not_allowed);
    let person = person.layer(auth.clone().user_scoped());
    let app = organization
        .merge(person)
        .merge(public.layer(PublicLayer::new()));
    // From the outside in. A route without a layer would now be a 500.
    let outermost = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        .layer(
            TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().include_headers(true)),
        )
        .layer(EveryRouteDecidesLayer::new().with_responses_of(&auth));
    Ok(app.layer(outermost))
}

/// An error of the example itself, in the same form as the crate's: `{"detail": "<text>"}`.
struct Fault(StatusCode, String);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "detail": self.1 }))).into_response()
    }
}

macro_rules! fault_from {
    ($($rejection:ty)+) => {
        $(impl From<$rejection> for Fault {
            fn from(rejection: $rejection) -> Self {
                Self(rejection.status(), rejection.body_text())
            }
        })+
    };
}

fault_from!(JsonRejection PathRejection QueryRejection);

/// A JSON body; anything else is answered 400, 413, 415 or 422 with a `detail`.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Fault))]
struct Body<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Fault))]
struct Path<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Fault))]
struct Query<T>(T);

async fn not_found() -> Fault {
    Fault(StatusCode::NOT_FOUND, "Not Found".to_owned())
}

async fn not_allowed() -> Fault {
    Fault(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method Not Allowed".to_owned(),
    )
}

async fn list_agents(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "agents": ["ada", "grace"] }))
}

async fn create_agent(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "created_by": caller.credential_id() }))
}

async fn status() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

#[derive(Deserialize)]
struct CreateKey {
    name: String,
    expires_at: Option<i64>,
}

/// Issues a key that may do what its creator may, under its creator's conditions. If the creator
/// has a role, the key gets the role instead of a copy of its scopes, so that it follows changes of
/// the catalogue.
async fn create_key(
    State(manager): Keys,
    caller: Principal,
    Body(body): Body<CreateKey>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let new = NewKey::named(&body.name).expiring_at(body.expires_at.map(UnixMillis));
    let new = match caller.role() {
        Some(role) => new.with_role(role),
        None => new.with_scopes(caller.scopes().iter()),
    };
    let conditions = caller.attributes().map(|own| own.conditions.clone());
    let attributes = Attributes::default().with_conditions(conditions.unwrap_or_default());
    let new = new.with_attributes(attributes);
    Ok((
        StatusCode::CREATED,
        shown_once(
            manager
                .issue_key(&Actor::from_principal(&caller), new)
                .await?,
        ),
    ))
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
    let cursor = listing
        .cursor
        .map(|text| text.parse::<PageCursor>())
        .transpose()?;
    let actor = Actor::from_principal(&caller);
    let page = manager
        .list(
            &actor,
            Kind::OrgKey,
            &Filter::default(),
            cursor.as_ref(),
            50,
        )
        .await?;
    let keys = page.items.iter().map(shown).collect::<Vec<_>>();
    Ok(Json(
        json!({ "keys": keys, "next": page.next.map(|next| next.to_string()) }),
    ))
}

async fn delete_key(
    State(manager): Keys,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ManageError> {
    manager
        .delete(&Actor::from_principal(&caller), Kind::OrgKey, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a key. The old one stays valid for one more minute.
async fn rotate_key(
    State(manager): Keys,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let overlap = Rotation::default().with_overlap(Duration::from_secs(60));
    let new = manager
        .rotate(&Actor::from_principal(&caller), Kind::OrgKey, &id, overlap)
        .await?;
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
        fields.insert(
            "pat_key".into(),
            json!(secret.as_ref().map(Secret::expose_secret)),
        );
    }
    Json(body)
}

/// Creates an organization with an admin key, and a user who may only read there; `None` if the
/// file already has them.
async fn first_credentials(
    manager: &Manager<Store>,
) -> Result<Option<(Secret, Secret)>, Box<dyn Error>> {
    let store = manager.store();
    match store.create_organization("org_demo", None).await {
        Err(WriteError::Taken(_)) => return Ok(None),
        created => created?,
    }
    store.create_user("user_demo").await?;
    store.set_member("user_demo", "org_demo", "viewer").await?;
    let organization = Actor::operator("first start", Owner::Organization("org_demo".into()));
    let key = manager
        .issue_key(&organization, NewKey::named("first key").with_role("admin"))
        .await?;
    let person = Actor::operator("first start", Owner::User("user_demo".into()));
    let token = manager
        .issue_token(&person, NewToken::named("first token"))
        .await?;
    Ok(key.into_secret().zip(token.into_secret()))
}

fn print_curl_lines(address: &str, key: &str, token: &str) {
    let org = "-H 'X-Anyreach-Org: org_demo'";
    let lines = [
        (
            "200, the key carries its organization",
            format!("-H 'Authorization: Bearer {key}' {address}/agents"),
        ),
        (
            "200, the key may also write",
            format!("-X POST -H 'Authorization: Bearer {key}' {address}/agents"),
        ),
        (
            "200, the token with an organization",
            format!("-H 'Authorization: Bearer {token}' {org} {address}/agents"),
        ),
        (
            "200, the token where none is needed",
            format!("-H 'Authorization: Bearer {token}' {address}/me"),
        ),
        (
            "200, who the service says the key is",
            format!("-H 'Authorization: Bearer {key}' {address}/whoami"),
        ),
        ("401, no credential", format!("{address}/agents")),
        (
            "401, neither kind of token",
            format!("-H 'Authorization: Bearer nonsense' {address}/agents"),
        ),
        (
            "401, the token without an organization",
            format!("-H 'Authorization: Bearer {token}' {address}/agents"),
        ),
        (
            "403, the token may only read",
            format!("-X POST -H 'Authorization: Bearer {token}' {org} {address}/agents"),
        ),
        ("200, a public route", format!("{address}/status")),
        (
            "201, another key, shown once",
            format!(
                "-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"name\": \"ci\"}}' \
                 {address}/admin/organization-pats"
            ),
        ),
        (
            "200, the keys",
            format!("-H 'Authorization: Bearer {key}' {address}/admin/organization-pats"),
        ),
        (
            "403, the token may not manage them",
            format!("-H 'Authorization: Bearer {token}' {org} {address}/admin/organization-pats"),
        ),
    ];
    for (comment, arguments) in lines {
        println!("# {comment}\ncurl -i {arguments}\n");
    }
}
