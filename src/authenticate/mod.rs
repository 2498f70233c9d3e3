//! Decides whether a request is authenticated. This page reads as the specification; each line can
//! refuse.
//!
//! ```text
//! read:    one credential → a known prefix and a well-formed body → its digest
//! lookup:  one question to the store, with the organization that a token names
//! decide:  right secret → still live → not from a browser → may act there → principal → conditions
//! ```
//!
//! Apart from the store and the clock it is pure. The order is part of the protocol: a bad
//! credential is refused before organizations are considered, and scopes come last, in
//! [`require`](crate::require).

mod basic;
mod bearer;
mod browser;
mod conditions;
mod live;
mod org_header;
mod presented;
mod shown;
mod source;
mod sources;
pub(crate) mod verify;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use browser::BrowserGuard;
pub use browser::ExposedCredential;
pub(crate) use conditions::Checks;
use http::{HeaderMap, HeaderName, Method, Request, header};
pub(crate) use live::Authorized;
use live::Live;
pub(crate) use presented::Presented;
pub use source::CredentialSource;
pub(crate) use sources::Sources;

use crate::{
    anyreach,
    clock::{Clock, SystemClock},
    condition::RequestHead,
    credential::{Token, TokenFormat},
    end_notices::EndNotices,
    last_use::LastUse,
    principal::Principal,
    rejection::{Cause, Denial},
    store::{DEFAULT_DEADLINE, Decoys, Record, StoreError},
};

/// A layer's requirements and settings, apart from the store.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) format: TokenFormat,
    /// Where a credential may be, besides `Authorization: Bearer`.
    pub(crate) sources: Sources,
    /// Names the organization for a personal token.
    pub(crate) organization_header: HeaderName,
    /// Decides expiry.
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a lookup may take.
    pub(crate) deadline: Duration,
    /// `false` on a route that belongs to a person and not to an organization.
    pub(crate) needs_organization: bool,
    /// Lets a request that presents nothing pass through unauthenticated.
    pub(crate) optional: bool,
    /// Answers CORS preflights with a bare 200.
    pub(crate) answers_preflights: bool,
    /// Removes the credential from accepted requests.
    pub(crate) removes_authorization: bool,
    /// Refuses credentials that a browser sends.
    pub(crate) browser_guard: Option<BrowserGuard>,
    /// Conditions under which credentials are accepted.
    pub(crate) checks: Checks,
    /// Collects last uses.
    pub(crate) last_use: Option<LastUse>,
    /// Records the caller on the current span.
    pub(crate) records_on_span: bool,
    /// Headers that tell callers when their credential ends.
    pub(crate) end_notices: EndNotices,
}

impl Policy {
    /// Returns whether the request passes through unauthenticated.
    pub(crate) fn skips_authentication<B>(&self, request: &Request<B>) -> bool {
        self.optional && !self.sources.are_used(request.headers())
    }

    /// Returns whether the layer answers the request itself, without examining a credential.
    pub(crate) fn is_answered_preflight<B>(&self, request: &Request<B>) -> bool {
        self.answers_preflights && is_preflight(request)
    }

    /// Returns whether the request's only credential is not one of this layer's kinds, so that
    /// another authenticator may decide about it. A credential of these kinds that is bad in any
    /// way is not another one.
    pub(crate) fn presents_other<B>(&self, request: &Request<B>) -> bool {
        self.sources.present_other(request.headers(), &self.format)
            && !self.is_answered_preflight(request)
    }

