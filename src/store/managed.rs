//! What a store does for the management of credentials: it reads, and it commits.
//!
//! The rules are [`manage`](crate::manage)'s. A store keeps them only together: everything in one [`Commit`] happens, or
//! nothing does.

use std::sync::Arc;

use async_trait::async_trait;

use super::{StoreAdmin, StoreError, WriteError};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Action, CredentialInfo, Event, Filter, Owner, Who},
    principal::{Catalogue, CredentialId},
    secret::Digest,
};

/// A store whose credentials [`Manager`](crate::manage::Manager) can manage.
///
/// Every question and every change is about one owner. What belongs to another owner is answered as what does not exist.
#[async_trait]
pub trait ManagedStore: StoreAdmin {
    /// Returns the roles.
    fn catalogue(&self) -> &Catalogue;

    /// Finds a credential of `owner`, also a deleted one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError>;

    /// Finds what was issued to `owner` under an idempotency key, with the fingerprint of the request.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError>;

    /// Lists credentials of `owner`, the newest first, and of those created in the same millisecond the one with the
    /// greatest id (by its bytes) first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError>;

    /// Does all of `commit`, or nothing. Durable once it has returned.
    ///
    /// # Errors
    /// In this order: [`WriteError::UnknownOrganization`] or [`WriteError::UnknownUser`] for an owner to whom something is
    /// to be added; [`WriteError::CapReached`]; [`WriteError::Taken`] for an id, a token's digest or an idempotency key of
    /// the owner that is there already; [`WriteError::Changed`] when a credential is not as it was read; [`WriteError::Store`].
    async fn commit(&self, commit: &Commit) -> Result<(), WriteError>;

    /// Lists events about credentials of `owner`, the newest first: at most `limit`, only those with a number below
    /// `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Records when credentials were last used. A use within a minute after the recorded one, or before it, is not
    /// written.
    ///
    /// Of a credential that was rotated, the first use since then is an event too
    /// ([`Action::UsedAfterRotation`]); returns those events.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was recorded.
    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError>;

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
    /// A credential to add.
    pub insert: Option<Insert>,
    /// Credentials to change.
    pub changes: Vec<Alteration>,
    /// What to tell of it.
    pub events: Vec<Event>,
}

/// A credential to add.
#[derive(Clone, Debug)]
pub struct Insert {
    /// What is known of it.
    pub info: CredentialInfo,
    /// The digest of the whole token.
    pub digest: Digest,
    /// The idempotency key that it is issued under, with the fingerprint of the request.
    pub idempotency: Option<(Box<str>, [u8; 32])>,
    /// Refuses when the owner already has so many credentials that count, or could: not deleted, not expired at the
    /// creation of the new one, and not rotated.
    pub cap: Option<u32>,
}

/// A credential to change, if it still is as it was read.
///
/// Compared and set are its name, standing, expiry and successor; the moment of its rotation is set with the
/// successor.
#[derive(Clone, Debug)]
pub struct Alteration {
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
pub struct Use {
    /// Its kind.
    pub kind: Kind,
    /// Its public id.
    pub id: CredentialId,
    /// The last time.
    pub at: UnixMillis,
}

/// What is known of a credential that was used.
pub(crate) struct Used {
    pub(crate) owner: Owner,
    pub(crate) recorded: Option<UnixMillis>,
    /// What was issued in its place, and when.
    pub(crate) rotated: Option<(CredentialId, UnixMillis)>,
}

impl Use {
    /// Decides whether it is to be written, and which event it is, if it is one.
    pub(crate) fn judge(&self, known: Used) -> (bool, Option<Event>) {
        let Used { owner, recorded, rotated } = known;
        let due = recorded.is_none_or(|last| self.at.0 >= last.0.saturating_add(USE_GRANULARITY_MILLIS));
        let first = rotated.filter(|(_, moment)| self.at >= *moment && recorded.is_none_or(|last| last < *moment));
        let event = first.map(|(successor, _)| Event {
            number: 0,
            at: self.at,
            action: Action::UsedAfterRotation,
            owner,
            credential: self.id.clone(),
            related: Some(successor),
            by: Who::Holder,
            origin: None,
        });
        (due || event.is_some(), event)
    }
}

#[async_trait]
impl<S: ManagedStore + ?Sized> ManagedStore for Arc<S> {
    fn catalogue(&self) -> &Catalogue {
        (**self).catalogue()
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        (**self).credential(owner, id).await
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        (**self).issued_under(owner, key).await
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        (**self).credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        (**self).commit(commit).await
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        (**self).events(owner, before, limit).await
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        (**self).record_uses(uses).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        (**self).rehash(kind, id, presented).await
    }
}
