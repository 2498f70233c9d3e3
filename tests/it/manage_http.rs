//! Management over HTTP: a caller that is revoked while it sends its body, and a bearer that
//! renames its credential in a loop while the credential is deleted.

use std::{net::SocketAddr, sync::Arc};
use tower_api_key::{
    AuthLayer, Principal,
    credential::Kind,
    manage::{Actor, Issued, ManageError, Manager, NewKey, NewToken, Rotation},
    scope::Catalogue,
    secret::Secret,
    store::{Cached, CredentialInfo, Directory, Filter, ManageStore, MemoryStore, Owner},
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    routing::{get, patch, post},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tower_api_key_sqlx::SqliteStore;

const ORG: &str = "org_test";
const USER: &str = "user_test";
const PATH: &str = "/admin/organization-pats";

/// The service of the example, over any store.
fn router<S: ManageStore + Directory>(
    manager: Manager<Arc<S>>,
    accepted: UnboundedSender<()>,
) -> Router {
    let auth = AuthLayer::new(Arc::clone(manager.store()));
    Router::new()
        .route(PATH, post(create::<S>))
        .route(
            "/admin/organization-pats/{id}",
            patch(rename::<S>).delete(delete::<S>),
        )
        .route("/admin/organization-pats/{id}/rotate", post(rotate::<S>))
        .route("/agents", get(async || "agents"))
        .with_state(manager)
        .layer(from_fn_with_state(accepted, signal_arrival))
        .layer(auth)
}

/// Signals that a request has passed the layer; its body may still be arriving.
async fn signal_arrival(
    State(accepted): State<UnboundedSender<()>>,
    request: Request,
    next: Next,
) -> axum::response::Response {
    accepted.send(()).unwrap();
    next.run(request).await
}

fn to_response(issued: Issued) -> (StatusCode, Json<Value>) {
    let (info, secret) = issued.into_parts();
    let key = secret.as_ref().map(Secret::expose_secret);
    (
        StatusCode::CREATED,
        Json(json!({ "id": info.id.as_str(), "pat_key": key })),
    )
}

async fn create<S: ManageStore + Directory>(
    State(manager): State<Manager<Arc<S>>>,
    caller: Principal,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let new = NewKey::named(body["name"].as_str().unwrap_or_default());
    let new = new.with_scopes(caller.scopes().iter());
    manager
        .issue_key(&Actor::from_principal(&caller), new)
        .await
        .map(to_response)
}

async fn rename<S: ManageStore + Directory>(
    State(manager): State<Manager<Arc<S>>>,
    caller: Principal,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<StatusCode, ManageError> {
    let name = body["name"].as_str().unwrap_or_default();
    manager
        .rename(&Actor::from_principal(&caller), Kind::OrgKey, &id, name)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate<S: ManageStore + Directory>(
    State(manager): State<Manager<Arc<S>>>,
    caller: Principal,
    Path(id): Path<String>,
    Json(_): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ManageError> {
    let actor = Actor::from_principal(&caller);
    manager
        .rotate(&actor, Kind::OrgKey, &id, Rotation::default())
        .await
        .map(to_response)
}

async fn delete<S: ManageStore + Directory>(
    State(manager): State<Manager<Arc<S>>>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ManageError> {
    manager
        .delete(&Actor::from_principal(&caller), Kind::OrgKey, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A server with an organization, a user who is an admin in it, and an admin key.
struct Server<S> {
    address: SocketAddr,
    manager: Manager<Arc<S>>,
    accepted: UnboundedReceiver<()>,
    /// Stops the server on drop.
    _task: tokio::task::JoinSet<()>,
}

impl<S: ManageStore + Directory> Server<S> {
    async fn start(store: S) -> Self {
        store.create_organization(ORG, None).await.unwrap();
        store.create_user(USER).await.unwrap();
        store.set_member(USER, ORG, "admin").await.unwrap();
        let manager = Manager::new(Arc::new(store));
        let (sender, accepted) = unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, router) = (
            listener.local_addr().unwrap(),
            router(manager.clone(), sender),
        );
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            manager,
            accepted,
            _task: task,
        }
    }

    async fn key(&self, name: &str) -> (CredentialInfo, String) {
        let new = NewKey::named(name).with_role("admin");
        let (info, secret) = self
            .manager
            .issue_key(&org(), new)
            .await
            .unwrap()
            .into_parts();
        (info, secret.unwrap().expose_secret().to_owned())
    }

    async fn token(&self) -> (CredentialInfo, String) {
        let issued = self
            .manager
            .issue_token(&user(), NewToken::named("token"))
            .await
            .unwrap();
        let (info, secret) = issued.into_parts();
        (info, secret.unwrap().expose_secret().to_owned())
    }

    async fn keys(&self) -> Vec<CredentialInfo> {
        self.manager
            .list(&org(), Kind::OrgKey, &Filter::default(), None, 200)
            .await
            .unwrap()
            .items
    }
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization(ORG.into()))
}

fn user() -> Actor {
    Actor::operator("test", Owner::User(USER.into()))
}

/// The head of a request, with the organization header for tokens.
fn head(method: &str, path: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         x-anyreach-org: {ORG}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )
}

/// Reads a response to its end and returns its status and body.
async fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("{text}")), body.to_owned())
}

