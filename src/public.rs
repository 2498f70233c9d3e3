//! [`PublicLayer`]: a route's own mark that it is open to everybody.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::service::pass;

/// Stands where an [`AuthLayer`](crate::AuthLayer) would, on a route that takes calls without a credential.
///
/// The credential is not looked at: no look-up, no principal, and the store may be down. A principal that somebody put
/// into the request's extensions is taken out, and an `Authorization` value is marked sensitive.
///
/// Leaving the authentication layer off does the same but for the last point. No pattern over paths is offered, since it
/// would have to read a path exactly as the router does: each route says by itself that it is public.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PublicLayer;

impl PublicLayer {
    /// Makes the layer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<Inner> Layer<Inner> for PublicLayer {
    type Service = PublicService<Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        PublicService { inner }
    }
}

/// A service behind a [`PublicLayer`].
#[derive(Clone, Copy, Debug)]
pub struct PublicService<Inner> {
    inner: Inner,
}

impl<Inner: Service<Request<B>>, B> Service<Request<B>> for PublicService<Inner> {
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        pass(&mut request);
        self.inner.call(request)
    }
}
