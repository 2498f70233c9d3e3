//! The endpoints over a store in memory, and their OpenAPI document at `/openapi.json`. It prints a
//! key of an organization, a token of a person, and `curl` lines to try them with.
//!
//! ```text
//! cargo run --package tower-api-key-admin --example openapi [ADDRESS]
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it does")]
#![allow(clippy::expect_used, reason = "an example ends at what cannot be")]

use std::error::Error;

use axum::{Json, Router, routing::get};
use tower_api_key::{
    AuthLayer, PublicLayer,
    credential::Kind,
    manage::{Actor, Manager, NewKey, NewToken},
    secret::Secret,
    store::{Directory, MemoryStore, Owner},
};
use tower_api_key_admin::{Admin, refusal};
use utoipa::openapi::{Info, OpenApi};

const ORGANIZATION: &str = "org_example";
const USER: &str = "user_example";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:3000");
    let listener = tokio::net::TcpListener::bind(address).await?;
    let manager = Manager::new(MemoryStore::new());
    let [key, token] = first_credentials(&manager).await?;
    let at = format!("http://{}", listener.local_addr()?);
    println!("KEY='{}'", key.expose_secret());
    println!("TOKEN='{}'", token.expose_secret());
    println!("curl {at}/openapi.json");
    println!("curl -H \"Authorization: Bearer $KEY\" {at}/admin/organization-pats");
    println!("curl -H \"Authorization: Bearer $TOKEN\" {at}/account/personal-tokens");
    axum::serve(listener, router(manager)).await?;
    Ok(())
}

/// The endpoints behind their layers, and the document of both.
fn router(manager: Manager<MemoryStore>) -> Router {
    let auth = AuthLayer::new(manager.store().clone()).with_responder(refusal);
    let admin = Admin::new(manager);
    let info = Info::new("Credentials of an example", "1.0.0");
    let document = OpenApi::new(info, utoipa::openapi::Paths::new())
        .nest("/admin", admin.organization_openapi())
        .nest("/account", admin.personal_openapi());
    let served = get(async move || Json(document.clone())).layer(PublicLayer::new());
    Router::new()
        .nest("/admin", admin.organization_routes().layer(auth.clone()))
        .nest(
            "/account",
            admin.personal_routes().layer(auth.user_scoped()),
        )
        .route("/openapi.json", served)
}

/// A key of an organization and a token of a person in it, who may do everything.
async fn first_credentials(manager: &Manager<MemoryStore>) -> Result<[Secret; 2], Box<dyn Error>> {
    let store = manager.store();
    store.create_organization(ORGANIZATION, None).await?;
    store.create_user(USER).await?;
    store.set_member(USER, ORGANIZATION, "admin").await?;
    let owner = Owner::of(Kind::OrgKey, ORGANIZATION);
    let key = NewKey::named("first").with_role("admin");
    let (operator, user) = (Actor::operator("setup", owner), Actor::user(USER));
    let key = manager.issue_key(&operator, key).await?.into_secret();
    let token = manager.issue_token(&user, NewToken::named("first"));
    let token = token.await?.into_secret();
    Ok([key, token].map(|secret| secret.expect("it is new")))
}