async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all((head(method, path, token, body) + body).as_bytes())
        .await
        .unwrap();
    answer(stream).await
}

/// Ways to lose access between the two halves of the body.
const LOSSES: [(&str, bool); 11] = [
    ("deleted", false),
    ("disabled", false),
    ("rotated", false),
    ("all revoked", false),
    ("presented", false),
    ("organization deleted", false),
    ("deleted", true),
    ("membership ended", true),
    ("role narrowed", true),
    ("user disabled", true),
    ("user deleted", true),
];

async fn remove_access<S: ManageStore + Directory>(
    server: &Server<S>,
    own: &CredentialInfo,
    token: &str,
    how: &str,
) {
    let (manager, kind, id) = (&server.manager, own.kind(), own.id.as_str());
    let owner = Actor::operator("test", own.owner.clone());
    let store = manager.store();
    match how {
        "deleted" => drop(manager.delete(&owner, kind, id).await.unwrap()),
        "disabled" => drop(manager.disable(&owner, kind, id).await.unwrap()),
        "rotated" => drop(
            manager
                .rotate(&owner, kind, id, Rotation::default())
                .await
                .unwrap(),
        ),
        "all revoked" => drop(manager.revoke_all(&owner, kind).await.unwrap()),
        "presented" => drop(manager.revoke_presented(token, None).await.unwrap()),
        "organization deleted" => store.delete_organization(ORG).await.unwrap(),
        "membership ended" => store.remove_member(USER, ORG).await.unwrap(),
        "role narrowed" => store.set_member(USER, ORG, "viewer").await.unwrap(),
        "user disabled" => store.set_user_enabled(USER, false).await.unwrap(),
        "user deleted" => store.delete_user(USER).await.unwrap(),
        other => panic!("{other}"),
    }
}

async fn a_caller_revoked_while_sending_the_body_is_refused<
    S: ManageStore + Directory,
    F: Future<Output = S>,
