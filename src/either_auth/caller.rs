//! What is behind the other authenticator: the inner service, for requests with a caller only.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    future::ResponseFuture,
    rejection::{Cause, RefusalStyle, Rejection, Responder},
};

/// The inner service behind the other authenticator of an
/// [`EitherAuthLayer`](crate::EitherAuthLayer): it is called only if a `C` is in the request's
/// extensions. Otherwise the other authenticator decided nothing, and the answer is 500.
///
/// You name this type only where a layer of your own, as the other authenticator, is not generic
/// over the service that it wraps.
pub struct CallerRequired<Inner, C, R> {
    inner: Inner,
    style: Arc<RefusalStyle<R>>,
    caller: PhantomData<fn() -> C>,
}

impl<Inner, C, R> CallerRequired<Inner, C, R> {
    pub(super) fn new(inner: Inner, style: Arc<RefusalStyle<R>>) -> Self {
        Self {
            inner,
            style,
            caller: PhantomData,
        }
    }

    /// Reports that there is no caller, and builds the response.
    #[cold]
    fn refuse<ReqB, ResB>(&self, request: &Request<ReqB>) -> Response<ResB>
    where
        R: Responder<ResB>,
    {
        let rejection = Rejection::new(Cause::NoOtherCaller.into(), &self.style.messages);
        rejection.report(None);
        self.style.refuse(rejection, request)
    }
}

impl<Inner, C, R, ReqB, ResB> Service<Request<ReqB>> for CallerRequired<Inner, C, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    C: Send + Sync + 'static,
    R: Responder<ResB>,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        if request.extensions().get::<C>().is_some() {
            return ResponseFuture::forwarded(self.inner.call(request), None);
        }
        self.inner = self.inner.clone(); // gives the readiness back
        ResponseFuture::answered(self.refuse(&request), None)
    }
}

impl<Inner: Clone, C, R> Clone for CallerRequired<Inner, C, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            style: Arc::clone(&self.style),
            caller: PhantomData,
        }
    }
}

impl<Inner: fmt::Debug, C, R> fmt::Debug for CallerRequired<Inner, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerRequired")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
