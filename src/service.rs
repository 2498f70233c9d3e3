//! [`AuthService`]: what stands in front of a service. Dispatches; the decision is in `authenticate`.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use tower_service::Service;

use crate::{
    authenticate::{Denial, Policy},
    credential::Presented,
    future::{Asking, ResponseFuture, Verdict},
    observe,
    principal::{Anonymous, Principal},
    rejection::{Presentation, RefusalBody, Rejection, Responder},
    secret::Pepper,
    store::{CredentialStore, Peek, Record, StoreError, guarded},
};

/// A service behind an [`AuthLayer`](crate::AuthLayer).
///
/// Answers with the inner service's own response type. The inner service sees a request only once it is accepted, with a
/// [`Principal`] in its extensions and its `Authorization` value marked sensitive, so that it is not logged.
pub struct AuthService<Inner, S, R> {
    inner: Inner,
    gate: Arc<Gate<S, R>>,
}

/// What all clones of a service share.
struct Gate<S, R> {
    store: Arc<S>,
    policy: Policy,
    presentation: Presentation<R>,
}

/// What can be said about a request at once.
enum Opening {
    Pass,
    Accept(Principal),
    Ask(Presented<'static>),
}

impl<Inner, S, R> AuthService<Inner, S, R> {
    pub(crate) fn new(inner: Inner, store: Arc<S>, policy: Policy, presentation: Presentation<R>) -> Self {
        Self { inner, gate: Arc::new(Gate { store, policy, presentation }) }
    }
}

impl<Inner, S, R, ReqB, ResB> Service<Request<ReqB>> for AuthService<Inner, S, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    S: CredentialStore,
    R: Responder<ResB>,
    ReqB: 'static,
    ResB: RefusalBody + 'static,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        match self.gate.open(&request) {
            Ok(Opening::Accept(principal)) => {
                admit(&mut request, principal, None);
                ResponseFuture::forwarded(self.inner.call(request))
            }
            Ok(Opening::Pass) => {
                pass(&mut request);
                ResponseFuture::forwarded(self.inner.call(request))
            }
            Ok(Opening::Ask(presented)) => {
                let asking = Arc::clone(&self.gate).ask(presented, request.headers());
                ResponseFuture::waiting(asking, request, self.take_ready())
            }
            Err(denial) => {
                drop(self.take_ready()); // the readiness that this call does not use goes back
                ResponseFuture::refused(self.gate.refuse(denial, request.headers(), None))
            }
        }
    }
}

impl<Inner: Clone, S, R> AuthService<Inner, S, R> {
    /// Takes the service that was polled ready and leaves a clone, which has to be polled before its first call.
    fn take_ready(&mut self) -> Inner {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
    }
}

impl<S: CredentialStore, R> Gate<S, R> {
    fn open<ReqB>(&self, request: &Request<ReqB>) -> Result<Opening, Denial> {
        if self.policy.passes_unseen(request) {
            return Ok(Opening::Pass);
        }
        let headers = request.headers();
        let presented = self.policy.present(headers)?;
        let lookup = presented.lookup(|| self.policy.named_organization(headers));
        let found = match catch_unwind(AssertUnwindSafe(|| self.store.peek(&lookup))) {
            Ok(Peek::Found(record)) => Ok(Some(record)),
            Ok(Peek::NotFound) => Ok(None),
            Ok(Peek::Ask) => return Ok(Opening::Ask(presented.into_owned())),
            Err(_) => Err(StoreError::Panicked),
        };
        self.policy.judge(headers, &presented, found, self.decoy()).map(Opening::Accept)
    }

    fn ask<ReqB, ResB>(self: Arc<Self>, presented: Presented<'static>, headers: &HeaderMap) -> Asking<ReqB, ResB>
    where
        R: Responder<ResB>,
        ReqB: 'static,
        ResB: RefusalBody + 'static,
    {
        let organization = self.policy.named_organization(headers).map(str::to_owned);
        Box::pin(async move {
            let asked_at = Instant::now();
            let found = guarded(self.policy.deadline, async {
                self.store.find(&presented.lookup(|| organization.as_deref())).await
            })
            .await;
            let latency = Some(asked_at.elapsed());
            let verdict: Verdict<ReqB, ResB> =
                Box::new(move |request: &mut Request<ReqB>| self.conclude(request, &presented, found, latency));
            verdict
        })
    }

    /// A store that panics here costs the likeness of unknown and known, and no request.
    fn decoy(&self) -> Option<&Pepper> {
        catch_unwind(AssertUnwindSafe(|| self.store.decoy())).unwrap_or(None)
    }

    fn conclude<ReqB, ResB>(
        &self,
        request: &mut Request<ReqB>,
        presented: &Presented<'_>,
        found: Result<Option<Arc<Record>>, StoreError>,
        latency: Option<Duration>,
    ) -> Result<(), Response<ResB>>
    where
        R: Responder<ResB>,
        ResB: RefusalBody,
    {
        match self.policy.judge(request.headers(), presented, found, self.decoy()) {
            Ok(principal) => {
                admit(request, principal, latency);
                Ok(())
            }
            Err(denial) => Err(self.refuse(denial, request.headers(), latency)),
        }
    }
}

impl<S, R> Gate<S, R> {
    fn refuse<ResB: RefusalBody>(
        &self,
        denial: Denial,
        headers: &HeaderMap,
        latency: Option<Duration>,
    ) -> Response<ResB>
    where
        R: Responder<ResB>,
    {
        let rejection = Rejection::new(denial, &self.presentation.messages);
        observe::refused(&rejection, latency);
        self.presentation.refuse(rejection, headers)
    }
}

fn admit<ReqB>(request: &mut Request<ReqB>, principal: Principal, latency: Option<Duration>) {
    observe::accepted(&principal, latency);
    mark_sensitive(request);
    request.extensions_mut().insert(principal);
}

/// Lets a request pass as nobody: whatever identity somebody put into its extensions before does not survive.
pub(crate) fn pass<ReqB>(request: &mut Request<ReqB>) {
    mark_sensitive(request);
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().insert(Anonymous);
}

/// Keeps whoever logs the request's headers further in from showing the credential.
fn mark_sensitive<ReqB>(request: &mut Request<ReqB>) {
    if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
}

impl<Inner: Clone, S, R> Clone for AuthService<Inner, S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<Inner: fmt::Debug, S, R> fmt::Debug for AuthService<Inner, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService")
            .field("inner", &self.inner)
            .field("policy", &self.gate.policy)
            .finish_non_exhaustive()
    }
}