    /// Reads the credential, without the store.
    #[inline]
    pub(crate) fn read_credential<'h>(
        &self,
        headers: &'h HeaderMap,
    ) -> Result<Presented<'h>, Cause> {
        self.sources.read(headers, &self.format)
    }

    /// Returns the organization for the store's lookup.
    pub(crate) fn named_organization<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        self.needs_organization
            .then(|| org_header::read(headers, &self.organization_header).value())
            .flatten()
    }

    /// Decides on what the store found, and adds the kind of the credential to a denial.
    #[inline]
    pub(crate) fn decide(
        &self,
        request: &RequestHead<'_>,
        presented: &Presented<'_>,
        found: Result<Option<Arc<Record>>, StoreError>,
        decoys: Option<&Decoys<'_>>,
    ) -> Result<Principal, Denial> {
        self.decide_inner(request, presented, found, decoys)
            .map_err(|denial| Denial {
                kind: Some(presented.kind()),
                ..denial
            })
    }

    /// The chain of proofs: each step consumes the one before, and only its own module can create
    /// it.
    #[inline]
    fn decide_inner(
        &self,
        request: &RequestHead<'_>,
        presented: &Presented<'_>,
        found: Result<Option<Arc<Record>>, StoreError>,
        decoys: Option<&Decoys<'_>>,
    ) -> Result<Principal, Denial> {
        let headers = request.headers;
        let found = match found {
            Ok(found) => found,
            Err(error) => return Err(self.failed(headers, presented, error, decoys)),
        };
        let live = self.prove(headers, presented, found, decoys)?;
        if let Some(guard) = &self.browser_guard {
            guard.check(headers, live.record())?;
        }
        let authorized = match self.needs_organization {
            true => live.in_organization(headers, &self.organization_header)?,
            false => live.into_person()?,
        };
        let principal = Principal::new(authorized);
        self.checks.check(&principal, request)?;
        if let Some(uses) = &self.last_use {
            self.note(uses, &principal, presented, request);
        }
        Ok(principal)
    }

    /// Checks the secret, and that the credential may be used.
    #[inline]
    fn prove(
        &self,
        headers: &HeaderMap,
        presented: &Presented<'_>,
        found: Option<Arc<Record>>,
        decoys: Option<&Decoys<'_>>,
    ) -> Result<Live, Denial> {
        // The same work when the id is unknown.
        let verified = verify::check(presented, found, decoys, |salted| {
            let token = |token: &Token<'_>| salted(token.hashed);
            self.sources.with_token(headers, &self.format, token)
        })?;
        verified.live(&*self.clock)
    }

    /// Returns the denial of a request whose lookup failed. That a credential is there, and only its
    /// role is unknown, is told to nobody who does not have it.
    #[cold]
    fn failed(
        &self,
        headers: &HeaderMap,
        presented: &Presented<'_>,
        error: StoreError,
        decoys: Option<&Decoys<'_>>,
    ) -> Denial {
        let Some(record) = error.found().cloned() else {
            return error.into();
        };
        match self.prove(headers, presented, Some(Arc::clone(&record)), decoys) {
            Ok(_) => Denial::about(error.into(), record),
            Err(denial) => denial,
        }
    }

    #[inline]
    fn note(
        &self,
        uses: &LastUse,
        caller: &Principal,
        presented: &Presented<'_>,
        request: &RequestHead<'_>,
    ) {
        let (record, digest, now) = (caller.record(), presented.digest(), self.clock.now());
        match uses.keeps_origin() {
            false => uses.note(record, digest, now),
            true => uses.note_from(record, digest, now, || {
                uses.origin(request.headers, || self.checks.address(request))
            }),
        }
    }
}

/// Returns whether the request has all three marks of a CORS preflight (Fetch, "CORS-preflight
/// request"); two of them are not enough.
#[cold]
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS
        && has(header::ORIGIN)
        && has(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The documented defaults.
impl Default for Policy {
    fn default() -> Self {
        Self {
            format: TokenFormat::default(),
            sources: Sources::default(),
            organization_header: anyreach::ORGANIZATION_HEADER,
            clock: Arc::new(SystemClock::default()),
            deadline: DEFAULT_DEADLINE,
            needs_organization: true,
            optional: false,
            answers_preflights: false,
            removes_authorization: false,
            browser_guard: None,
            checks: Checks::default(),
            last_use: None,
            records_on_span: false,
            end_notices: EndNotices::default(),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("format", &self.format)
            .field("sources", &self.sources)
            .field("organization_header", &self.organization_header)
            .field("deadline", &self.deadline)
            .field("needs_organization", &self.needs_organization)
            .field("optional", &self.optional)
            .field("answers_preflights", &self.answers_preflights)
            .field("removes_authorization", &self.removes_authorization)
            .field("browser_guard", &self.browser_guard)
            .field("checks", &self.checks)
            .field("records_on_span", &self.records_on_span)
            .field("end_notices", &self.end_notices)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::work;

    #[test]
    fn a_token_over_the_length_limit_is_not_hashed() {
        for prefix in ["ak_a.", "pat_"] {
            for (length, hashed) in [(512, 1), (513, 0), (50_000, 0)] {
                let token = format!("Bearer {prefix:A<length$}");
                let mut headers = HeaderMap::new();
                headers.insert(header::AUTHORIZATION, token.parse().unwrap());
                work::take();
                let read = Policy::default().read_credential(&headers);
                assert_eq!(read.is_ok(), hashed == 1, "{prefix} {length}");
                assert_eq!(work::take().hashed, hashed, "{prefix} {length}");
            }
        }
    }
}
