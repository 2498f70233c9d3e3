//! For authors of stores: what a store does so that its credentials can be managed, and the parts
//! that stores in databases share.
//!
//! Implement [`ManageStore`] to use a [`Manager`](crate::manage::Manager) with your own tables. The
//! rules are in [`manage`](crate::manage). A store only guarantees atomicity: everything in a
//! [`Commit`] happens, or nothing does.
//!
//! A commit, in one transaction:
//!
//! 1. Read the actor that the [`Authority`] names, keep it from changing, and call
//!    [`Authority::permits`]. If it returns false, refuse with [`WriteError::NotPermitted`].
//! 2. Insert [`Commit::insert`], with its digest as [`DigestPolicy::store`] returns it and its
//!    idempotency key. A unique index makes a second one [`WriteError::Taken`].
//! 3. Apply each [`Update`] if the row is still as it was read; else [`WriteError::Changed`].
//! 4. Count what is usable if there is a [`Cap`]; beyond it, refuse with
//!    [`WriteError::CapReached`].
//! 5. Insert the audit events.
//!
//! Parts that save work in a database: implement [`Columns`] for your driver's row, and
//! [`RecordReader`], [`credential_info`] and [`audit_event`] read the rows;
//! [`Usage::decide`] has the rule for last uses.
//!
//! This module may change in any 0.x release, unlike [`CredentialStore`], which is all that a store
//! needs to answer requests.

mod authority;
mod ending;
mod observed;
mod pseudonym;
mod rows;
mod stored_digest;

use std::sync::Arc;

use async_trait::async_trait;

pub use authority::{ActorState, Authority, Requirements};
pub use ending::{EndStatus, EndTarget, Ending};
pub use observed::{observe_revocation_lag, report_feed_lost};
pub use pseudonym::pseudonym;
pub use rows::{Columns, RecordReader, audit_event, credential_info, read_digest};
pub use stored_digest::{DigestPolicy, StoredDigest};

use super::{
    AuditAction, AuditActor, AuditEvent, CredentialInfo, CredentialStore, Filter, Owner, Record,
    StoreError, WriteError,
};
pub use super::{audit::ActorColumns, error::BoxError};
use crate::{
    clock::UnixMillis, credential::Kind, id::CredentialId, scope::Catalogue, secret::Digest,
};

/// A store whose credentials a [`Manager`](crate::manage::Manager) can manage.
///
/// Every query and every change concerns one owner. For that owner, other owners' credentials do
/// not exist.
///
/// Eight methods are required. [`insert`](Self::insert), [`delete`](Self::delete) and
/// [`rehash`](Self::rehash) are provided. Hold your implementation to its contract with
/// `testing::contract::run_managed` (feature `testing`).
#[async_trait]
pub trait ManageStore: CredentialStore {
    /// Returns the roles, with which the manager checks what may be granted.
    fn catalogue(&self) -> &Catalogue;

    /// Returns a credential of `owner`, including a deleted one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError>;

