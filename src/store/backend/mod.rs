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
//! 2. Insert [`Commit::insert`], with its digest as [`DigestPolicy::store_new`] returns it and its
//!    idempotency key. A unique index makes a second one [`WriteError::Taken`].
//! 3. Apply each [`Update`] if the row is still as it was read; else [`WriteError::Changed`].
//! 4. Count what is usable if there is a [`Cap`]; beyond it, refuse with
//!    [`WriteError::CapReached`].
//! 5. Insert the audit events.
//!
//! The structs that a store is given to act on, such as [`Commit`] and [`Ending`], can be taken
//! apart field by field: a field that is added later is a compile error in every store, rather than
//! a condition that a store ignores. All others are `#[non_exhaustive]`: create them with `new` and
//! assign the rest.
//!
//! Parts that save work in a database: implement [`Columns`] for your driver's row, and
//! [`RecordReader`], [`credential_info`] and [`audit_event`] read the rows;
//! [`Usage::decide`] has the rule for last uses.
//!
//! This module may change in any 0.x release, unlike [`CredentialStore`], which is all that a store
//! needs to answer requests.

mod arc;
mod attribute_columns;
mod authority;
mod commit;
mod ending;
mod expiry;
mod granularity;
mod listing;
mod observed;
mod pseudonym;
mod record_reader;
mod retention;
mod rows;
mod salt_text;
mod stored_digest;
mod unused;
mod usage;

use async_trait::async_trait;

pub use attribute_columns::networks_text;
pub use authority::{ActorState, Authority, Requirements};
pub use commit::{Cap, Commit, EarlierIssue, Idempotency, NewCredential, Update};
pub(super) use commit::{check_grants, own_salt};
pub use ending::{EndStatus, EndTarget, Ending};
pub(crate) use expiry::OPERATOR;
pub use expiry::{ExpiryWatch, ExpiryWindow};
pub use granularity::Granularity;
pub use listing::{ListQuery, Position};
pub use observed::{observe_revocation_lag, report_feed_lost, report_unknown_role};
pub use pseudonym::pseudonym;
pub use record_reader::RecordReader;
pub use retention::{Retention, Sweep, Swept, SweptBatch};
pub use rows::{Columns, audit_event, credential_info, read_digest};
pub use stored_digest::{DigestPolicy, StoredDigest};
pub use unused::{UnusedPage, UnusedQuery};
pub use usage::{LastUsage, OverlapStage, Successor, Usage, UsageDecision};

use super::{AuditEvent, CredentialInfo, CredentialStore, Owner, Record, StoreError, WriteError};
pub use super::{audit::ActorColumns, error::BoxError};
use crate::{
    clock::UnixMillis, credential::Kind, id::CredentialId, scope::Catalogue, secret::Digest,
};

/// A store whose credentials a [`Manager`](crate::manage::Manager) can manage.
///
/// Every query and every change concerns one owner. For that owner, other owners' credentials do
/// not exist.
///
/// Five methods are required. A store without idempotency keys, an audit trail or last uses leaves
/// the others as they are, and says so to the contract suite that you hold it to:
/// `testing::contract::Contract` (feature `testing`).
#[async_trait]
pub trait ManageStore: CredentialStore {
    /// Returns the roles, with which the manager checks what may be granted.
    fn catalogue(&self) -> &Catalogue;

    /// Returns whether the store keeps the [restrictions](super::Restrictions) of tokens: in
    /// [`CredentialInfo`], the `scopes` and the `organizations` of a token, which
    /// [`find`](CredentialStore::find) adds to the record with
    /// [`restricted_to`](Record::restricted_to).
    ///
    /// By default it does not, and a manager refuses to issue such tokens: a store that does not
    /// know of restrictions would accept them for everything that their owner may do.
    fn supports_restrictions(&self) -> bool {
        false
    }

    /// Returns whether the store keeps the [attributes](super::Attributes) of credentials: in
    /// [`CredentialInfo`], in audit events, and in the record that
    /// [`find`](CredentialStore::find) returns, with
    /// [`with_attributes`](Record::with_attributes).
    ///
    /// By default it does not, and a manager refuses to set them: a store that does not know of
    /// conditions would accept the credential everywhere.
    fn supports_attributes(&self) -> bool {
        false
    }

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
    /// those returned. A credential that the database kept from ending is one: look in the
    /// transaction whether it has ended. A manager that finds it alive afterwards reports
    /// [`StoreFault`](super::StoreFault).
    ///
    /// After [`WriteError::Store`] the credentials, or some of them, may have been ended, with
    /// their audit events. To call again is always safe, and ends the rest.
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

    /// Records when credentials were first and last used. Whether a use is written,
    /// [`Usage::decide`] says: not if it is before the recorded one, or so soon after it that its
    /// [granularity](Usage::granularity) counts both as one.
    ///
    /// Some uses of both credentials of a rotation are also audit events, which are returned: the
    /// first use of the new one, and of the old one the first since the rotation, since half of the
    /// overlap, and since nine tenths of it.
    ///
    /// By default nothing is recorded.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was recorded.
    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        let _ = uses;
        Ok(Vec::new())
    }

    /// Reports credentials that expire soon and overlaps that have ended: stores an audit event for
    /// each, and returns the events.
    ///
    /// For each [window](ExpiryWatch::windows) at `now`, or at the store's own time if that is
    /// earlier, a store reports at most `limit` credentials, and stores in the same transaction how
    /// far it has searched, so that each is reported once, whichever node calls. It leaves out
    /// credentials that are refused for another reason, such as a disabled owner.
    ///
    /// By default it reports none.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was reported.
    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let _ = (watch, now, limit);
        Ok(Vec::new())
    }

    /// Lists the events of [`watch_expiry`](Self::watch_expiry) of all owners, oldest first: at most
    /// `limit`, and only those with a number above `after`. Who has read one with a number has read
    /// all that have a lower number: none is added before it.
    ///
    /// By default there are none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let _ = (after, limit);
        Ok(Vec::new())
    }

    /// Lists credentials of all owners that were not used since a moment.
    ///
    /// By default there are none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        let _ = query;
        Ok(UnusedPage::default())
    }

    /// Removes a batch of what is old enough, by the store's own time if that is earlier than the
    /// sweep's. In place of a credential it keeps its kind and id, which stay taken.
    ///
    /// Lookups do not wait for it. What was removed stays removed, and a part that
    /// [fails](SweptBatch::failed) does not keep it from the others.
    ///
    /// By default nothing is removed.
    ///
    /// # Errors
    /// [`StoreError`] if nothing could be tried.
    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        let _ = sweep;
        Ok(SweptBatch::default())
    }

    /// Stores a credential as it is, with no rules applied and no audit event. Use it to set up a
    /// store, and for tools and tests; issue credentials with a
    /// [`Manager`](crate::manage::Manager) instead.
    ///
    /// Scopes that the store's [catalogue](Self::catalogue) does not know are not an error, and
    /// grant nothing: give the store a catalogue with your own scopes.
    ///
    /// # Errors
    /// [`WriteError::Taken`]; [`WriteError::InvalidId`] for an id that
    /// [`check_credential_id`](crate::credential::check_credential_id) refuses;
    /// [`WriteError::GrantOnToken`]; [`WriteError::SaltOnToken`]; [`WriteError::UnknownOrganization`] or
    /// [`WriteError::UnknownUser`] for its owner; [`WriteError::UnknownRole`] if the record's role
    /// comes from a catalogue other than the store's.
    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        let salted = self.salted_digests();
        self.commit(&Commit::inserting(&record, self.catalogue(), salted)?)
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
