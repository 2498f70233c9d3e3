//! A gRPC service that returns its caller: tonic's health service, whose responses carry the
//! caller's id.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tonic::{Request, Response, Status, codegen::BoxStream, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_api_key::tonic::RequestExt as _;

/// The metadata key that holds the caller's id.
const CALLER: &str = "x-test-caller";

#[derive(Debug)]
pub(crate) struct Greeter;

#[tonic::async_trait]
impl Health for Greeter {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = request.principal()?.credential_id().parse().unwrap();
        let mut response = Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        });
        response.metadata_mut().insert(CALLER, caller);
        Ok(response)
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }
}

pub(crate) fn greeter() -> HealthServer<Greeter> {
    HealthServer::new(Greeter)
}

/// A free port of the loopback interface.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Calls the greeter as a client does and returns the caller's id from the response.
pub(crate) async fn call(
    address: SocketAddr,
    metadata: &[(&'static str, &str)],
) -> Result<String, Status> {
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut request = Request::new(HealthCheckRequest {
        service: String::new(),
    });
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let response = HealthClient::new(channel).check(request).await?;
    Ok(response
        .metadata()
        .get(CALLER)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned())
}
