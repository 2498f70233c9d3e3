//! The smallest gRPC service behind API keys: a health service, one key, kept in memory.
//!
//! ```text
//! cargo run --features tonic --example hello_tonic
//! ```
//!
//! `tonic_api` has a service of its own that reads the caller, and a client.

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use tonic::transport::Server;
use tower_api_key::{AuthLayer, credential::*, store::*};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    store.create_organization("org_1", None).await?;
    let key = TokenFormat::default().mint(Kind::OrgKey)?;
    let record = Record::org_key(&key.id, key.digest, "org_1");
    store
        .insert(record.with_role("viewer", store.catalogue())?)
        .await?;

    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(AuthLayer::new(store))
        .add_service(health);
    println!(
        "send `authorization: Bearer {}` to 127.0.0.1:50051",
        key.secret.expose_secret()
    );
    server.serve("127.0.0.1:50051".parse()?).await?;
    Ok(())
}
