//! Importing credentials from another system by their digests, so that users keep their tokens.

use super::{
    Actor, ManageError, Manager,
    rules::{check_grant, check_name, check_unit},
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, check_credential_id},
    id::CredentialId,
    secret::Digest,
    store::{
        AuditAction, CredentialInfo, ManageStore,
        backend::{Commit, NewCredential},
    },
};

/// A credential of another system to import: its id, the SHA-256 digest of the whole token, and its
/// other known properties.
///
/// A key's id is the part of its token between prefix and dot. A key without a role and scopes may
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
    name: Box<str>,
    role: Option<Box<str>>,
    scopes: Option<Box<[Box<str>]>>,
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
            name,
            role: None,
            scopes: None,
            created_at: None,
            expires_at: None,
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

    /// Grants a key exactly these scopes and what they imply.
    pub fn with_scopes<T: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        Self {
            role: None,
            scopes: Some(scopes.into_iter().map(Into::into).collect()),
            ..self
        }
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
}

impl<S: ManageStore> Manager<S> {
    /// Imports a credential for the owner that an [operator](Actor::operator) acts for: a key for
    /// an organization, a token for a user. The cap and the maximum lifetime do not apply.
    ///
    /// A migration may stop half-way: run it again, and ignore [`ManageError::Taken`]. The
    /// [guide](crate::guide::managing#migrating-from-another-system) has the steps.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`] for every actor except an operator, and for a token with a role
    /// or scopes; [`ManageError::InvalidId`]; [`ManageError::Taken`] if the id or digest already
    /// exists; [`ManageError::InvalidName`], [`ManageError::ExpiryTooFar`],
    /// [`ManageError::UnknownRole`], [`ManageError::UnknownScope`], [`ManageError::UnknownOwner`],
    /// [`ManageError::Unavailable`].
    pub async fn import(
        &self,
        actor: &Actor,
        kind: Kind,
        import: Import,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        let granted = import.role.is_some() || import.scopes.is_some();
        if !actor.is_operator() || (kind == Kind::PersonalToken && granted) {
            return Err(ManageError::NotAllowed);
        }
        check_credential_id(kind, import.id.as_str())?;
        check_name(&import.name)?;
        check_unit(import.expires_at)?;
        check_grant(
            actor,
            import.role.as_deref(),
            import.scopes.as_deref(),
            self.store.catalogue(),
        )?;
        let now = self.clock.now();
        let nothing =
            || Some(Box::default()).filter(|_| kind == Kind::OrgKey && import.role.is_none());
        let info = CredentialInfo {
            scopes: import.scopes.clone().or_else(nothing),
            name: import.name,
            role: import.role,
            expires_at: import.expires_at,
            ..CredentialInfo::new(import.id, owner.clone(), import.created_at.unwrap_or(now))
        };
        let events = vec![actor.event(now, AuditAction::Imported, &info)];
        let insert = Some(NewCredential {
            info: info.clone(),
            digest: import.digest,
            idempotency: None,
        });
        let commit = Commit {
            insert,
            events,
            ..Commit::new(owner, actor.authority(now))
        };
        self.within_deadline(async { Ok(self.commit(&commit).await?) })
            .await?;
        Ok(info)
    }
}
