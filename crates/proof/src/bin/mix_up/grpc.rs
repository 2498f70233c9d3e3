//! A tonic server, and one connection to it.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_stream::{Empty, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Server},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower_api_key::{AuthLayer, store::CredentialStore, tonic::RequestExt};

use crate::{
    Answers,
    credentials::{Credential, seen},
    in_parallel, numbers,
};

const CALLER: &str = "x-test-caller";

/// Answers with the caller that it sees.
struct OwnHealth;

#[tonic::async_trait]
impl Health for OwnHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = seen(request.principal()?);
        let mut response = Response::new(HealthCheckResponse::default());
        let caller = MetadataValue::try_from(caller).map_err(|_| Status::internal("no text"))?;
        response.metadata_mut().insert(CALLER, caller);
        Ok(response)
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only checks"))
    }
}

pub(crate) async fn run(
    store: impl CredentialStore,
    all: &Arc<Vec<Credential>>,
    requests: usize,
) -> Answers {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(AuthLayer::new(store))
        .add_service(HealthServer::new(OwnHealth))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let client = HealthClient::new(channel.connect().await.unwrap());
    let answers = in_parallel(requests, |first| {
        send(client.clone(), Arc::clone(all), first, requests)
    });
    let answers = answers.await;
    server.abort();
    answers
}

async fn send(
    mut client: HealthClient<Channel>,
    all: Arc<Vec<Credential>>,
    first: usize,
    requests: usize,
) -> Answers {
    let mut answers = Answers::default();
    for number in numbers(first, requests) {
        let credential = &all[number * 7 % all.len()];
        let mut request = Request::new(HealthCheckRequest::default());
        let bearer = format!("Bearer {}", credential.token);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer.parse().unwrap());
        if !credential.named.is_empty() {
            metadata.insert("x-anyreach-org", credential.named.parse().unwrap());
        }
        let answer = client.check(request).await.ok();
        let caller = answer
            .as_ref()
            .and_then(|answer| answer.metadata().get(CALLER));
        answers.add(
            &credential.caller(),
            caller.and_then(|caller| caller.to_str().ok()),
        );
    }
    answers
}
