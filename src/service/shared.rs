//! What all clones of an [`AuthService`](super::AuthService) share, and the three steps of a
//! request: triage, lookup, verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{AUTHORIZATION, CACHE_CONTROL},
};

use super::{mark_sensitive, remove_credential};
use crate::{
    authenticate::{Policy, Presented},
    condition::RequestHead,
    decided::Decided,
    end_notices::Fields,
    future::{Additions, Asking, asking, with_fields},
    panics::catch,
    principal::Principal,
    rejection::{Denial, RefusalStyle, Rejection, Responder},
    store::{CredentialStore, Decoys, Peek, Record, StoreError, StoreFault, guarded},
};

/// A layer's store, policy and form of refusals, behind one `Arc` per service.
pub(super) struct Shared<S, R> {
    store: Arc<S>,
    policy: Policy,
    style: RefusalStyle<R>,
    /// The value of `Vary`, where the credential is optional.
    vary: Option<HeaderValue>,
}

/// What is decided about a request without waiting.
pub(super) enum Triage {
    /// Answer a CORS preflight.
    AnswerPreflight,
    /// Let it through unauthenticated.
    PassThrough,
    /// The store answered from memory, and the credential is good.
    Accept(Principal),
    /// The store has to be asked.
    Lookup(Presented<'static>),
}

impl<S, R> Shared<S, R> {
    /// Creates what a new service shares with its clones. `Vary` is built once, here.
    pub(super) fn new(store: Arc<S>, policy: Policy, style: RefusalStyle<R>) -> Self {
        let vary = policy
            .optional
            .then(|| vary_on(policy.sources.headers(), &policy.organization_header))
            .flatten();
        Self {
            store,
            policy,
            style,
            vary,
        }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn empty_body<ResB>(&self) -> ResB
    where
        R: Responder<ResB>,
    {
        self.style.empty_body()
    }
}

impl<S: CredentialStore, R> Shared<S, R> {
    /// Decides about a request as far as possible without waiting.
    pub(super) fn triage<ReqB>(&self, request: &Request<ReqB>) -> Result<Triage, Denial> {
        if self.policy.is_answered_preflight(request) {
            return Ok(Triage::AnswerPreflight);
        }
        if self.policy.skips_authentication(request) {
            return Ok(Triage::PassThrough);
        }
        let headers = request.headers();
        let presented = self.policy.read_credential(headers)?;
        let lookup = presented.lookup(|| self.policy.named_organization(headers));
        let found = match catch(|| self.store.peek(&lookup)) {
            Some(Peek::Found(record)) => Ok(Some(record)),
            Some(Peek::NotFound) => Ok(None),
            Some(Peek::Unknown) => return Ok(Triage::Lookup(presented.into_owned())),
            None => Err(StoreFault::panicked().into()),
        };
        self.policy
            .decide(
                &RequestHead::of(request),
                &presented,
                found,
                self.decoys().as_ref(),
            )
            .map(Triage::Accept)
    }

    /// Asks the store, within the deadline. The future resolves to the verdict.
    #[inline]
    pub(super) fn look_up<ReqB, ResB>(
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
        let answer = async move {
            let asked_at = Instant::now();
            let found = guarded(self.policy.deadline, async {
                self.store
                    .find(&presented.lookup(|| organization.as_deref()))
                    .await
            })
            .await;
            (found, asked_at.elapsed(), presented, self)
        };
        asking(answer, |(found, latency, presented, shared), request| {
            shared.finish(request, &presented, found, latency)
        })
    }

    /// Returns the store's decoys. If the store panics here, known and unknown ids may differ in
    /// timing, but no request is lost.
    fn decoys(&self) -> Option<Decoys<'_>> {
        catch(|| Decoys::of(&*self.store)).flatten()
    }

    /// Decides on what the store found: admits the request, or returns the refusal.
    fn finish<ReqB, ResB>(
        &self,
        request: &mut Request<ReqB>,
        presented: &Presented<'_>,
        found: Result<Option<Arc<Record>>, StoreError>,
        latency: Duration,
    ) -> Result<Fields, Response<ResB>>
    where
        R: Responder<ResB>,
    {
        let (head, decoys) = (RequestHead::of(request), self.decoys());
        match self.policy.decide(&head, presented, found, decoys.as_ref()) {
            Ok(principal) => {
                let fields = self.end_notices(&principal);
                self.admit(request, principal, Some(latency));
                Ok(fields)
            }
            Err(denial) => Err(self.refuse(denial, request, Some(latency))),
        }
    }
}

impl<S, R> Shared<S, R> {
    /// Returns what is added to every response to the request.
    #[inline]
    pub(super) fn additions<ReqB>(&self, request: &Request<ReqB>) -> Option<Box<Additions>> {
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
            ..Additions::default()
        })
    }

    /// Adds the headers about the end of an accepted caller's credential.
    #[inline]
    pub(super) fn with_end_notices(
        &self,
        additions: Option<Box<Additions>>,
        principal: &Principal,
    ) -> Option<Box<Additions>> {
        match self.policy.end_notices.are_off() {
            true => additions, // not even an empty list is made
            false => with_fields(additions, self.end_notices(principal)),
        }
    }

    /// Returns the headers about the end of an accepted caller's credential.
    #[cold]
    fn end_notices(&self, principal: &Principal) -> Fields {
        let record = principal.record();
        self.policy.end_notices.fields(record, &*self.policy.clock)
    }

    /// Prepares an accepted request for the inner service: adds the principal, and hides or removes
    /// the credential.
    #[inline]
    pub(super) fn admit<ReqB>(
        &self,
        request: &mut Request<ReqB>,
        principal: Principal,
        latency: Option<Duration>,
    ) {
        principal.report(latency);
        if self.policy.records_on_span {
            principal.record_on_span();
        }
        if self.policy.removes_authorization {
            remove_credential(request, &self.policy.sources);
        } else if !self.policy.sources.is_empty() {
            mark_sensitive(request, &self.policy.sources);
        } else if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
            value.set_sensitive(true); // an accepted request has one
        }
        request.extensions_mut().insert(principal);
    }

    /// Reports a refusal and builds its response.
    pub(super) fn refuse<ReqB, ResB>(
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

/// Returns the answer to a CORS preflight: 200 without any permission. A gateway further out adds
/// the permissions.
#[cold]
pub(super) fn preflight_answer<ResB>(empty: ResB) -> Response<ResB> {
    let mut response = Response::new(empty);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns `Authorization, X-Anyreach-Org`, with further sources between them: what the response of
/// an optional route depends on (RFC 9110, section 12.5.5).
fn vary_on(sources: &[HeaderName], organization_header: &HeaderName) -> Option<HeaderValue> {
    let names = [&AUTHORIZATION].into_iter().chain(sources);
    let names: Vec<_> = names
        .chain([organization_header])
        .map(capitalized)
        .collect();
    HeaderValue::try_from(names.join(", ")).ok()
}

/// Returns a header's name as it is usually written.
fn capitalized(name: &HeaderName) -> String {
    let mut at_start = true;
    let capitalized = |letter: char| {
        let start = std::mem::replace(&mut at_start, letter == '-');
        if start {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    };
    name.as_str().chars().map(capitalized).collect()
}
