//! A node: the service that is soaked, in a process of its own.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
};
use tower_api_key::{
    AuthLayer, LastUse, Principal,
    credential::Kind,
    manage::{Actor, Issued, ManageError, Manager, NewKey, Rotation},
    scope::Catalogue,
    store::{Cached, Feed, ManageStore},
};
use tower_api_key_sqlx::{PostgresStore, SqliteStore};

use crate::misses::Misses;

/// Refusals that a node keeps: so few that their table is full within the first minute, and what
/// grows later is not the table.
const REFUSALS: usize = 1_000;

type Managed<S> = State<Manager<Cached<S>>>;

/// Serves the database at `place`: a URL and its schema, or a file. Answers each line on standard
/// input with the number of lookups that waited for the store.
pub(crate) async fn serve(place: &str, schema: Option<&str>) {
    let misses = Misses::default();
    metrics::set_global_recorder(misses.clone()).unwrap();
    let catalogue = Catalogue::anyreach();
    match schema {
        Some(schema) => {
            let store = PostgresStore::connect(place, catalogue).await.unwrap();
            let store = store.with_schema(schema).unwrap();
            let feed = store.feed().await.unwrap();
            start(store, feed).await;
        }
        None => {
            let store = SqliteStore::open(place, catalogue).await.unwrap();
            let feed = store.feed().await.unwrap();
            start(store, feed).await;
        }
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        println!("{}", misses.count());
    }
}

async fn start<S: ManageStore>(store: S, feed: impl Feed) {
    let cache = Cached::new(store)
        .with_ttl(Duration::MAX)
        .with_negative_capacity(REFUSALS);
    tokio::spawn(cache.follow(feed));
    let (uses, manager) = (LastUse::new(), Manager::new(cache.clone()));
    let manager = manager.with_max_credentials(100_000);
    tokio::spawn(manager.clone().run_usage_recorder(uses.clone()));
    let router = Router::new()
        .route(
            "/",
            get(async |caller: Principal| caller.credential_id().to_string()),
        )
        .route("/keys", post(issue::<S>))
        .route("/keys/{id}", delete(revoke::<S>))
        .route("/keys/{id}/rotate", post(rotate::<S>))
        .with_state(manager)
        .layer(AuthLayer::new(cache).with_last_use(uses));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
}

fn answer(issued: Issued) -> (StatusCode, String) {
    let (info, secret) = issued.into_parts();
    let secret = secret.expect("it is shown once");
    (
        StatusCode::CREATED,
        format!("{} {}", info.id, secret.expose_secret()),
    )
}

async fn issue<S: ManageStore>(
    State(manager): Managed<S>,
    caller: Principal,
) -> Result<(StatusCode, String), ManageError> {
    let key = NewKey::named("soak").with_role("viewer");
    let issued = manager
        .issue_key(&Actor::from_principal(&caller), key)
        .await?;
    Ok(answer(issued))
}

async fn rotate<S: ManageStore>(
    State(manager): Managed<S>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<(StatusCode, String), ManageError> {
    let actor = Actor::from_principal(&caller);
    let rotated = manager
        .rotate(&actor, Kind::OrgKey, &id, Rotation::default())
        .await?;
    Ok(answer(rotated))
}

async fn revoke<S: ManageStore>(
    State(manager): Managed<S>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, ManageError> {
    manager
        .delete(&Actor::from_principal(&caller), Kind::OrgKey, &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
