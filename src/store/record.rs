//! What a store says of a credential.

use std::sync::Arc;

use crate::{
    clock::UnixMillis,
    credential::Kind,
    error::ConfigError,
    principal::{Catalogue, CredentialId, OrgId, ScopeSet, UserId},
    secret::Digest,
};

/// A credential as a store knows it, without its secret.
///
/// Made by a store, with one of the two constructors and what applies of the rest. Grants nothing until it has a role or
/// scopes.
///
/// ```
/// use tower_api_key::{principal::Catalogue, secret::Digest, store::Record};
///
/// let digest = Digest::of(b"ak_example.test-secret");
/// let key = Record::org_key("example", digest, "org_1").with_role("viewer", &Catalogue::documented())?;
/// assert!(key.scopes().contains("agents:read"));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Record {
    kind: Kind,
    standing: Standing,
    id: CredentialId,
    digest: Digest,
    expires_at: Option<UnixMillis>,
    organization: Option<OrgId>,
    user: Option<UserId>,
    role: Option<Arc<str>>,
    scopes: ScopeSet,
}

/// Whether a credential still counts, apart from its expiry.
///
/// All but [`Active`](Self::Active) are answered alike, as an unknown credential is; the difference is for the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// It counts.
    Active,
    /// It was deleted.
    Deleted,
    /// It was switched off and may be switched on again.
    Disabled,
    /// The person that it belongs to is gone or disabled.
    OwnerGone,
    /// The organization that a key belongs to is gone.
    OrganizationGone,
}

impl Record {
    /// Makes the record of an organization key: its id (between prefix and dot), the digest of the whole token, and the
    /// organization that it belongs to.
    #[must_use]
    pub fn org_key(id: impl Into<CredentialId>, digest: Digest, organization: impl Into<OrgId>) -> Self {
        Self { organization: Some(organization.into()), ..Self::new(Kind::OrgKey, id.into(), digest) }
    }

    /// Makes the record of a personal access token: a public id for logs and lists, the digest of the whole token, and
    /// the person that it belongs to.
    #[must_use]
    pub fn personal_token(id: impl Into<CredentialId>, digest: Digest, user: impl Into<UserId>) -> Self {
        Self { user: Some(user.into()), ..Self::new(Kind::PersonalToken, id.into(), digest) }
    }

    fn new(kind: Kind, id: CredentialId, digest: Digest) -> Self {
        Self {
            kind,
            standing: Standing::Active,
            id,
            digest,
            expires_at: None,
            organization: None,
            user: None,
            role: None,
            scopes: ScopeSet::empty(),
        }
    }

    /// States that the person is a member of the organization that the look-up named.
    #[must_use]
    pub fn in_organization(self, organization: impl Into<OrgId>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }

    /// Grants what `role` may do, and remembers the role.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRole`] when the catalogue has no such role.
    pub fn with_role(self, role: &str, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        let scopes = catalogue.scopes_of(role).ok_or_else(|| ConfigError::UnknownRole(role.into()))?.clone();
        Ok(Self { role: Some(role.into()), scopes, ..self })
    }

    /// Grants exactly `scopes`. What they imply is added by [`Catalogue::expand`].
    #[must_use]
    pub fn with_scopes(self, scopes: ScopeSet) -> Self {
        Self { scopes, ..self }
    }

    /// Sets the moment from which the credential no longer counts; `None`, the default, is never.
    #[must_use]
    pub fn expiring_at(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self { expires_at: moment.into(), ..self }
    }

    /// Sets the standing; [`Standing::Active`] by default.
    #[must_use]
    pub fn with_standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// Returns the kind of credential.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the public id, safe to log.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Returns the digest of the whole token.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the standing.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns the moment from which the credential no longer counts.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.expires_at
    }

    /// Returns the key's organization, or the one that the token's owner was found to be a member of.
    #[must_use]
    pub fn organization(&self) -> Option<&OrgId> {
        self.organization.as_ref()
    }

    /// Returns the person that a token belongs to.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Returns the role, when the scopes come from one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// Returns what the credential may do in its organization.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }
}
