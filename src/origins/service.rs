//! [`AllowedOriginsService`]: the service behind the layer.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use tower_service::Service;

use super::{AllowedOriginsLayer, check::refuse};
use crate::{
    future::{Additions, ResponseFuture},
    probe::{Probe, Tag},
    rejection::{JsonResponder, Responder},
};

/// A service behind an [`AllowedOriginsLayer`].
///
/// The inner service sees a request only if its origin is allowed. It is then given to the inner
/// service that was polled ready; a refusal gives the readiness back.
pub struct AllowedOriginsService<Inner, R = JsonResponder> {
    inner: Inner,
    layer: AllowedOriginsLayer<R>,
    tag: Tag,
}

impl<Inner, R> AllowedOriginsService<Inner, R> {
    pub(super) fn new(inner: Inner, layer: AllowedOriginsLayer<R>) -> Self {
        Self {
            inner,
            layer,
            tag: Tag,
        }
    }

    /// Returns what is added to the response of the inner service: `Vary`, where another origin
    /// would have got another response.
    fn additions(&self) -> Option<Box<Additions>> {
        let vary = Some(HeaderValue::from_static("origin"));
        (!self.layer.origins.is_empty()).then(|| {
            Box::new(Additions {
                vary,
                ..Additions::default()
            })
        })
    }
}

impl<Inner, R, ReqB, ResB> Service<Request<ReqB>> for AllowedOriginsService<Inner, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    R: Responder<ResB>,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            return self.probed(&probe, request);
        }
        match self.layer.origins.verify(request.headers()) {
            Ok(()) => ResponseFuture::forwarded(self.inner.call(request), self.additions()),
            Err(cause) => {
                self.inner = self.inner.clone(); // drops the one that was polled ready
                let style = &self.layer.style;
                let grpc = style.grpc_content_type::<ResB, _>(&request);
                ResponseFuture::answered(refuse(cause, style, grpc), None)
            }
        }
    }
}

impl<Inner, R> AllowedOriginsService<Inner, R> {
    /// Notes this layer in a probe, which has no origin.
    #[cold]
    fn probed<ReqB, ResB>(
        &mut self,
        probe: &Probe,
        mut request: Request<ReqB>,
    ) -> ResponseFuture<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    {
        if !self.layer.origins.is_empty() {
            probe.meets_requirement("origin", None, false);
        }
        if probe.goes_past(&self.inner, &mut request) {
            ResponseFuture::forwarded(self.inner.call(request), None)
        } else {
            ResponseFuture::held()
        }
    }
}

// Written by hand: a derived impl would require `R: Clone`.
impl<Inner: Clone, R> Clone for AllowedOriginsService<Inner, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
            tag: self.tag.counted(),
        }
    }
}

impl<Inner: fmt::Debug, R> fmt::Debug for AllowedOriginsService<Inner, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowedOriginsService")
            .field("inner", &self.inner)
            .field("origins", &self.layer.origins)
            .finish_non_exhaustive()
    }
}
