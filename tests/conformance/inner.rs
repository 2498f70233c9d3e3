//! The services behind the layer, which record the principals they receive.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Extensions, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::watch;
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt as _};
use tower_api_key::Principal;
use tower_api_key::credential::Kind;

use super::BoxError;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Shared by all services behind the layer of one server.
#[derive(Debug)]
pub(crate) struct Probe {
    calls: Mutex<Vec<Value>>,
    /// The response of the plain service, if it is not the principal.
    answer: Option<(StatusCode, String)>,
    entered: watch::Sender<usize>,
    held: watch::Sender<bool>,
}

impl Probe {
    /// Reads the inner service as the corpus writes it, such as `401 with body 'inner'`.
    pub(super) fn read(text: Option<&str>) -> Result<Self, BoxError> {
        let answer = match text {
            // It always does: see `Inner`.
            None | Some("panics when called before poll_ready") => None,
            Some(text) => {
                let (status, body) = text
                    .split_once(" with body ")
                    .ok_or_else(|| format!("unknown inner service: {text}"))?;
                Some((status.parse()?, body.trim_matches('\'').to_owned()))
            }
        };
        let (entered, held) = (watch::Sender::new(0), watch::Sender::new(false));
        Ok(Self {
            calls: Mutex::default(),
            answer,
            entered,
            held,
        })
    }

    /// Takes the principals of the calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<Value> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds calls inside the service, or releases them.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Waits until this many calls have arrived.
    pub(crate) async fn until_entered(&self, count: usize) {
        let _ = self
            .entered
            .subscribe()
            .wait_for(|entered| *entered >= count)
            .await;
    }

    async fn enter(&self, principal: Value) {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(principal);
        self.entered.send_modify(|entered| *entered += 1);
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }
}

/// The principal in a request's extensions as JSON, `null` if there is none.
fn describe(extensions: &Extensions) -> Value {
    let Some(principal) = extensions.get::<Principal>() else {
        return Value::Null;
    };
    let kind = match principal.kind() {
        Kind::OrgKey => "org_key",
        Kind::PersonalToken => "pat",
    };
    json!({
        "kind": kind,
        "credential_id": principal.credential_id(),
        "org": principal.organization(),
        "user": principal.user(),
        "scopes": principal.scopes().iter().collect::<Vec<_>>(),
    })
}

/// The plain service: answers every method with the principal it received.
///
/// It panics if it is called before it reported readiness, so every case proves that the layer
/// keeps Tower's contract. A clone is never ready.
pub(super) struct Inner {
    probe: Arc<Probe>,
    ready: bool,
}

impl Inner {
    pub(super) fn new(probe: Arc<Probe>) -> Self {
        Self {
            probe,
            ready: false,
        }
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.probe))
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        let principal = describe(request.extensions());
        let probe = Arc::clone(&self.probe);
        Box::pin(async move {
            probe.enter(principal.clone()).await;
            let (status, body) = probe
                .answer
                .clone()
                .unwrap_or((StatusCode::OK, principal.to_string()));
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            if probe.answer.is_none() {
                let json = http::HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
            }
            Ok(response)
        })
    }
}

/// The gRPC service: answers any unary call with the principal it received, as the text of a
/// `StringValue`.
#[derive(Clone)]
pub(super) struct Echo(Inner);

impl Echo {
    pub(super) fn new(probe: Arc<Probe>) -> Self {
        Self(Inner::new(probe))
    }
}

impl Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.0.ready),
            "called before it was ready"
        );
        let call = Unary(Arc::clone(&self.0.probe));
        Box::pin(async move {
            let codec = ProstCodec::<String, ()>::default();
            Ok(tonic::server::Grpc::new(codec).unary(call, request).await)
        })
    }
}

/// One call, after tonic has read its message.
struct Unary(Arc<Probe>);

impl tonic::server::UnaryService<()> for Unary {
    type Response = String;
    type Future = BoxFuture<Result<tonic::Response<String>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<()>) -> Self::Future {
        let principal = describe(request.extensions());
        let probe = Arc::clone(&self.0);
        Box::pin(async move {
            probe.enter(principal.clone()).await;
            Ok(tonic::Response::new(principal.to_string()))
        })
    }
}

/// Routes the plain paths of a wildcard to one service and everything else to another.
///
/// A public route with a wildcard also matches targets such as `%2e%2e/agents`, which a proxy or
/// file system behind it might resolve to something that is not public. So only paths with a single
/// reading are open.
#[derive(Clone)]
pub(super) struct PlainPath<P, Q> {
    pub(super) plain: P,
    pub(super) other: Q,
}

impl<P, Q> Service<Request<Body>> for PlainPath<P, Q>
where
    P: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    Q: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let segment =
            |part: &str| !part.starts_with('.') && !part.is_empty() && part.bytes().all(unreserved);
        if request.uri().path().split('/').skip(1).all(segment) {
            Box::pin(self.plain.clone().oneshot(request))
        } else {
            Box::pin(self.other.clone().oneshot(request))
        }
    }
}

/// The characters that stand for themselves in every part of a URI (RFC 3986, 2.3).
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
