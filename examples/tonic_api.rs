//! A gRPC service on tonic behind the layer, and a client that calls it with and without a key.
//!
//! ```text
//! cargo run --features tonic --example tonic_api [serve]
//! ```
//!
//! With `serve` it prints its address and the key, and keeps serving. The service is
//! `grpc.health.v1.Health`, so any gRPC client can call it.

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::error::Error;
use tower_api_key::{
    AuthLayer, RequireScopesLayer,
    credential::{Kind, TokenFormat},
    require::GrpcScopes,
    secret::Secret,
    store::{Directory, ManageStore, MemoryStore, Record},
    tonic::RequestExt,
};

use http::header::AUTHORIZATION;
use tokio::net::TcpListener;
use tokio_stream::{Empty, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    server::NamedService as _,
    transport::{Channel, Server},
};
use tonic_health::pb::{
    FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

/// Reports the health of the caller's own organization.
struct OwnHealth;

#[tonic::async_trait]
impl Health for OwnHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = request.principal()?;
        println!(
            "server: {} asks for {:?}",
            caller.credential_id(),
            caller.organization()
        );
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("this example only checks"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::new();
    let key = mint(&store).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let auth = AuthLayer::new(store);
    let health = GrpcScopes::new(HealthServer::<OwnHealth>::NAME)
        .any("Check", ["agents:read", "agents:manage"])
        .denied("Watch") // this example only checks
        .with_descriptor_set(FILE_DESCRIPTOR_SET);
    let scopes = RequireScopesLayer::by_grpc_method([health])?.with_responses_of(&auth);
    let server = Server::builder()
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION])) // outside of layers that log headers
        .layer(auth)
        .layer(scopes)
        .add_service(HealthServer::new(OwnHealth))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = tokio::signal::ctrl_c().await; // calls under way are answered
        });

    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("{address} {}", key.expose_secret());
        return Ok(server.await?);
    }
    let server = tokio::spawn(server);
    call(format!("http://{address}"), &key).await?;
    server.abort();
    Ok(())
}

async fn call(address: String, key: &Secret) -> Result<(), Box<dyn Error>> {
    let channel = Channel::from_shared(address)?.connect().await?;
    let mut client = HealthClient::new(channel);

    if let Err(refused) = client.check(HealthCheckRequest::default()).await {
        println!(
            "client: without a key: {:?}: {}",
            refused.code(),
            refused.message()
        );
    }

    let mut request = Request::new(HealthCheckRequest::default());
    let bearer = MetadataValue::try_from(format!("Bearer {}", key.expose_secret()))?;
    request.metadata_mut().insert("authorization", bearer);
    let status = client.check(request).await?.into_inner().status();
    println!("client: with the key: {status:?}");
    Ok(())
}

async fn mint(store: &MemoryStore) -> Result<Secret, Box<dyn Error>> {
    let key = TokenFormat::default().mint(Kind::OrgKey)?;
    store.create_organization("org_demo", None).await?;
    let record = Record::org_key(&key.id, key.digest, "org_demo");
    store
        .insert(record.with_role("viewer", store.catalogue())?)
        .await?;
    Ok(key.secret)
}