    /// Returns what was issued to `owner` under an idempotency key.
    ///
    /// By default nothing was. A store without idempotency keys must refuse to
    /// [`commit`](Self::commit) a credential that has one, with [`WriteError::Unsupported`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        let _ = (owner, key);
        Ok(None)
    }

    /// Lists credentials of `owner`, newest first; among those created in the same millisecond, the
    /// greatest id (by its bytes) comes first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError>;

    /// Makes all changes in `commit`, or none. They are durable once the call has returned.
    ///
    /// # Errors
    /// In this order: [`WriteError::NotPermitted`] if the [`Authority`] no longer permits the
    /// change; [`WriteError::UnknownOrganization`] or [`WriteError::UnknownUser`] if something is
    /// to be added to an owner that does not exist; [`WriteError::Taken`] if an id, a token's
    /// digest or an idempotency key of the owner already exists; [`WriteError::Changed`] if a
    /// credential is not as it was read; [`WriteError::CapReached`]; [`WriteError::Store`].
    async fn commit(&self, commit: &Commit) -> Result<(), WriteError>;

    /// Deletes or disables one credential of an owner, or all of them, and returns the ids of those
    /// that it changed. The change is durable once the call has returned.
    ///
    /// Unlike [`commit`](Self::commit) it compares nothing with what was read before: ending a
    /// credential must not depend on what its bearer does at the same time. It changes credentials
    /// that are not deleted (to disable: those that are active), whatever their name, expiry and
    /// successor, even if the rest of the row is damaged. Each changed credential gets an audit
    /// event in the same transaction.
    ///
    /// Ending [all](EndTarget::All) is atomic: what a credential of the owner issues at the same
    /// time is ended too, or is refused with [`WriteError::NotPermitted`].
    ///
    /// # Errors
    /// [`WriteError::NotPermitted`], [`WriteError::Store`]. A credential that does not exist,
    /// belongs to another owner or has already been ended is not an error; its id is not among
    /// those returned.
    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError>;

    /// Lists audit events of credentials of `owner`, newest first: at most `limit`, and only those
    /// with a number below `before`.
    ///
    /// By default there are none: a store need not keep a trail, and then does not store the events
    /// of a [`Commit`] or an [`Ending`]. They still reach the manager's
    /// [hook](crate::manage::Manager::on_event).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let _ = (owner, before, limit);
        Ok(Vec::new())
    }

    /// Records when credentials were last used. A use that is before the recorded one, or within a
    /// minute after it, is not written.
    ///
    /// The first use of a credential since its rotation is also an audit event
    /// ([`AuditAction::UsedAfterRotation`]); these events are returned.
    ///
    /// By default nothing is recorded.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was recorded.
    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        let _ = uses;
        Ok(Vec::new())
    }

    /// Stores a credential as it is, with no rules applied and no audit event. Use it to set up a
    /// store, and for tools and tests; issue credentials with a
    /// [`Manager`](crate::manage::Manager) instead.
    ///
    /// # Errors
    /// [`WriteError::Taken`]; [`WriteError::InvalidId`] for an id that
    /// [`check_credential_id`](crate::credential::check_credential_id) refuses;
    /// [`WriteError::GrantOnToken`]; [`WriteError::UnknownOrganization`] or
    /// [`WriteError::UnknownUser`] for its owner; [`WriteError::UnknownRole`] if the record's role
    /// comes from a catalogue other than the store's.
    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.commit(&Commit::inserting(&record, self.catalogue())?)
            .await
    }

    /// Deletes a credential of `owner` by its public id, without asking who does it; the audit
    /// event names the operator `store`. Use it for tools and tests.
    ///
    /// # Errors
    /// [`WriteError::UnknownCredential`] if there is none, or it is already deleted.
    async fn delete(&self, owner: &Owner, id: &str) -> Result<(), WriteError> {
        let ended = self
            .end(&Ending::deleting(owner.clone(), id.into()))
            .await?;
        match ended.is_empty() {
            true => Err(WriteError::UnknownCredential(id.into())),
            false => Ok(()),
        }
    }

    /// Rehashes the credential's digest with the current pepper if it is out of date and
    /// `presented` is the plain digest of its token; returns whether it did. By default there is
    /// nothing to rehash.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let _ = (kind, id, presented);
        Ok(false)
    }
}

/// Minimum time between two recorded uses of one credential, in milliseconds.
pub const USE_GRANULARITY_MILLIS: i64 = 60_000;

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
    /// The digest of the whole token.
    pub digest: Digest,
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

/// What was issued under an idempotency key, as [`ManageStore::issued_under`] returns it.
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
/// Its name, status, expiry and successor are compared and set; the time of its rotation is set
/// with the successor. In SQL that is one statement, whose count of changed rows must be 1:
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

/// Which credentials to list.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct ListQuery {
    /// Only those that match this filter.
    pub filter: Filter,
    /// Only those after this place in the order of the list.
    pub after: Option<Position>,
    /// Page size.
    pub limit: u32,
    /// The time that decides what has expired.
    pub now: UnixMillis,
}

impl ListQuery {
    /// Returns whether the list has `credential`, apart from the page size. For stores that do not
    /// filter by themselves.
    #[must_use]
    pub fn lists(&self, credential: &CredentialInfo) -> bool {
        let place = (credential.created_at, credential.id.as_str());
        let is_after = |after: &Position| place < (after.created_at, after.id.as_str());
        self.after.as_ref().is_none_or(is_after) && self.filter.shows(credential, self.now)
    }
}

