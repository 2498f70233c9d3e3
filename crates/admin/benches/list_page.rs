//! How long the server takes for the first page of the list of 1000 keys, in a SQLite file.
//!
//! ```text
//! cargo bench --package tower-api-key-admin --features pages --bench list_page
//! ```
//!
//! The median of 201 requests, through the router, without a network; and for comparison that of
//! reading the same page of the list from the manager.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed measurement must stop the bench"
)]

use std::time::{Duration, Instant};

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_api_key::{
    clock::{Clock as _, SystemClock},
    condition::RequestHead,
    credential::Kind,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{Directory as _, Filter, StoreError},
};
use tower_api_key_admin::pages::{Membership, Pages, Session, SessionReader};
use tower_api_key_sqlx::SqliteStore;

const KEYS: u32 = 1_000;
const TURNS: usize = 201;

/// Somebody who is always signed in.
struct SignedIn;

#[tower_api_key::async_trait]
impl SessionReader for SignedIn {
    async fn session(&self, _: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
        let now = SystemClock::default().now();
        let membership = Membership::in_role("org_1", "Example", "admin");
        let session = Session::new("alice", "a session of the bench", now);
        Ok(Some(session.with_membership(membership).acting_in("org_1")))
    }

    fn sign_in_url(&self) -> &str {
        "/sign-in"
    }
}

/// Returns the median of how long `call` takes.
async fn median(mut call: impl AsyncFnMut()) -> Duration {
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let began = Instant::now();
        call().await;
        times.push(began.elapsed());
    }
    times.sort();
    times[TURNS / 2]
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap();
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "admin").await.unwrap();
    let manager = Manager::new(store).with_max_credentials(2 * KEYS);
    let scopes = Catalogue::anyreach().scopes_of("admin").unwrap();
    let actor = Actor::user("alice").acting_in("org_1", scopes);
    for number in 0..KEYS {
        let new = NewKey::named(&format!("key {number}")).with_role("viewer");
        manager.issue_key(&actor, new).await.unwrap();
    }

    let app = Pages::new(manager.clone(), SignedIn).organization_routes::<()>();
    let mut size = 0;
    let page = median(async || {
        let request = Request::get("/api-keys").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        size = response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len();
    })
    .await;
    let list = median(async || {
        let all = Filter::default();
        let listed = manager.list(&actor, Kind::OrgKey, &all, None, 50).await;
        assert_eq!(listed.unwrap().items.len(), 50);
    })
    .await;
    println!("first page of {KEYS} keys: {page:.1?}, {size} bytes; the list alone: {list:.1?}");
}
