//! [`AuthService`]: what stands in front of a service. Dispatches; the decision is in `authenticate`.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{AUTHORIZATION, CACHE_CONTROL},
};
use tower_service::Service;

use crate::{
    authenticate::{Policy, Presented},
    decided::Decided,
    future::{Additions, Asking, ResponseFuture, Verdict},
    panics::catch,
    principal::{Anonymous, Principal},
    rejection::{Denial, RefusalStyle, Rejection, Responder},
    secret::Pepper,
    store::{CredentialStore, Peek, Record, StoreError, guarded},
};

/// A service behind an [`AuthLayer`](crate::AuthLayer).
///
/// Answers with the inner service's own response type. The inner service sees a request only once it is accepted, with a
/// [`Principal`] in its extensions and its `Authorization` value marked sensitive, so that it is not logged.
///
/// A request that is decided at once is given to the inner service that was polled ready. While a store is asked, nothing
/// of the inner service is held: its readiness is given back, and polled for again once the request is accepted.
pub struct AuthService<Inner, S, R> {
    inner: Inner,
    gate: Arc<Gate<S, R>>,
}

/// What all clones of a service share.
struct Gate<S, R> {
    store: Arc<S>,
    policy: Policy,
    style: RefusalStyle<R>,
    /// The value of `Vary`, where the credential is optional.
    vary: Option<HeaderValue>,
}

/// What can be said about a request at once.
enum Triage {
    AnswerPreflight,
    PassThrough,
    Accept(Principal),
    Lookup(Presented<'static>),
}

impl<Inner, S, R> AuthService<Inner, S, R> {
    pub(crate) fn new(inner: Inner, store: Arc<S>, policy: Policy, style: RefusalStyle<R>) -> Self {
        let vary = policy
            .optional
            .then(|| vary_on(&policy.organization_header))
            .flatten();
        Self {
            inner,
            gate: Arc::new(Gate {
                store,
                policy,
                style,
                vary,
            }),
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
        let additions = self.gate.additions(&request);
        match self.gate.open(&request) {
            Ok(Triage::Accept(principal)) => {
                self.gate.admit(&mut request, principal, None);
                ResponseFuture::forwarded(self.inner.call(request), additions)
            }
            Ok(Triage::PassThrough) => {
                pass(&mut request);
                ResponseFuture::forwarded(self.inner.call(request), additions)
            }
            Ok(Triage::AnswerPreflight) => {
                self.give_readiness_back();
                ResponseFuture::answered(preflight_answer(self.gate.style.empty_body()), additions)
            }
            Ok(Triage::Lookup(presented)) => {
                self.give_readiness_back();
                let asking = Arc::clone(&self.gate).ask(presented, request.headers());
                ResponseFuture::waiting(asking, request, self.inner.clone(), additions)
            }
            Err(denial) => {
                self.give_readiness_back();
                ResponseFuture::answered(self.gate.refuse(denial, &request, None), additions)
            }
        }
    }
}

impl<Inner: Clone, S, R> AuthService<Inner, S, R> {
    /// Drops the service that was polled ready, which this call does not use. A clone stays, which is not ready.
    fn give_readiness_back(&mut self) {
        self.inner = self.inner.clone();
    }
}

impl<S: CredentialStore, R> Gate<S, R> {
    fn open<ReqB>(&self, request: &Request<ReqB>) -> Result<Triage, Denial> {
        if self.policy.is_answered_preflight(request) {
            return Ok(Triage::AnswerPreflight);
        }
        if self.policy.is_anonymous(request) {
            return Ok(Triage::PassThrough);
        }
        let headers = request.headers();
        let presented = self.policy.present(headers)?;
        let lookup = presented.lookup(|| self.policy.named_organization(headers));
        let found = match catch(|| self.store.peek(&lookup)) {
            Some(Peek::Found(record)) => Ok(Some(record)),
            Some(Peek::NotFound) => Ok(None),
            Some(Peek::Unknown) => return Ok(Triage::Lookup(presented.into_owned())),
            None => Err(StoreError::Panicked),
        };
        self.policy
            .judge(headers, &presented, found, self.decoy_pepper())
            .map(Triage::Accept)
    }

