//! A minimal hand-written layer around a synchronous check of the bearer token.

use std::{
    collections::HashMap,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use prefixed_api_key::{PakControllerOsSha256, PrefixedApiKey};
use tower_layer::Layer;
use tower_service::Service;

/// Accepts requests whose bearer token passes `check`, and inserts its result into the extensions.
#[derive(Debug)]
pub(crate) struct CheckedLayer<F>(Arc<F>);

impl<F> CheckedLayer<F> {
    pub(crate) fn new(check: F) -> Self {
        Self(Arc::new(check))
    }
}

impl<F> Clone for CheckedLayer<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, F> Layer<S> for CheckedLayer<F> {
    type Service = Checked<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Checked {
            inner,
            check: Arc::clone(&self.0),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Checked<S, F> {
    inner: S,
    check: Arc<F>,
}

impl<S: Clone, F> Clone for Checked<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            check: Arc::clone(&self.check),
        }
    }
}

impl<S, F, T, ReqB, ResB> Service<Request<ReqB>> for Checked<S, F>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    F: Fn(&str) -> Option<T>,
    T: Clone + Send + Sync + 'static,
    ResB: Default,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<ResB>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        match bearer(request.headers()).and_then(|token| (self.check)(token)) {
            Some(caller) => {
                request.extensions_mut().insert(caller);
                Either::Accepted {
                    future: self.inner.call(request),
                }
            }
            None => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Either::Refused {
                    future: ready(Ok(response)),
                }
            }
        }
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

pin_project! {
    #[project = EitherProj]
    pub(crate) enum Either<A, B> {
        Accepted { #[pin] future: A },
        Refused { #[pin] future: B },
    }
}

impl<A: Future<Output = T>, B: Future<Output = T>, T> Future for Either<A, B> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.project() {
            EitherProj::Accepted { future } => future.poll(cx),
            EitherProj::Refused { future } => future.poll(cx),
        }
    }
}

/// The crate `prefixed-api-key`: returns a key and a check that looks up its hash by the short
/// token.
pub(crate) fn prefixed_api_key() -> (String, impl Fn(&str) -> Option<Arc<str>> + Clone) {
    let controller = PakControllerOsSha256::configure()
        .prefix("test".to_owned())
        .seam_defaults()
        .finalize()
        .unwrap();
    let (key, hash) = controller.generate_key_and_hash();
    let hashes = HashMap::from([(
        key.short_token().to_owned(),
        (hash, Arc::from("test_caller")),
    )]);
    let check = move |token: &str| {
        let key = PrefixedApiKey::from_string(token).ok()?;
        let (hash, caller) = hashes.get(key.short_token())?;
        controller
            .check_hash(&key, hash)
            .then(|| Arc::clone(caller))
    };
    (key.to_string(), check)
}
