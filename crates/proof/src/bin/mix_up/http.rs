//! An axum server, and one HTTP/2 connection to it.

use std::sync::Arc;

use axum::{Router, routing::get};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tower_api_key::{AuthLayer, Principal, store::CredentialStore};

use crate::{
    Answers,
    credentials::{Credential, seen},
    in_parallel, numbers,
};

pub(crate) async fn run(
    store: impl CredentialStore,
    all: &Arc<Vec<Credential>>,
    requests: usize,
) -> Answers {
    let router = Router::new()
        .route("/", get(async |caller: Principal| seen(&caller)))
        .layer(AuthLayer::new(store));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let answers = in_parallel(requests, |first| {
        send(sender.clone(), Arc::clone(all), first, requests)
    });
    let answers = answers.await;
    server.abort();
    answers
}

async fn send(
    mut sender: SendRequest<Empty<Bytes>>,
    all: Arc<Vec<Credential>>,
    first: usize,
    requests: usize,
) -> Answers {
    let mut answers = Answers::default();
    for number in numbers(first, requests) {
        // Each task passes through all credentials, in an order of its own.
        let credential = &all[number * 7 % all.len()];
        sender.ready().await.unwrap();
        let answer = sender.send_request(request(credential)).await.unwrap();
        let ok = answer.status().is_success();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        answers.add(&credential.caller(), ok.then_some(&*body));
    }
    answers
}

fn request(credential: &Credential) -> Request<Empty<Bytes>> {
    let mut request = Request::get("http://localhost/")
        .header("authorization", format!("Bearer {}", credential.token));
    if !credential.named.is_empty() {
        request = request.header("x-anyreach-org", &credential.named);
    }
    request.body(Empty::new()).unwrap()
}
