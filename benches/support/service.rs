//! The trivial service behind every layer, and calls polled by hand.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use tower_service::Service;

/// Answers at once and returns the request's headers, extensions and body in the response.
///
/// A loop can reuse one request indefinitely, so that building its header map, which costs more
/// than most layers, is not measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let mut response = Response::new(body);
        *response.headers_mut() = parts.headers;
        *response.extensions_mut() = parts.extensions;
        ready(Ok(response))
    }
}

/// The state of a request's extensions when it reaches the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extensions {
    /// Never used: the first insert allocates the map.
    Empty,
    /// Used by an outer layer, as routers do: the map exists.
    Warm,
}

/// Calls a service that answers at the first poll.
pub(crate) fn call<S, B>(service: &mut S, request: Request<B>) -> Response<B>
where
    S: Service<Request<B>, Response = Response<B>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) else {
        panic!("the service is not ready")
    };
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(_)) => panic!("the service failed"),
        Poll::Pending => panic!("the service did not answer at once"),
    }
}

/// Lets calls use the clock of a runtime, which the deadline of a lookup needs.
pub(crate) fn with_timer<T>(measure: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    measure()
}

/// Turns the last response into the next request.
pub(crate) fn recycle<B>(response: Response<B>, extensions: Extensions) -> Request<B> {
    let (parts, body) = response.into_parts();
    let mut request = Request::new(body);
    *request.headers_mut() = parts.headers;
    if extensions == Extensions::Warm {
        *request.extensions_mut() = parts.extensions;
        request.extensions_mut().clear(); // keeps the map
    }
    request
}

/// A service and the request that passes through it repeatedly. Panics if a call is not accepted.
pub(crate) struct Loop<S, B> {
    service: S,
    request: Option<Request<B>>,
    extensions: Extensions,
}

impl<S, B> Loop<S, B>
where
    S: Service<Request<B>, Response = Response<B>>,
{
    pub(crate) fn new(service: S, mut request: Request<B>, extensions: Extensions) -> Self {
        if extensions == Extensions::Warm {
            request.extensions_mut().insert(extensions);
            request.extensions_mut().clear();
        }
        Self {
            service,
            request: Some(request),
            extensions,
        }
    }

    pub(crate) fn once(&mut self) {
        let response = call(&mut self.service, self.request.take().unwrap());
        assert!(
            response.status().is_success(),
            "{} {:?}",
            response.status(),
            response.extensions()
        );
        self.request = Some(recycle(response, self.extensions));
    }

    pub(crate) fn times(&mut self, calls: u32) {
        for _ in 0..calls {
            self.once();
        }
    }
}
