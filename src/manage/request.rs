//! Requests to issue credentials: what a key or a token is to be.

use std::collections::HashSet;

use super::{
    ManageError,
    fingerprint::fingerprint,
    rules::{Rights, check_idempotency_key},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::OrgId,
    scope::Tables,
    store::{Attributes, CredentialInfo, backend::Idempotency, organization_list},
};

/// An organization key to issue. Without a role and scopes it may do nothing; without an expiry it
/// never expires.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, manage::NewKey};
///
/// let key = NewKey::named("ci")
///     .with_scopes(["agents:read"])
///     .expiring_at(UnixMillis(1_767_225_600_000))
///     .with_idempotency_key("3f9a2c"); // sent by the client, so that it may retry
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewKey(pub(super) IssueRequest);

/// A personal token to issue. Its rights follow from its owner's memberships, and can be restricted
/// further; without an expiry it never expires.
///
/// ```
/// use tower_api_key::manage::NewToken;
///
/// let token = NewToken::named("my laptop").expiring_at(None);
/// let restricted = NewToken::named("nightly report")
///     .with_scopes(["conversations:read"])
///     .with_organizations(["org_1"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewToken(pub(super) IssueRequest);

/// A request to issue a credential.
#[derive(Clone, Debug)]
pub(super) struct IssueRequest {
    pub(super) name: Box<str>,
    pub(super) role: Option<Box<str>>,
    pub(super) scopes: Option<Box<[Box<str>]>>,
    pub(super) organizations: Option<Box<[OrgId]>>,
    pub(super) attributes: Attributes,
    pub(super) expires_at: Option<UnixMillis>,
    idempotency_key: Option<Box<str>>,
}

impl IssueRequest {
    fn named(name: &str, scopes: Option<Box<[Box<str>]>>) -> Self {
        Self {
            name: name.into(),
            role: None,
            scopes,
            organizations: None,
            attributes: Attributes::default(),
            expires_at: None,
            idempotency_key: None,
        }
    }
}

macro_rules! common {
    ($($new:ident)+) => {$(
        impl $new {
            /// Sets when the credential expires; `None`, the default, means never.
            pub fn expiring_at(mut self, moment: impl Into<Option<UnixMillis>>) -> Self {
                self.0.expires_at = moment.into();
                self
            }

            /// Sets the description, the metadata and the conditions.
            pub fn with_attributes(mut self, attributes: Attributes) -> Self {
                self.0.attributes = attributes;
                self
            }

            /// Makes it safe to repeat the request.
            ///
            /// While the credential that this request issued is active, the owner's next identical
            /// request with the same key returns it again, without its secret; after that,
            /// [`ManageError::IssuedInactive`]. Keys are remembered forever.
            pub fn with_idempotency_key(mut self, key: &str) -> Self {
                self.0.idempotency_key = Some(key.into());
                self
            }
        }
    )+};
}

common!(NewKey NewToken);

impl NewKey {
    /// Creates a request for a key with this name: 1 to 100 characters.
    pub fn named(name: &str) -> Self {
        Self(IssueRequest::named(name, Some(Box::default())))
    }

    /// Grants the key the rights of a role, following later changes of the catalogue. Replaces
    /// scopes set before.
    pub fn with_role(self, role: &str) -> Self {
        Self(IssueRequest {
            role: Some(role.into()),
            scopes: None,
            ..self.0
        })
    }

    /// Grants the key exactly these scopes and what they imply. Replaces a role set before.
    pub fn with_scopes<T: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        Self(IssueRequest {
            role: None,
            scopes: Some(scope_list(scopes)),
            ..self.0
        })
    }
}

impl NewToken {
    /// Creates a request for a token with this name: 1 to 100 characters.
    pub fn named(name: &str) -> Self {
        Self(IssueRequest::named(name, None))
    }

    /// Restricts the token to these scopes and what they imply: in each organization it may do what
    /// its owner may do there and these allow, whatever the owner's role becomes. Without scopes in
    /// the list it may do nothing that needs one. By default it may do everything that its owner
    /// may.
    pub fn with_scopes<T: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        Self(IssueRequest {
            scopes: Some(scope_list(scopes)),
            ..self.0
        })
    }

    /// Restricts the token to these organizations, at most 100: in any other it is refused like the
    /// token of someone who is not a member. The owner need not be a member yet. By default it may
    /// act in every organization of its owner.
    pub fn with_organizations<T: Into<OrgId>>(
        self,
        organizations: impl IntoIterator<Item = T>,
    ) -> Self {
        Self(IssueRequest {
            organizations: Some(organization_list(organizations)),
            ..self.0
        })
    }
}

/// Returns a list of scopes in the order in which they are named, each once.
pub(super) fn scope_list<T: Into<Box<str>>>(
    scopes: impl IntoIterator<Item = T>,
) -> Box<[Box<str>]> {
    let mut named = HashSet::<Box<str>>::new();
    let scopes = scopes.into_iter().map(Into::into);
    scopes.filter(|scope| named.insert(scope.clone())).collect()
}

impl IssueRequest {
    /// Returns what the credential is to be allowed.
    pub(super) fn rights(&self, kind: Kind) -> Rights<'_> {
        Rights {
            kind,
            role: self.role.as_deref(),
            scopes: self.scopes.as_deref(),
            organizations: self.organizations.as_deref(),
            conditions: &self.attributes.conditions,
        }
    }

    /// Returns the idempotency key, with the fingerprint of this request.
    pub(super) fn idempotency(&self, kind: Kind) -> Result<Option<Idempotency>, ManageError> {
        let Some(key) = &self.idempotency_key else {
            return Ok(None);
        };
        check_idempotency_key(key)?;
        Ok(Some(Idempotency::new(key.clone(), fingerprint(kind, self))))
    }

    /// Creates a request for another credential like this one, with those of its scopes that the
    /// catalogue still has.
    pub(super) fn like(
        credential: &CredentialInfo,
        expires_at: Option<UnixMillis>,
        tables: &Tables,
    ) -> Self {
        let known = |scopes: &[Box<str>]| -> Box<[Box<str>]> {
            scopes
                .iter()
                .filter(|scope| tables.knows(scope))
                .cloned()
                .collect()
        };
        Self {
            name: credential.name.clone(),
            role: credential.role.clone(),
            scopes: credential.scopes.as_deref().map(known),
            organizations: credential.organizations.clone(),
            attributes: credential.attributes.clone(),
            expires_at,
            idempotency_key: None,
        }
    }
}
