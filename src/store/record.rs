//! What a store says of a credential.

use std::sync::Arc;

use crate::{
    clock::UnixMillis,
    credential::Kind,
    error::ConfigError,
    id::{CredentialId, OrgId, UserId},
    scope::{Catalogue, ScopeSet},
    secret::{Digest, Pepper},
};

/// A credential as a store knows it, without its secret.
///
/// Made by a store, with one of the two constructors and what applies of the rest. Grants nothing until it has a role or
/// scopes.
///
/// ```
/// use tower_api_key::{scope::Catalogue, secret::Digest, store::Record};
///
/// let digest = Digest::of(b"ak_example.test-secret");
/// let key = Record::org_key("example", digest, "org_1").with_role("viewer", &Catalogue::anyreach())?;
/// assert!(key.scopes().contains("agents:read"));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Record {
    id: Box<str>,
    digest: Digest,
    // In two fields, which are eight bytes smaller than an `Option`; stores keep millions of records.
    expires_at: UnixMillis,
    can_expire: bool,
    rotated: bool,
    kind: Kind,
    standing: Status,
    grant: Arc<Grant>,
}

/// What a credential may do, where and for whom, and how its digest was made. Shared by the records of which all of it is the
/// same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    organization: Option<OrgId>,
    user: Option<UserId>,
    role: Option<Arc<str>>,
    scopes: ScopeSet,
    /// What the digest was made under.
    pepper: Option<Arc<Pepper>>,
    /// The digest is to be made anew, when somebody presents the token.
    outdated: bool,
}

/// Whether a credential still counts, apart from its expiry.
///
/// All but [`Active`](Self::Active) are answered alike, as an unknown credential is; the difference is for the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
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
    pub fn org_key(
        id: impl Into<CredentialId>,
        digest: Digest,
        organization: impl Into<OrgId>,
    ) -> Self {
        Self::new(
            Kind::OrgKey,
            &id.into(),
            digest,
            Some(organization.into()),
            None,
        )
    }

    /// Makes the record of a personal access token: a public id for logs and lists, the digest of the whole token, and
    /// the person that it belongs to.
    #[must_use]
    pub fn personal_token(
        id: impl Into<CredentialId>,
        digest: Digest,
        user: impl Into<UserId>,
    ) -> Self {
        Self::new(
            Kind::PersonalToken,
            &id.into(),
            digest,
            None,
            Some(user.into()),
        )
    }

    fn new(
        kind: Kind,
        id: &CredentialId,
        digest: Digest,
        organization: Option<OrgId>,
        user: Option<UserId>,
    ) -> Self {
        Self {
            id: id.as_str().into(),
            digest,
            expires_at: UnixMillis(0),
            can_expire: false,
            rotated: false,
            kind,
            standing: Status::Active,
            grant: Arc::new(Grant {
                organization,
                user,
                role: None,
                scopes: ScopeSet::empty(),
                pepper: None,
                outdated: false,
            }),
        }
    }

    /// States that the person is a member of the organization that the look-up named.
    #[must_use]
    pub fn in_organization(self, organization: impl Into<OrgId>) -> Self {
        self.regrant(|grant| grant.organization = Some(organization.into()))
    }

    /// Grants what `role` may do, and remembers the role.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRole`] when the catalogue has no such role.
    pub fn with_role(self, role: &str, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        let (role, scopes) = catalogue
            .role(role)
            .ok_or_else(|| ConfigError::UnknownRole(role.into()))?;
        Ok(self.regrant(|grant| {
            grant.role = Some(Arc::clone(role));
            grant.scopes = scopes.clone();
        }))
    }

    /// Grants exactly `scopes`. A store makes them of stored ones with [`Catalogue::expand`], which adds what they imply and
    /// leaves out what the catalogue does not know.
    #[must_use]
    pub fn with_scopes(self, scopes: ScopeSet) -> Self {
        self.regrant(|grant| grant.scopes = scopes)
    }

    fn regrant(mut self, change: impl FnOnce(&mut Grant)) -> Self {
        change(Arc::make_mut(&mut self.grant));
        self
    }

    /// States what the digest was made under. Without it, it is the SHA-256 digest of the whole token.
    #[must_use]
    pub fn under(self, pepper: Option<Arc<Pepper>>) -> Self {
        if pepper.is_none() {
            self
        } else {
            self.regrant(|grant| grant.pepper = pepper)
        }
    }

    /// States that the digest was made otherwise than its store would make it now.
    #[must_use]
    pub fn outdated(self, outdated: bool) -> Self {
        if outdated {
            self.regrant(|grant| grant.outdated = true)
        } else {
            self
        }
    }

    pub(crate) fn pepper(&self) -> Option<&Pepper> {
        self.grant.pepper.as_deref()
    }

    pub(crate) fn is_outdated(&self) -> bool {
        self.grant.outdated
    }

    /// Takes another grant, equal to its own, to share it.
    pub(crate) fn sharing(self, grant: &Arc<Grant>) -> Self {
        Self {
            grant: Arc::clone(grant),
            ..self
        }
    }

    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// Sets the moment from which the credential no longer counts; `None`, the default, is never.
    #[must_use]
    pub fn expiring_at(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        let moment = moment.into();
        Self {
            can_expire: moment.is_some(),
            expires_at: moment.unwrap_or(UnixMillis(0)),
            ..self
        }
    }

    /// Sets whether another credential was issued in the place of this one. It counts until it expires; its uses are
    /// reported to the audit trail.
    #[must_use]
    pub fn rotated(self, rotated: bool) -> Self {
        Self { rotated, ..self }
    }

    pub(crate) fn is_rotated(&self) -> bool {
        self.rotated
    }

    /// Sets the standing; [`Status::Active`] by default.
    #[must_use]
    pub fn with_standing(self, standing: Status) -> Self {
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
        &self.id
    }

    /// Returns the digest of the whole token: of a key that was read from a store with
    /// [peppers](crate::secret::Peppers), the one under its pepper.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the standing.
    #[must_use]
    pub fn standing(&self) -> Status {
        self.standing
    }

    /// Returns the moment from which the credential no longer counts.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.can_expire.then_some(self.expires_at)
    }

    /// Returns the key's organization, or the one that the token's owner was found to be a member of.
    #[must_use]
    pub fn organization(&self) -> Option<&OrgId> {
        self.grant.organization.as_ref()
    }

    /// Returns the person that a token belongs to.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.grant.user.as_ref()
    }

    /// Returns the role, when the scopes come from one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.grant.role.as_deref()
    }

    /// Returns what the credential may do in its organization.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.grant.scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_72_bytes_whatever_its_digest_was_made_under() {
        if cfg!(target_pointer_width = "64") {
            assert_eq!(
                size_of::<Record>(),
                72,
                "a store in memory keeps millions of them"
            );
        }
    }
}
