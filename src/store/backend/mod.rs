//! What a store does for the management of credentials: it reads, and it commits.
//!
//! The rules are [`manage`](crate::manage)'s. A store keeps them only together: everything in one [`Commit`] happens, or
//! nothing does.

mod authority;
mod ending;

use std::sync::Arc;

use async_trait::async_trait;

pub use authority::{ActorState, Authority, Requirements};
pub use ending::{EndStatus, EndTarget, Ending};

use super::{
    AuditAction, AuditActor, AuditEvent, CredentialInfo, Filter, Owner, StoreAdmin, StoreError,
    WriteError,
};
use crate::{
    clock::UnixMillis, credential::Kind, id::CredentialId, scope::Catalogue, secret::Digest,
};

/// A store whose credentials [`Manager`](crate::manage::Manager) can manage.
///
/// Every question and every change is about one owner. What belongs to another owner is answered as what does not exist.
#[async_trait]
pub trait ManageStore: StoreAdmin {
    /// Returns the roles.
    fn catalogue(&self) -> &Catalogue;

    /// Finds a credential of `owner`, also a deleted one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError>;

    /// Finds what was issued to `owner` under an idempotency key, with the fingerprint of the request.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError>;

    /// Lists credentials of `owner`, the newest first, and of those created in the same millisecond the one with the
    /// greatest id (by its bytes) first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError>;

    /// Makes all of the changes in `commit`, or none. They are durable once it has returned.
    ///
    /// # Errors
    /// In this order: [`WriteError::NotPermitted`] when the [`Authority`] does not permit the change any more;
    /// [`WriteError::UnknownOrganization`] or [`WriteError::UnknownUser`] for an owner to whom something is to be added;
    /// [`WriteError::Taken`] for an id, a token's digest or an idempotency key of the owner that exists already;
    /// [`WriteError::Changed`] when a credential is not as it was read; [`WriteError::CapReached`];
    /// [`WriteError::Store`].
    async fn commit(&self, commit: &Commit) -> Result<(), WriteError>;

    /// Deletes or disables one credential of an owner, or all of them, and returns the ids of those that it changed.
    /// Durable once it has returned.
    ///
    /// Unlike [`commit`](Self::commit) it compares nothing with what was read before: ending a credential must not depend
    /// on what its holder does at the same time. It changes what is not deleted (to disable: what is active), whatever its
    /// name, expiry and successor are, and also when the rest of the row is damaged. Each credential that it changed gets
    /// an audit event in the same transaction.
    ///
    /// To end [all](EndTarget::All) is one act: what a credential of the owner issues at the same time is ended too, or is
    /// refused as [`WriteError::NotPermitted`].
    ///
    /// # Errors
    /// [`WriteError::NotPermitted`], [`WriteError::Store`]. A credential that does not exist, belongs to another owner or
    /// has been ended before is no error; its id is not among those returned.
    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError>;

    /// Lists events about credentials of `owner`, the newest first: at most `limit`, only those with a number below
    /// `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError>;

    /// Records when credentials were last used. A use within a minute after the recorded one, or before it, is not
    /// written.
    ///
    /// Of a credential that was rotated, the first use since then is an event too
    /// ([`AuditAction::UsedAfterRotation`]); returns those events.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was recorded.
    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError>;

    /// Makes the digest of a credential anew, as the store makes digests now, if it was made otherwise and `presented` is
    /// the plain digest of its token; returns whether it did. By default there is nothing to make anew.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let _ = (kind, id, presented);
        Ok(false)
    }
}

/// The least time between two recorded uses of one credential, in milliseconds.
pub const USE_GRANULARITY_MILLIS: i64 = 60_000;

/// A change with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Whose credentials these are.
    pub owner: Owner,
    /// On whose behalf, checked again in the transaction of the change.
    pub authority: Authority,
    /// A credential to add.
    pub insert: Option<NewCredential>,
    /// Credentials to change.
    pub changes: Vec<Update>,
    /// The audit events to store with it.
    pub events: Vec<AuditEvent>,
    /// The most credentials that may be accepted once the change is made; `None` for a change that adds none to them.
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

/// A limit on how many credentials of one owner are accepted at the same time.
///
/// Counted are those that are active and not expired, among them the ones that were rotated and still are in their
/// overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cap {
    /// The most.
    pub limit: u32,
    /// The moment that decides what has expired.
    pub at: UnixMillis,
}

impl Cap {
    /// Creates a limit, for what is accepted at `at`.
    #[must_use]
    pub fn new(limit: u32, at: UnixMillis) -> Self {
        Self { limit, at }
    }
}

/// A credential to add.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What is known of it.
    pub info: CredentialInfo,
    /// The digest of the whole token.
    pub digest: Digest,
    /// The idempotency key that it is issued under, with the fingerprint of the request.
    pub idempotency: Option<(Box<str>, [u8; 32])>,
}

/// A credential to change, if it still is as it was read.
///
/// Compared and set are its name, standing, expiry and successor; the moment of its rotation is set with the
/// successor.
#[derive(Clone, Debug)]
pub struct Update {
    /// As it was read.
    pub before: CredentialInfo,
    /// As it is to be.
    pub after: CredentialInfo,
}

/// Which credentials to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Those that meet this.
    pub filter: Filter,
    /// Those behind this one in the order of the list: its creation and its id.
    pub after: Option<(UnixMillis, CredentialId)>,
    /// At most so many.
    pub limit: u32,
    /// The moment that decides what has expired.
    pub now: UnixMillis,
}

/// A credential was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its kind.
    pub kind: Kind,
    /// Its public id.
    pub id: CredentialId,
    /// The last time.
    pub at: UnixMillis,
    /// Whether it was accepted at least once by a lookup that knew of its rotation. Tells a use after the rotation from one
    /// before it, whatever the clocks of the nodes say.
    pub after_rotation: bool,
}

/// What is known of a credential that was used.
pub(crate) struct LastUsage {
    pub(crate) owner: Owner,
    /// The last use that is recorded.
    pub(crate) recorded: Option<UnixMillis>,
    /// The successor, and when it was issued.
    pub(crate) rotated: Option<(CredentialId, UnixMillis)>,
    /// Whether [`AuditAction::UsedAfterRotation`] has been recorded of it.
    pub(crate) reported: bool,
}

impl Usage {
    /// Returns the use as it is recorded: never later than `now` by the store's own clock, so that a node whose clock is
    /// ahead cannot hide the uses that follow.
    pub(crate) fn clipped(&self, now: UnixMillis) -> Self {
        Self {
            at: UnixMillis(self.at.0.min(now.0)),
            ..self.clone()
        }
    }

    /// Decides whether it is to be recorded, and which event it is, if it is one.
    pub(crate) fn judge(&self, known: LastUsage) -> (bool, Option<AuditEvent>) {
        let LastUsage {
            owner,
            recorded,
            rotated,
            reported,
        } = known;
        let due =
            recorded.is_none_or(|last| self.at.0 >= last.0.saturating_add(USE_GRANULARITY_MILLIS));
        let first =
            rotated.filter(|(_, moment)| !reported && (self.after_rotation || self.at >= *moment));
        let event = first.map(|(successor, _)| AuditEvent {
            number: 0,
            at: self.at,
            action: AuditAction::UsedAfterRotation,
            owner,
            credential: self.id.clone(),
            related: Some(successor),
            by: AuditActor::Holder,
            origin: None,
        });
        (due || event.is_some(), event)
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
    ) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
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

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        (**self).rehash(kind, id, presented).await
    }
}
