//! The pages over a store in memory, for one person who is always signed in. Open the address that
//! it prints in a browser.
//!
//! ```text
//! cargo run --package tower-api-key-admin --features pages --example pages [ADDRESS]
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderName, StatusCode, header::LOCATION},
    routing::get,
};
use tower_api_key::{
    AuthLayer, LastUse,
    clock::{Clock, SystemClock, UnixMillis},
    condition::RequestHead,
    credential::{Kind, TokenFormat},
    manage::Manager,
    store::{Directory, MemoryStore, StoreError},
};
use tower_api_key_admin::{
    Admin,
    pages::{Membership, Pages, Session, SessionReader, is_local_path},
};

const ORGANIZATION: &str = "org_example";
const USER: &str = "user_example";

/// The only session. Yours come from a cookie.
#[derive(Clone)]
struct OneSession {
    id: Arc<str>,
    signed_in_at: Arc<AtomicI64>,
}

#[tower_api_key::async_trait]
impl SessionReader for OneSession {
    async fn session(&self, _: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
        let signed_in_at = UnixMillis(self.signed_in_at.load(Ordering::Relaxed));
        let membership = Membership::in_role(ORGANIZATION, "Example organization", "admin");
        let session = Session::new(USER, &self.id, signed_in_at)
            .with_user_name("Example person")
            .with_membership(membership)
            .acting_in(ORGANIZATION);
        Ok(Some(session))
    }

    fn sign_in_url(&self) -> &str {
        "/sign-in"
    }
}

/// Signs in again. A real one asks for a password.
async fn sign_in(
    State(session): State<OneSession>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> (StatusCode, [(HeaderName, String); 1]) {
    let now = SystemClock::default().now();
    session.signed_in_at.store(now.0, Ordering::Relaxed);
    let is_return = |(name, value): &(String, String)| name == "return_to" && is_local_path(value);
    let return_to = parameters.into_iter().find(is_return);
    let return_to = return_to.map_or("/api-keys".to_owned(), |(_, path)| path);
    (StatusCode::SEE_OTHER, [(LOCATION, return_to)])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:3000");
    let listener = tokio::net::TcpListener::bind(address).await?;
    let store = MemoryStore::new();
    store.create_organization(ORGANIZATION, None).await?;
    store.create_user(USER).await?;
    store.set_member(USER, ORGANIZATION, "admin").await?;
    let manager = Manager::new(store);
    let uses = LastUse::new();
    tokio::spawn(manager.clone().run_usage_recorder(uses.clone()));

    let random = TokenFormat::default().mint(Kind::PersonalToken)?;
    let session = OneSession {
        id: random.secret.expose_secret().into(),
        signed_in_at: Arc::new(AtomicI64::new(SystemClock::default().now().0)),
    };
    let at = format!("http://{}", listener.local_addr()?);
    let pages = Pages::new(manager.clone(), session.clone())
        .with_example_url(&format!("{at}/v1/members/me"));
    let auth = AuthLayer::new(manager.store().clone()).with_last_use(uses);
    let api = Admin::new(manager).organization_routes().layer(auth);
    let app = Router::new()
        .route("/sign-in", get(sign_in))
        .with_state(session)
        .nest("/v1", api)
        .merge(pages.organization_routes())
        .merge(pages.personal_routes());
    println!("{at}/api-keys");
    println!("{at}/account/tokens");
    axum::serve(listener, app).await?;
    Ok(())
}