/// A credential's place in a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// When it was created.
    pub created_at: UnixMillis,
    /// Its id, which decides between those created in the same millisecond.
    pub id: CredentialId,
}

impl Position {
    /// Creates the place of a credential from its creation time and its id.
    #[must_use]
    pub fn new(created_at: UnixMillis, id: impl Into<CredentialId>) -> Self {
        Self {
            created_at,
            id: id.into(),
        }
    }
}

/// A use of a credential, as [`LastUse::unwritten`](crate::LastUse::unwritten) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Usage {
    /// The credential's kind.
    pub kind: Kind,
    /// The credential's public id.
    pub id: CredentialId,
    /// When it was last used.
    pub at: UnixMillis,
    /// Whether a lookup that knew of the rotation accepted the credential at least once.
    /// Distinguishes a use after the rotation from one before it, whatever the nodes' clocks show.
    pub after_rotation: bool,
}

/// What the store knows about the uses of a credential, for [`Usage::decide`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastUsage {
    /// The credential's owner.
    pub owner: Owner,
    /// The last recorded use.
    pub recorded: Option<UnixMillis>,
    /// The credential that replaced it.
    pub successor: Option<Successor>,
    /// Whether [`AuditAction::UsedAfterRotation`] has already been recorded.
    pub reported: bool,
}

/// The credential that replaced another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// Its public id.
    pub id: CredentialId,
    /// When it was issued.
    pub issued_at: UnixMillis,
}

/// What to store of a use, as [`Usage::decide`] returns it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsageDecision {
    /// Whether to record the use.
    pub record: bool,
    /// The audit event to store with it, and to return.
    pub event: Option<AuditEvent>,
}

impl LastUsage {
    /// Creates what a store knows about a credential that was neither used nor rotated.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            recorded: None,
            successor: None,
            reported: false,
        }
    }
}

impl Successor {
    /// Creates a successor from its public id and when it was issued.
    #[must_use]
    pub fn new(id: impl Into<CredentialId>, issued_at: UnixMillis) -> Self {
        Self {
            id: id.into(),
            issued_at,
        }
    }
}

impl Usage {
    /// Creates a use at `at`, accepted by lookups that knew of no rotation.
    pub fn new(kind: Kind, id: impl Into<CredentialId>, at: UnixMillis) -> Self {
        Self {
            kind,
            id: id.into(),
            at,
            after_rotation: false,
        }
    }

    /// Returns the use as it is recorded: never later than `now` by the store's own clock, so that
    /// a node whose clock is ahead cannot hide later uses.
    pub fn clipped(&self, now: UnixMillis) -> Self {
        Self {
            at: UnixMillis(self.at.0.min(now.0)),
            ..self.clone()
        }
    }

    /// Decides whether to record the use, and whether it is an audit event. Pass the
    /// [clipped](Self::clipped) use, and do both in one transaction.
    #[must_use]
    pub fn decide(&self, known: LastUsage) -> UsageDecision {
        let due = known
            .recorded
            .is_none_or(|last| self.at.0 >= last.0.saturating_add(USE_GRANULARITY_MILLIS));
        let first = known.successor.filter(|successor| {
            !known.reported && (self.after_rotation || self.at >= successor.issued_at)
        });
        let action = AuditAction::UsedAfterRotation;
        let event = first.map(|successor| AuditEvent {
            related: Some(successor.id),
            ..AuditEvent::new(self.at, action, known.owner, &self.id, AuditActor::Bearer)
        });
        UsageDecision {
            record: due || event.is_some(),
            event,
        }
    }
}

#[async_trait]
impl<S: ManageStore + ?Sized> ManageStore for Arc<S> {
    fn catalogue(&self) -> &Catalogue {
        (**self).catalogue()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        (**self).credential(owner, id).await
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        (**self).issued_under(owner, key).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        (**self).credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        (**self).commit(commit).await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        (**self).end(ending).await
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        (**self).events(owner, before, limit).await
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        (**self).record_uses(uses).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        (**self).insert(record).await
    }

    async fn delete(&self, owner: &Owner, id: &str) -> Result<(), WriteError> {
        (**self).delete(owner, id).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        (**self).rehash(kind, id, presented).await
    }
}
