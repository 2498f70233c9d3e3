//! Importing credentials from another system by their digests, so that users keep their tokens.

use super::{
    Actor, ManageError, Manager,
    request::scope_list,
    rules::{Rights, check_name, check_unit},
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, check_credential_id, key_id_of_digest},
    id::{CredentialId, OrgId},
    secret::{Digest, Salt, SaltedDigests},
    store::{
        Attributes, AuditAction, CredentialInfo, ManageStore, Owner, StoreError,
        backend::{Commit, NewCredential},
        organization_list,
    },
};

/// A credential of another system to import: its id, the SHA-256 digest of the whole token, or a
/// [salted digest](Self::with_salt) of it, and its other known properties.
///
/// A key's id is the part of its token between prefix and dot, or for a key without one that of
/// [`key_id_of_digest`]. A key without a role and scopes may
/// do nothing.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, manage::Import, secret::Digest};
///
/// // A row of the other system: id, SHA-256 in hex, name, creation time.
/// let sha256 = "9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53";
/// let key = Import::new("test", Digest::from_hex(sha256)?, "nightly export")
///     .with_role("viewer")
///     .with_created_at(UnixMillis(1_600_000_000_000));
/// # Ok::<(), tower_api_key::secret::ParseDigestError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Import {
    id: CredentialId,
    digest: Digest,
    salt: Option<Salt>,
    name: Box<str>,
    role: Option<Box<str>>,
    scopes: Option<Box<[Box<str>]>>,
    organizations: Option<Box<[OrgId]>>,
    attributes: Attributes,
    created_at: Option<UnixMillis>,
    expires_at: Option<UnixMillis>,
}

impl Import {
    /// Creates an import from a credential's id, digest and name.
    pub fn new(id: impl Into<CredentialId>, digest: Digest, name: &str) -> Self {
        let (id, name) = (id.into(), name.into());
        Self {
            id,
            digest,
            salt: None,
            name,
            role: None,
            scopes: None,
            organizations: None,
            attributes: Attributes::default(),
            created_at: None,
            expires_at: None,
        }
    }

    /// States that the digest is a salted one, computed with this salt.
    ///
    /// For keys that are found by an id: [`OrgKey`](crate::credential::TokenShape::OrgKey) and
    /// [`OrgKeyHashedBySecret`](crate::credential::TokenShape::OrgKeyHashedBySecret). The store
    /// must have the salted digest, and keeps both as they are: no
    /// [pepper](crate::guide::peppers) is applied, and a use does not change them. A rotation
    /// issues a key without a salt.
    ///
    /// ```
    /// use tower_api_key::{manage::Import, secret::*};
    ///
    /// # let sha256 = "9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53";
    /// let salted = SaltedDigests::new(SaltedSha256::SaltFirst)?; // the store has the same
    /// let salt = salted.salt("sha256-prefix", b"8f3a1c")?;
    /// let key = Import::new("test", Digest::from_hex(sha256)?, "nightly export").with_salt(salt);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_salt(self, salt: Salt) -> Self {
        Self {
            salt: Some(salt),
            ..self
        }
    }

    /// Grants a key the rights of a role.
    pub fn with_role(self, role: &str) -> Self {
        Self {
            role: Some(role.into()),
            scopes: None,
            ..self
        }
    }

    /// Grants a key exactly these scopes and what they imply, or restricts a token to them.
    pub fn with_scopes<T: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        Self {
            role: None,
            scopes: Some(scope_list(scopes)),
            ..self
        }
    }

    /// Restricts a token to these organizations, at most 100.
    pub fn with_organizations<T: Into<OrgId>>(
        self,
        organizations: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            organizations: Some(organization_list(organizations)),
            ..self
        }
    }

    /// Sets the description, the metadata and the conditions.
    pub fn with_attributes(self, attributes: Attributes) -> Self {
        Self { attributes, ..self }
    }

    /// Sets when the credential was created; now by default.
    pub fn with_created_at(self, moment: UnixMillis) -> Self {
        Self {
            created_at: Some(moment),
            ..self
        }
    }

    /// Sets when the credential expires; `None`, the default, means never. It may be in the past.
    pub fn expiring_at(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            expires_at: moment.into(),
            ..self
        }
    }

    /// Returns whether it has nothing that a credential of `kind` cannot have.
    fn fits(&self, kind: Kind) -> bool {
        match kind {
            Kind::OrgKey => self.organizations.is_none(),
            Kind::PersonalToken => self.role.is_none(),
        }
    }

    /// Refuses a salt that could not be used to verify the credential.
    fn check_salt(&self, kind: Kind, salted: Option<&SaltedDigests>) -> Result<(), ManageError> {
        let Some(salt) = &self.salt else {
            return Ok(());
        };
        if kind == Kind::PersonalToken || self.id == key_id_of_digest(&self.digest) {
            return Err(ManageError::SaltNeedsId);
        }
        let known = salted.and_then(|salted| salted.named(salt.name()));
        let unknown = || ManageError::UnknownSaltedDigest(salt.name().into());
        known.map(drop).ok_or_else(unknown)
    }

    /// Returns the new credential, created at `now` unless the import has a time.
    fn into_credential(self, actor: &Actor, owner: Owner, now: UnixMillis) -> NewCredential {
        let grants_nothing = owner.kind() == Kind::OrgKey && self.role.is_none();
        let nothing = || Some(Box::default()).filter(|_| grants_nothing);
        let info = CredentialInfo {
            name: self.name,
            scopes: self.scopes.or_else(nothing),
            role: self.role,
            organizations: self.organizations,
            attributes: self.attributes,
            created_by: Some(actor.who.clone()),
            expires_at: self.expires_at,
            ..CredentialInfo::new(self.id, owner, self.created_at.unwrap_or(now))
        };
        NewCredential {
            info,
            digest: self.digest,
            salt: self.salt,
            idempotency: None,
        }
    }
}

