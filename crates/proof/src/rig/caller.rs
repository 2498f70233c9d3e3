//! HTTP clients on loopback.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// The HTTP version of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two that axum serves")]
pub enum Protocol {
    /// HTTP/1.1, on as many connections as requests are in flight.
    Http1,
    /// HTTP/2 without TLS, on one connection.
    Http2,
}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

/// What a server answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header `Retry-After`.
    pub retry_after: bool,
    /// The body as text.
    pub body: String,
}

impl Caller {
    /// Creates a client of the server at `address`.
    #[must_use]
    pub fn new(address: &str, protocol: Protocol) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .http2_only(protocol == Protocol::Http2)
            .build_http();
        Self {
            client,
            address: address.to_owned(),
        }
    }

    /// Sends a request with a credential, and with an organization unless that is empty. Returns
    /// `None` if there was no answer, as from a server that was killed.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        organization: &str,
    ) -> Option<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {token}"));
        if !organization.is_empty() {
            request = request.header("x-anyreach-org", organization);
        }
        let request = request.body(Full::default()).expect("a valid request");
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status,
            retry_after: parts.headers.contains_key("retry-after"),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Sends a `GET` request for `/`. See [`send`](Self::send).
    pub async fn get(&self, token: &str, organization: &str) -> Option<Answer> {
        self.send(Method::GET, "/", token, organization).await
    }
}
