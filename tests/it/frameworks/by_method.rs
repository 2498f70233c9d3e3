//! A table of scopes around tonic's server: each method of a service needs its own.

use std::net::SocketAddr;

use tokio::task::JoinSet;
use tonic::{
    Code, Request, Status,
    server::NamedService as _,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    FILE_DESCRIPTOR_SET, HealthCheckRequest, health_client::HealthClient,
    health_server::HealthServer,
};
use tower_api_key::{AuthLayer, RequireScopesLayer, require::GrpcScopes};

use super::greeter::{greeter, listen};
use crate::support::{holding, key};

fn health() -> GrpcScopes {
    GrpcScopes::new(HealthServer::<()>::NAME)
}

/// Serves the greeter behind a table until the set is dropped.
async fn serve(table: GrpcScopes) -> (JoinSet<()>, SocketAddr) {
    let (listener, address) = listen().await;
    let auth = AuthLayer::new(holding(&["agents:read"]));
    let scopes = RequireScopesLayer::by_grpc_method([table]).unwrap();
    let serving = Server::builder()
        .layer(auth.clone())
        .layer(scopes.with_responses_of(&auth))
        .add_service(greeter())
        .serve_with_incoming(TcpIncoming::from(listener));
    let mut server = JoinSet::new();
    server.spawn(async move { serving.await.unwrap() });
    (server, address)
}

/// Calls both methods and returns their statuses.
async fn call_both(address: SocketAddr, token: Option<String>) -> [Status; 2] {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let request = || {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(token) = &token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    let check = client.check(request()).await.map(drop);
    let watch = client.watch(request()).await.map(drop);
    [check, watch].map(|answer| answer.err().unwrap_or(Status::ok("")))
}

#[tokio::test]
async fn each_method_of_a_tonic_service_needs_its_own_scopes() {
    let reads = || health().any("Check", ["agents:read"]);
    let denied = (
        Code::PermissionDenied,
        "Token does not grant access to this action",
    );
    let reached = (Code::Unimplemented, "not part of the test");
    for (table, check, watch) in [
        (
            reads().any("Watch", ["agents:read"]),
            (Code::Ok, ""),
            reached,
        ),
        (
            reads().any("Watch", ["agents:manage"]),
            (Code::Ok, ""),
            denied,
        ),
        (reads().denied("Watch"), (Code::Ok, ""), denied),
        (
            health().denied("Check").authenticated("Watch"),
            denied,
            reached,
        ),
    ] {
        let (_server, address) = serve(table.with_descriptor_set(FILE_DESCRIPTOR_SET)).await;
        let statuses = call_both(address, Some(key("held"))).await;
        let found = statuses
            .each_ref()
            .map(|status| (status.code(), status.message()));
        assert_eq!(found, [check, watch]);
    }
    let (_server, address) = serve(reads()).await;
    let [check, watch] = call_both(address, Some(key("held"))).await;
    assert_eq!(
        (check.code(), watch.code()),
        (Code::Ok, denied.0),
        "not listed"
    );
    for status in call_both(address, None).await {
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}
