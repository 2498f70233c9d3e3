//! The caller of an accepted request.
//!
//! A [`Principal`] is the end of a chain of proofs, `Record → Verified → Live → Principal`, in
//! which each step consumes the one before: it cannot be created from anything that a client sent,
//! nor without every check. The only other way is the feature `testing`.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use http::Extensions;

use crate::{
    authenticate::Authorized,
    clock::UnixMillis,
    credential::Kind,
    id::{OrgId, UserId},
    observe::{self, Accepted, SpanFields},
    rejection::Cause,
    scope::ScopeSet,
    store::{Attributes, Record, Restrictions},
};

/// The caller of a request. An [`AuthLayer`](crate::AuthLayer) adds it to the request's extensions.
/// Cloning it only increments a reference count.
///
/// ```
/// # fn handler(request: http::Request<()>) {
/// use tower_api_key::Principal;
///
/// if let Some(principal) = request.extensions().get::<Principal>() {
///     println!("{} acts in {:?}", principal.credential_id(), principal.organization());
/// }
/// # }
/// ```
///
/// No other code can create one, not even from a record:
///
/// ```compile_fail
/// use std::sync::Arc;
///
/// use tower_api_key::{Principal, secret::Digest, store::Record};
///
/// let record = Arc::new(Record::org_key("id", Digest::of(b""), "org_1"));
/// let forged = Principal(record);
/// ```
#[derive(Clone)]
pub struct Principal(Arc<Record>);

impl Principal {
    /// Creates the principal from the last proof, which only a full decision yields.
    pub(crate) fn new(authorized: Authorized) -> Self {
        Self(authorized.into_record())
    }

    /// Returns the caller of a request, or why there is none.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Cause> {
        match (extensions.get::<Self>(), extensions.get()) {
            (Some(principal), _) => Ok(principal),
            (None, Some(WithoutPrincipal::Anonymous)) => Err(Cause::Anonymous),
            (None, Some(WithoutPrincipal::OtherCaller)) => Err(Cause::OtherCaller),
            (None, None) => Err(Cause::NoAuthLayer),
        }
    }

    /// Reports the accept to the operator. `latency` is that of the lookup, if there was one.
    #[inline]
    pub(crate) fn report(&self, latency: Option<Duration>) {
        observe::accepted(&Accepted {
            kind: self.kind(),
            credential_id: self.credential_id(),
            organization: self.organization(),
            user: self.user(),
            latency,
        });
    }

    /// Records the caller on the current span, in the fields that the span declares.
    #[cold]
    pub(crate) fn record_on_span(&self) {
        observe::record_on_span(&SpanFields {
            credential_id: self.credential_id(),
            organization: self.organization(),
            user: self.user(),
            role: self.role(),
            scopes: self.scopes(),
        });
    }

    /// Creates a principal of which nothing was proven, for tests.
    #[cfg(feature = "testing")]
    pub(crate) fn unproven(record: Record) -> Self {
        Self(Arc::new(record))
    }

    /// Returns the kind of credential that was presented.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// Returns the public id of the credential, safe to log. Use it to attribute what the request
    /// does, or to count requests per key.
    #[must_use]
    pub fn credential_id(&self) -> &str {
        self.0.id()
    }

    /// Returns the organization that the request acts in; `None` on a user-scoped route.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.0.organization().map(OrgId::as_str)
    }

    /// Returns the user who owns a personal token; `None` for a key.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.0.user().map(UserId::as_str)
    }

    /// Returns the role in that organization, if the scopes come from it alone; for display, and to
    /// issue keys with the same role. There is none for a token that is restricted to scopes of its
    /// own. Decide by [scopes](Self::has), since a role's rights may change.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        let restricted = self
            .restrictions()
            .is_some_and(|only| only.scopes().is_some());
        self.0.role().filter(|_| !restricted)
    }

    /// Returns what the caller may do in that organization.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        self.0.scopes()
    }

    /// Returns whether the caller holds `scope`, for what a handler decides by itself, such as
    /// which fields to return. To close a whole route, use a
    /// [`RequireScopesLayer`](crate::RequireScopesLayer).
    ///
    /// ```
    /// # fn handler(caller: &tower_api_key::Principal) -> Option<&'static str> {
    /// caller.has("conversations:read_sensitive").then_some("the transcript")
    /// # }
    /// ```
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes().contains(scope)
    }

    /// Returns whether the caller holds at least one of `scopes`; false if `scopes` is empty.
    #[must_use]
    pub fn has_any<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> bool {
        scopes.into_iter().any(|scope| self.has(scope))
    }

    /// Returns what the credential may do at most, if that is restricted: for a handler that shows
    /// a person's organizations, for example. [Scopes](Self::scopes) and
    /// [organization](Self::organization) respect it already.
    #[must_use]
    pub fn restrictions(&self) -> Option<&Restrictions> {
        self.0.restrictions()
    }

    /// Returns the description, the metadata and the conditions of the credential; `None` if it has
    /// none of them.
    #[must_use]
    pub fn attributes(&self) -> Option<&Attributes> {
        self.0.attributes()
    }

    /// Returns the value of a key in the credential's [metadata](crate::store::Metadata).
    ///
    /// ```
    /// # fn handler(caller: &tower_api_key::Principal) {
    /// let team = caller.metadata("team").unwrap_or("nobody");
    /// # }
    /// ```
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.attributes()?.metadata.get(key)
    }

    /// Returns when the credential expires; `None` if it does not. It was valid when the request
    /// was accepted, and a request is not ended by it.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.0.expires_at()
    }

    /// Returns the value that the store added to the credential's record with
    /// [`Record::with_data`], if it is a `T`.
    ///
    /// ```
    /// use http::{Request, StatusCode};
    /// use tower_api_key::Principal;
    ///
    /// struct Plan {
    ///     may_export: bool,
    /// }
    ///
    /// fn export(request: &Request<()>) -> StatusCode {
    ///     let caller = request.extensions().get::<Principal>();
    ///     match caller.and_then(Principal::data::<Plan>) {
    ///         Some(plan) if plan.may_export => StatusCode::OK,
    ///         _ => StatusCode::PAYMENT_REQUIRED,
    ///     }
    /// }
    /// # assert_eq!(export(&Request::new(())), StatusCode::PAYMENT_REQUIRED);
    /// ```
    #[must_use]
    pub fn data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.data()
    }

    /// Returns the record that was proven.
    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.0
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("kind", &self.kind())
            .field("credential_id", &self.credential_id())
            .field("organization", &self.organization())
            .field("user", &self.user())
            .field("role", &self.role())
            .field("scopes", &self.scopes())
            .finish()
    }
}

/// Why a request passed an authentication layer without a principal. Added to the request's
/// extensions, so that an inner requirement can distinguish such a request from a missing layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WithoutPrincipal {
    /// Its credential was not examined, or it has none where none is needed.
    Anonymous,
    /// Its credential is not one of this crate's, and another authenticator decides about it.
    OtherCaller,
}
