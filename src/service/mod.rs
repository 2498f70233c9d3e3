//! [`AuthService`]: the service that an [`AuthLayer`](crate::AuthLayer) puts in front of another.
//! It only dispatches; the decision is in `authenticate`.

mod request;
mod shared;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
pub(crate) use request::{mark_sensitive, pass, remove_credential};
use shared::{Shared, Triage, preflight_answer};
use tower_service::Service;

use crate::{
    authenticate::Policy,
    future::{Additions, ResponseFuture},
    principal::WithoutPrincipal,
    probe::{Probe, Tag},
    rejection::{RefusalStyle, Responder},
    store::CredentialStore,
};

/// A service behind an [`AuthLayer`](crate::AuthLayer).
///
/// It responds with the inner service's own response type. The inner service sees a request only
/// once it is accepted, with a [`Principal`](crate::Principal) in its extensions and its
/// `Authorization` value, and that of each further [source](crate::CredentialSource), marked
/// sensitive, so that it is not logged.
///
/// A request that is decided at once is given to the inner service that was polled ready. While the
/// store is asked, nothing of the inner service is held: its readiness is given back, and polled
/// for again once the request is accepted.
pub struct AuthService<Inner, S, R> {
    inner: Inner,
    shared: Arc<Shared<S, R>>,
    tag: Tag,
}

impl<Inner, S, R> AuthService<Inner, S, R> {
    pub(crate) fn new(inner: Inner, store: Arc<S>, policy: Policy, style: RefusalStyle<R>) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared::new(store, policy, style)),
            tag: Tag,
        }
    }
}

impl<Inner, S, R, ReqB, ResB> Service<Request<ReqB>> for AuthService<Inner, S, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    S: CredentialStore,
    R: Responder<ResB>,
    ReqB: 'static,
    ResB: 'static,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if let Some(probe) = Probe::of(request.extensions()) {
            return self.probed(&probe, request);
        }
        let additions = self.shared.additions(&request);
        match self.shared.triage(&request) {
            Ok(Triage::Accept(principal)) => {
                let additions = self.shared.with_end_notices(additions, &principal);
                self.shared.admit(&mut request, principal, None);
                ResponseFuture::forwarded(self.inner.call(request), additions)
            }
            Ok(Triage::PassThrough) => {
                let sources = &self.shared.policy().sources;
                pass(&mut request, sources, WithoutPrincipal::Anonymous);
                ResponseFuture::forwarded(self.inner.call(request), additions)
            }
            Ok(Triage::AnswerPreflight) => {
                self.give_readiness_back();
                let answer = preflight_answer(self.shared.empty_body());
                ResponseFuture::answered(answer, additions)
            }
            Ok(Triage::Lookup(presented)) => {
                self.give_readiness_back();
                let asking = Arc::clone(&self.shared).look_up(presented, request.headers());
                ResponseFuture::waiting(asking, request, self.inner.clone(), additions)
            }
            Err(denial) => {
                self.give_readiness_back();
                ResponseFuture::answered(self.shared.refuse(denial, &request, None), additions)
            }
        }
    }
}

impl<Inner: Clone, S, R> AuthService<Inner, S, R> {
    /// Drops the service that was polled ready, which this call does not use. A clone stays, which
    /// is not ready.
    pub(crate) fn give_readiness_back(&mut self) {
        self.inner = self.inner.clone();
    }
}

impl<Inner, S, R> AuthService<Inner, S, R> {
    /// Returns whether the request's only credential is not one of this layer's.
    pub(crate) fn presents_other<ReqB>(&self, request: &Request<ReqB>) -> bool {
        self.shared.policy().presents_other(request)
    }

    /// Lets a request of another authenticator through.
    pub(crate) fn pass_other<ReqB>(&self, request: &mut Request<ReqB>) {
        let sources = &self.shared.policy().sources;
        pass(request, sources, WithoutPrincipal::OtherCaller);
    }

    /// Returns what is added to every response to the request.
    pub(crate) fn additions<ReqB>(&self, request: &Request<ReqB>) -> Option<Box<Additions>> {
        self.shared.additions(request)
    }

    /// Notes this layer in a probe, which has no credential.
    #[cold]
    fn probed<ReqB, ResB>(
        &mut self,
        probe: &Probe,
        mut request: Request<ReqB>,
    ) -> ResponseFuture<Inner, ReqB, ResB>
    where
        Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    {
        let policy = self.shared.policy();
        probe.meets_auth(policy.optional, policy.needs_organization);
        if probe.goes_past(&self.inner, &mut request) {
            ResponseFuture::forwarded(self.inner.call(request), None)
        } else {
            ResponseFuture::held()
        }
    }
}

impl<Inner: Clone, S, R> Clone for AuthService<Inner, S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
            tag: self.tag.counted(),
        }
    }
}

impl<Inner: fmt::Debug, S, R> fmt::Debug for AuthService<Inner, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService")
            .field("inner", &self.inner)
            .field("policy", self.shared.policy())
            .finish_non_exhaustive()
    }
}
