//! What a store commits: a change and everything that belongs to it.

use super::Authority;
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::{Kind, check_credential_id},
    scope::Catalogue,
    secret::{Digest, Salt, SaltedDigests},
    store::{
        AuditEvent, CredentialInfo, Owner, Record, StoreError,
        WriteError::{self, UnknownRole},
    },
};

/// A change and everything that is committed with it.
///
/// A manager creates it. Create one yourself to test a store:
///
/// ```
/// use tower_api_key::store::{*, backend::*};
///
/// # async fn test(store: &impl ManageStore) -> Result<(), WriteError> {
/// let owner = Owner::Organization("org_1".into());
/// let nothing = Commit::new(owner, Authority::Unconditional);
/// store.commit(&nothing).await?; // a commit without changes succeeds
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct Commit {
    /// The credentials' owner.
    pub owner: Owner,
    /// On whose behalf, checked again in the transaction of the change.
    pub authority: Authority,
    /// A credential to add.
    pub insert: Option<NewCredential>,
    /// Credentials to change.
    pub changes: Vec<Update>,
    /// The audit events to store with it.
    pub events: Vec<AuditEvent>,
    /// Limit on usable credentials after the change; `None` if the change does not add to them.
    pub cap: Option<Cap>,
}

impl Commit {
    /// Creates a commit that changes nothing yet.
    #[must_use]
    pub fn new(owner: Owner, authority: Authority) -> Self {
        Self {
            owner,
            authority,
            insert: None,
            changes: Vec::new(),
            events: Vec::new(),
            cap: None,
        }
    }

    /// Creates the commit of [`ManageStore::insert`](super::ManageStore::insert): a credential
    /// created now, and nothing else.
    ///
    /// Scopes that equal the role's are left out, so that they follow the catalogue. A record that
    /// was read from a store with peppers is refused: its digest can only be used in that store.
    ///
    /// # Errors
    /// Those of [`ManageStore::insert`](super::ManageStore::insert) that can be detected without
    /// the store.
    pub(super) fn inserting(
        record: &Record,
        catalogue: &Catalogue,
        salted: Option<&SaltedDigests>,
    ) -> Result<Self, WriteError> {
        if let Some(pepper) = record.pepper() {
            // It would be stored under two peppers, which no token matches.
            return Err(StoreError::UnknownPepper(pepper.name().into()).into());
        }
        let salt = record.salt().map(|salt| own_salt(salt, salted));
        let salt = salt.transpose()?;
        check_credential_id(record.kind(), record.id())?;
        check_grants(record)?;
        let owner = Owner::of_record(record).unwrap_or_else(|| Owner::of(record.kind(), ""));
        let of_role = match record.role() {
            Some(role) => Some(
                catalogue
                    .scopes_of(role)
                    .ok_or_else(|| UnknownRole(role.into()))?,
            ),
            None => None,
        };
        let (own, now) = (record.own_scopes(of_role.as_ref()), SystemClock.now());
        let info = CredentialInfo::of_record(record, owner.clone(), now, own.as_ref());
        let insert = NewCredential {
            info,
            digest: record.digest().clone(),
            salt,
            idempotency: None,
        };
        Ok(Self {
            insert: Some(insert),
            ..Self::new(owner, Authority::Unconditional)
        })
    }
}

/// Refuses a record with a field that its kind cannot have.
pub(in crate::store) fn check_grants(record: &Record) -> Result<(), WriteError> {
    if let Some(attributes) = record.attributes() {
        attributes.check()?;
    }
    let restrictions = record.restrictions();
    match record.kind() {
        Kind::PersonalToken if record.has_grant() => Err(WriteError::GrantOnToken),
        Kind::PersonalToken if record.salt().is_some() => Err(WriteError::SaltOnToken),
        Kind::OrgKey if restrictions.is_some_and(|only| only.organizations().is_some()) => {
            Err(WriteError::OrganizationsOnKey)
        }
        _ => Ok(()),
    }
}

/// Returns a salt with the store's own salted digest of its name, which verifies it from now on.
///
/// # Errors
/// [`StoreError::UnknownSaltedDigest`].
pub(in crate::store) fn own_salt(
    salt: &Salt,
    salted: Option<&SaltedDigests>,
) -> Result<Salt, StoreError> {
    match salted {
        Some(salted) => Ok(salted.salt(salt.name(), salt.bytes())?),
        None => Err(StoreError::UnknownSaltedDigest(salt.name().into())),
    }
}

/// A limit on how many credentials of one owner are usable at the same time.
///
/// Those that are active and not expired count, including rotated ones that are still in their
/// overlap. Count after the changes of the commit, inside its transaction, so that two commits at
/// once cannot exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cap {
    /// Maximum number of usable credentials per owner.
    pub limit: u32,
    /// The time that decides what has expired.
    pub at: UnixMillis,
}

impl Cap {
    /// Creates a limit on what is usable at `at`.
    #[must_use]
    pub fn new(limit: u32, at: UnixMillis) -> Self {
        Self { limit, at }
    }
}

/// A credential to add, as a row of a store's table.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct NewCredential {
    /// The credential's info.
    pub info: CredentialInfo,
    /// The digest of the whole token, or the salted one if there is a salt.
    pub digest: Digest,
    /// The salt of an imported key, to be stored beside its digest with its name. There is none
    /// unless the store has [salted digests](crate::CredentialStore::salted_digests).
    pub salt: Option<Salt>,
    /// The idempotency key under which it is issued.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key with the request that it belongs to. Store both with the credential, unique
/// per owner, and keep them after it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Idempotency {
    /// The key that the caller chose.
    pub key: Box<str>,
    /// The SHA-256 of the request, to tell a repetition from another request.
    pub fingerprint: [u8; 32],
}

impl Idempotency {
    /// Creates the pair of a key and the SHA-256 of its request.
    #[must_use]
    pub fn new(key: impl Into<Box<str>>, fingerprint: [u8; 32]) -> Self {
        Self {
            key: key.into(),
            fingerprint,
        }
    }
}

/// What was issued under an idempotency key, as [`issued_under`](super::ManageStore::issued_under)
/// returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlierIssue {
    /// The credential as it is now.
    pub info: CredentialInfo,
    /// The fingerprint of the request that issued it.
    pub fingerprint: [u8; 32],
}

impl EarlierIssue {
    /// Creates what was issued from the credential and the fingerprint of its request.
    #[must_use]
    pub fn new(info: CredentialInfo, fingerprint: [u8; 32]) -> Self {
        Self { info, fingerprint }
    }
}

/// A change of a credential, made only if the credential is still as it was read.
///
/// Its name, status, expiry, successor and [attributes](crate::store::Attributes) are compared and
/// set; the time of its rotation is set with the successor. In SQL that is one statement, whose
/// count of changed rows must be 1 (for a store without attributes):
///
/// ```sql
/// UPDATE keys
/// SET name = :after_name, status = :after_status, expires_at = :after_expires_at,
///     rotated_to = :after_rotated_to, rotated_at = :after_rotated_at
/// WHERE id = :id AND name = :name AND status = :status
///   AND expires_at IS :expires_at AND rotated_to IS :rotated_to
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct Update {
    /// The credential as it was read.
    pub before: CredentialInfo,
    /// The credential after the change.
    pub after: CredentialInfo,
}