impl<S: ManageStore> Manager<S> {
    /// Imports a credential for the owner that an [operator](Actor::operator) acts for: a key for
    /// an organization, a token for a user. The cap and the maximum lifetime do not apply.
    ///
    /// A migration may stop half-way: run it again, and ignore [`ManageError::Taken`]. The
    /// [guide](crate::guide::managing#migrating-from-another-system) has the steps.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`] for every actor except an operator, for a token with a role, and
    /// for a key with a list of organizations; [`ManageError::InvalidId`];
    /// [`ManageError::TooManyOrganizations`], [`ManageError::RestrictionsUnsupported`];
    /// [`ManageError::InvalidAttributes`], [`ManageError::AttributesUnsupported`];
    /// [`ManageError::SaltNeedsId`], [`ManageError::UnknownSaltedDigest`],
    /// [`ManageError::SaltWithoutPepper`];
    /// [`ManageError::Taken`] if the id of a key, or the id or digest of a token, already exists;
    /// [`ManageError::InvalidName`],
    /// [`ManageError::ExpiryTooFar`],
    /// [`ManageError::UnknownRole`], [`ManageError::UnknownScope`], [`ManageError::UnknownOwner`],
    /// [`ManageError::Unavailable`].
    pub async fn import(
        &self,
        actor: &Actor,
        kind: Kind,
        import: Import,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        if !actor.is_operator() || !import.fits(kind) {
            return Err(ManageError::NotAllowed);
        }
        check_credential_id(kind, import.id.as_str())?;
        check_name(&import.name)?;
        check_unit(import.expires_at)?;
        self.check_attributes(&import.attributes)?;
        import.check_salt(kind, self.store.salted_digests())?;
        let now = self.clock.now();
        let new = import.into_credential(actor, owner.clone(), now);
        let info = new.info.clone();
        self.check_grant(actor, Rights::of(&info))?;
        let commit = Commit {
            events: vec![actor.event(now, AuditAction::Imported, &info)],
            insert: Some(new),
            ..Commit::new(owner, self.authority(actor, now))
        };
        let made = self.within_deadline(async { Ok(self.commit(&commit).await?) });
        match made.await {
            Ok(()) => Ok(info),
            // Only a salted digest is stored without a pepper.
            Err(ManageError::Unavailable(StoreError::PlainDigest)) => {
                Err(ManageError::SaltWithoutPepper)
            }
            Err(error) => Err(error),
        }
    }
}
