//! Who the caller of a request is, as data for a response.

mod json;
#[cfg(feature = "serde")]
mod serialize;

use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    principal::Principal,
    scope::ScopeSet,
    store::{Conditions, Restrictions},
};

/// Who the caller of a request is and what it may do, for an endpoint that answers "who am I?".
///
/// Refusals do not tell a client why it was refused. This shows the holder of an accepted
/// credential what the service takes it for: which key it is, where it acts, what it may do and
/// until when. It has neither the token nor its digest, and nothing of anyone else.
///
/// For axum, `axum::whoami` is the whole handler. Elsewhere, answer with
/// [`to_json`](Self::to_json); with the feature `serde` it can also be a part of a response of your
/// own.
///
/// ```
/// use http::{Request, Response, header};
/// use tower_api_key::{CallerInfo, Principal};
///
/// /// Runs behind an `AuthLayer`.
/// fn whoami<B>(request: &Request<B>) -> Option<Response<String>> {
///     let caller = request.extensions().get::<Principal>()?;
///     let response = Response::builder()
///         .header(header::CONTENT_TYPE, "application/json")
///         .header(header::CACHE_CONTROL, "no-store");
///     response.body(CallerInfo::of(caller).to_json()).ok()
/// }
/// # assert!(whoami(&Request::new(())).is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerInfo {
    /// The kind of credential.
    pub kind: Kind,
    /// The public id of the credential.
    pub credential_id: CredentialId,
    /// The organization that the request acts in; `None` on a user-scoped route.
    pub organization: Option<OrgId>,
    /// The user who owns a personal token; `None` for a key.
    pub user: Option<UserId>,
    /// The role in that organization, if the scopes come from it alone.
    pub role: Option<Box<str>>,
    /// What the caller may do in that organization.
    pub scopes: ScopeSet,
    /// When the credential expires; `None` if it does not.
    pub expires_at: Option<UnixMillis>,
    /// What the credential may do at most, if that is restricted.
    pub restrictions: Option<Restrictions>,
    /// Where the credential is accepted at most, if that is limited.
    pub conditions: Option<Conditions>,
}

impl CallerInfo {
    /// Returns who `caller` is.
    #[must_use]
    pub fn of(caller: &Principal) -> Self {
        Self {
            kind: caller.kind(),
            credential_id: caller.credential_id().into(),
            organization: caller.organization().map(Into::into),
            user: caller.user().map(Into::into),
            role: caller.role().map(Into::into),
            scopes: caller.scopes().clone(),
            expires_at: caller.expires_at(),
            restrictions: caller.restrictions().cloned(),
            conditions: caller.record().conditions().cloned(),
        }
    }

    /// Returns the kind as a response names it.
    fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::OrgKey => "organization_api_key",
            Kind::PersonalToken => "personal_access_token",
        }
    }
}