>(
    make: impl Fn() -> F,
) {
    for (how, by_token) in LOSSES {
        for call in ["create", "rename", "rotate"] {
            let what = format!("{how}, {call}, by a token: {by_token}");
            let mut server = Server::start(make().await).await;
            let (target, _) = server.key("target").await;
            let (own, token) = if by_token {
                server.token().await
            } else {
                server.key("own").await
            };
            let (method, path) = match call {
                "create" => ("POST", PATH.to_owned()),
                "rename" => ("PATCH", format!("{PATH}/{}", target.id)),
                _ => ("POST", format!("{PATH}/{}/rotate", target.id)),
            };
            let body = json!({ "name": "persists" }).to_string();
            let (first, rest) = body.split_at(5);
            let mut slow = TcpStream::connect(server.address).await.unwrap();
            let head = head(method, &path, &token, &body);
            slow.write_all((head + first).as_bytes()).await.unwrap();
            server.accepted.recv().await.unwrap();

            remove_access(&server, &own, &token, how).await;
            let before = server.keys().await;
            slow.write_all(rest.as_bytes()).await.unwrap();
            let (status, body) = answer(slow).await;
            // After a revocation of everything, the requested credential is gone too.
            let gone = how == "all revoked" && call != "create" && status == 409;
            assert!(status == 403 || gone, "{what}: {status} {body}");
            assert!(!body.contains("pat_key"), "{what}: {body}");
            assert_eq!(server.keys().await, before, "{what}");
        }
    }
}

#[tokio::test]
async fn a_caller_revoked_while_sending_the_body_is_refused_over_memory() {
    a_caller_revoked_while_sending_the_body_is_refused(async || MemoryStore::new()).await;
    a_caller_revoked_while_sending_the_body_is_refused(async || Cached::new(MemoryStore::new()))
        .await;
}

#[tokio::test]
async fn a_caller_revoked_while_sending_the_body_is_refused_over_sqlite() {
    let make = async || Cached::new(SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap());
    a_caller_revoked_while_sending_the_body_is_refused(make).await;
}

/// How many connections the bearer of a leaked key uses to rename it.
const CONNECTIONS: usize = 48;

/// Renames the key on one connection after another until a request is refused.
async fn rename_without_end(
    address: SocketAddr,
    token: String,
    id: String,
    number: usize,
) -> usize {
    for turn in 0.. {
        let body = json!({ "name": format!("{number}-{turn}") }).to_string();
        let (status, _) = send(address, "PATCH", &format!("{PATH}/{id}"), &token, &body).await;
        match status {
            // With many concurrent renames, some must retry.
            204 | 409 | 503 => {}
            // Deleted before the request, or between its decision and its change.
            401 | 403 => return turn,
            other => panic!("unexpected status of a rename: {other}"),
        }
    }
    0
}

async fn a_key_under_constant_renaming_is_deleted_at_once<S: ManageStore + Directory>(store: S) {
    let server = Server::start(store).await;
    let (_, admin) = server.key("admin").await;
    for round in 0..3 {
        let (leaked, token) = server.key("leaked").await;
        let id = leaked.id.as_str().to_owned();
        let storm = (0..CONNECTIONS).map(|number| {
            tokio::spawn(rename_without_end(
                server.address,
                token.clone(),
                id.clone(),
                number,
            ))
        });
        let storm = storm.collect::<Vec<_>>();
        // Every connection has renamed the key before it is deleted.
        let renamed = async || {
            let events = server
                .manager
                .events(&org(), Kind::OrgKey, None, 200)
                .await
                .unwrap();
            events
                .iter()
                .filter(|event| event.credential == leaked.id)
                .count()
        };
        while renamed().await < CONNECTIONS {
            tokio::task::yield_now().await;
        }
        let path = format!("{PATH}/{id}");
        let (status, body) = send(server.address, "DELETE", &path, &admin, "").await;
        assert_eq!(status, 204, "round {round}: {body}");
        let (status, _) = send(server.address, "GET", "/agents", &token, "").await;
        assert_eq!(status, 401, "round {round}: the deleted key is accepted");
        for task in storm {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_constant_renaming_is_deleted_at_once_over_memory() {
    a_key_under_constant_renaming_is_deleted_at_once(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_constant_renaming_is_deleted_at_once_over_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("test.db"), Catalogue::anyreach());
    a_key_under_constant_renaming_is_deleted_at_once(Cached::new(store.await.unwrap())).await;
}
