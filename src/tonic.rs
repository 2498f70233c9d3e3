//! Support for tonic 0.14: wrapped services keep their name, and a request returns its
//! [`Principal`].
//!
//! `Server::builder().layer(auth)` covers all services. To leave one open, wrap the others, which a
//! router still finds by name:
//!
//! ```
//! # async fn serve() {
//! use tonic::transport::Server;
//! use tower::Layer;
//! use tower_api_key::{AuthLayer, store::MemoryStore};
//!
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let (_other, public) = tonic_health::server::health_reporter();
//! let auth = AuthLayer::new(MemoryStore::new());
//! let server = Server::builder().add_service(auth.layer(health)).add_service(public);
//! # }
//! ```
//!
//! For scopes by method, see [`GrpcScopes`](crate::require::GrpcScopes).
//!
//! A refused call gets the status `UNAUTHENTICATED`, `PERMISSION_DENIED`, `UNAVAILABLE` or
//! `INTERNAL`. A request that is not a gRPC call gets an ordinary HTTP refusal
//! ([guide](crate::guide::refusals#grpc)).

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tonic::{
    Code, Request, Status,
    body::Body,
    server::NamedService,
    service::interceptor::{InterceptedService, ResponseBody},
};
use tower_service::Service;

use crate::{
    either_auth::{CallerRequired, EitherAuth},
    every_route::EveryRouteDecides,
    principal::Principal,
    public::PublicService,
    rejection::{Denial, RefusalBody, Rejection},
    require::RequireService,
    service::AuthService,
};

impl RefusalBody for Body {
    const SPEAKS_GRPC: bool = true;

    fn from_text(text: String) -> Self {
        Self::new(text)
    }
}

/// The response body of a service with an interceptor, `MyServer::with_interceptor`.
impl<B: RefusalBody> RefusalBody for ResponseBody<B> {
    const SPEAKS_GRPC: bool = B::SPEAKS_GRPC;

    fn from_text(text: String) -> Self {
        wrap(B::from_text(text))
    }

    fn empty() -> Self {
        wrap(B::empty())
    }
}

/// Only an [`InterceptedService`] can create this body, so `body` is passed through one. Nothing in
/// it waits.
fn wrap<B: RefusalBody>(body: B) -> ResponseBody<B> {
    let interceptor = |request: Request<()>| Ok::<_, Status>(request);
    let mut response =
        pin!(InterceptedService::new(Given(Some(body)), interceptor).call(http::Request::new(())));
    loop {
        match response
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Ok(response)) => return response.into_body(),
            Poll::Ready(Err(never)) => match never {},
            Poll::Pending => {}
        }
    }
}

/// A service that answers with the body that it was created with.
struct Given<B>(Option<B>);

impl<B: RefusalBody> Service<http::Request<()>> for Given<B> {
    type Response = http::Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Self::Future {
        ready(Ok(http::Response::new(
            self.0.take().unwrap_or_else(B::empty),
        )))
    }
}

impl<Inner: NamedService, S, R> NamedService for AuthService<Inner, S, R> {
    const NAME: &'static str = Inner::NAME;
}

impl<Ours: NamedService, Other, C> NamedService for EitherAuth<Ours, Other, C> {
    const NAME: &'static str = Ours::NAME;
}

impl<Inner: NamedService, C, R> NamedService for CallerRequired<Inner, C, R> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService> NamedService for PublicService<Inner> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService, R> NamedService for EveryRouteDecides<Inner, R> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService, L> NamedService for RequireService<Inner, L> {
    const NAME: &'static str = Inner::NAME;
}

/// Returns the caller from a handler's request.
///
/// ```
/// use tonic::{Request, Response, Status};
/// use tower_api_key::tonic::RequestExt;
///
/// async fn whoami(request: Request<()>) -> Result<Response<String>, Status> {
///     let caller = request.principal()?;
///     Ok(Response::new(format!("{:?}", caller.organization())))
/// }
/// ```
pub trait RequestExt {
    /// Returns the caller.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` behind an optional or public layer when the request is unauthenticated,
    /// and when another authenticator decided about it.
    /// `INTERNAL` when there is no [`AuthLayer`](crate::AuthLayer) around the service; the fix is
    /// logged.
    fn principal(&self) -> Result<&Principal, Status>;
}

impl<T> RequestExt for Request<T> {
    fn principal(&self) -> Result<&Principal, Status> {
        Principal::of(self.extensions()).map_err(|cause| {
            let rejection = Rejection::new(Denial::from(cause), &Arc::default());
            rejection.report(None);
            rejection.into()
        })
    }
}

/// Keeps the reason's code and text, and drops the cause.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        Self::new(
            Code::from(i32::from(rejection.reason().grpc_code())),
            rejection.detail(),
        )
    }
}