    fn ask<ReqB, ResB>(
        self: Arc<Self>,
        presented: Presented<'static>,
        headers: &HeaderMap,
    ) -> Asking<ReqB, ResB>
    where
        R: Responder<ResB>,
        ReqB: 'static,
        ResB: 'static,
    {
        let organization = self.policy.named_organization(headers).map(str::to_owned);
        Box::pin(async move {
            let asked_at = Instant::now();
            let found = guarded(self.policy.deadline, async {
                self.store
                    .find(&presented.lookup(|| organization.as_deref()))
                    .await
            })
            .await;
            let latency = Some(asked_at.elapsed());
            let verdict: Verdict<ReqB, ResB> = Box::new(move |request: &mut Request<ReqB>| {
                self.conclude(request, &presented, found, latency)
            });
            verdict
        })
    }

    /// A store that panics here costs the likeness of unknown and known, and no request.
    fn decoy_pepper(&self) -> Option<&Pepper> {
        catch(|| self.store.decoy_pepper()).flatten()
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
    {
        match self
            .policy
            .judge(request.headers(), presented, found, self.decoy_pepper())
        {
            Ok(principal) => {
                self.admit(request, principal, latency);
                Ok(())
            }
            Err(denial) => Err(self.refuse(denial, request, latency)),
        }
    }
}

impl<S, R> Gate<S, R> {
    /// What is added to the response, whichever it is.
    #[inline]
    fn additions<ReqB>(&self, request: &Request<ReqB>) -> Option<Box<Additions>> {
        let decided = Decided::asked_for(request.extensions());
        if decided.is_none() && self.vary.is_none() {
            None
        } else {
            Some(self.adding(decided))
        }
    }

    #[cold]
    fn adding(&self, decided: Option<Decided>) -> Box<Additions> {
        Box::new(Additions {
            decided,
            vary: self.vary.clone(),
        })
    }

    #[inline]
    fn admit<ReqB>(
        &self,
        request: &mut Request<ReqB>,
        principal: Principal,
        latency: Option<Duration>,
    ) {
        principal.report(latency);
        if self.policy.removes_authorization {
            remove_credential(request);
        } else if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
            value.set_sensitive(true); // an accepted request has one
        }
        request.extensions_mut().insert(principal);
    }

    fn refuse<ReqB, ResB>(
        &self,
        denial: Denial,
        request: &Request<ReqB>,
        latency: Option<Duration>,
    ) -> Response<ResB>
    where
        R: Responder<ResB>,
    {
        let rejection = Rejection::new(denial, &self.style.messages);
        rejection.report(latency);
        self.style.refuse(rejection, request)
    }
}

/// The answer to a CORS preflight: 200 without any permission. Whoever grants permissions adds them further out.
#[cold]
fn preflight_answer<ResB>(empty: ResB) -> Response<ResB> {
    let mut response = Response::new(empty);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `Authorization, X-Anyreach-Org`: what the response of an optional route depends on (RFC 9110, section 12.5.5).
fn vary_on(organization_header: &HeaderName) -> Option<HeaderValue> {
    let mut at_start = true;
    let capitalized = |letter: char| {
        let start = std::mem::replace(&mut at_start, letter == '-');
        if start {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    };
    let name: String = organization_header
        .as_str()
        .chars()
        .map(capitalized)
        .collect();
    HeaderValue::try_from(format!("Authorization, {name}")).ok()
}

/// Lets a request pass as nobody: whatever identity somebody put into its extensions before does not survive.
pub(crate) fn pass<ReqB>(request: &mut Request<ReqB>) {
    mark_sensitive(request);
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().insert(Anonymous);
}

/// Keeps whoever logs the request's headers further in from showing a credential, however many there are.
pub(crate) fn mark_sensitive<ReqB>(request: &mut Request<ReqB>) {
    let credentials = request
        .headers_mut()
        .iter_mut()
        .filter(|(name, _)| *name == AUTHORIZATION);
    credentials.for_each(|(_, value)| value.set_sensitive(true));
}

/// Keeps the credential from services that the inner service forwards requests to.
#[cold]
pub(crate) fn remove_credential<ReqB>(request: &mut Request<ReqB>) {
    request.headers_mut().remove(AUTHORIZATION);
}

impl<Inner: Clone, S, R> Clone for AuthService<Inner, S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            gate: Arc::clone(&self.gate),
        }
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
