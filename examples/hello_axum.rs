//! The smallest axum service behind API keys: one route, one key, kept in memory.
//!
//! ```text
//! cargo run --features axum --example hello_axum
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use axum::{Router, routing::get};
use tower_api_key::{AuthLayer, Principal, credential::*, store::*};

async fn hello(caller: Principal) -> String {
    format!("hello, {}\n", caller.organization().unwrap_or("nobody"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    store.create_organization("org_1", None).await?;
    let key = TokenFormat::default().mint(Kind::OrgKey)?;
    let record = Record::org_key(&key.id, key.digest, "org_1");
    store
        .insert(record.with_role("viewer", store.catalogue())?)
        .await?;

    let app = Router::new()
        .route("/", get(hello))
        .layer(AuthLayer::new(store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!(
        "curl http://127.0.0.1:3000 -H 'authorization: Bearer {}'",
        key.secret.expose_secret()
    );
    axum::serve(listener, app).await?;
    Ok(())
}
