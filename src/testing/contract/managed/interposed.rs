//! A store that delays changes between a manager's decision and its commit.

use crate::{
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, CredentialStore, Directory, Lookup, ManageStore, Owner, Peek,
        Record, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Answers as `S` does, but delays changes until it is [released](Self::release).
pub(super) struct Interposed<S> {
    store: Arc<S>,
    /// A permit for each change that waits.
    waiting: Semaphore,
    released: Semaphore,
}

impl<S> Interposed<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self {
            store,
            waiting: Semaphore::new(0),
            released: Semaphore::new(0),
        }
    }

    /// Waits until `count` calls have either a change waiting or ended.
    pub(super) async fn decided(&self, count: u32) {
        if let Ok(permits) = self.waiting.acquire_many(count).await {
            permits.forget();
        }
    }

    /// Counts a call that ended without a change as decided.
    pub(super) fn ended(&self) {
        self.waiting.add_permits(1);
    }

    /// Lets all changes through from now on.
    pub(super) fn release(&self) {
        self.released.close();
    }

    /// Lets one change through.
    pub(super) fn release_one(&self) {
        self.released.add_permits(1);
    }

    async fn pass(&self) {
        self.waiting.add_permits(1);
        // Closing the semaphore releases all, so an error is expected.
        if let Ok(one) = self.released.acquire().await {
            one.forget();
        }
    }
}

#[async_trait]
impl<S: CredentialStore> CredentialStore for Interposed<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        self.store.peek(lookup)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.store.find(lookup).await
    }
}

#[async_trait]
impl<S: Directory> Directory for Interposed<S> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.store.is_descendant_of(organization, ancestor).await
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        self.store.create_organization(id, parent).await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.store.delete_organization(id).await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        self.store.create_user(id).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.store.set_user_enabled(id, enabled).await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        self.store.delete_user(id).await
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        self.store.set_member(user, organization, role).await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.store.remove_member(user, organization).await
    }
}

#[async_trait]
impl<S: ManageStore> ManageStore for Interposed<S> {
    fn catalogue(&self) -> &Catalogue {
        self.store.catalogue()
    }

    fn supports_restrictions(&self) -> bool {
        self.store.supports_restrictions()
    }

    fn supports_attributes(&self) -> bool {
        self.store.supports_attributes()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.store.credential(owner, id).await
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        self.store.issued_under(owner, key).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.store.credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.pass().await;
        self.store.commit(commit).await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.pass().await;
        self.store.end(ending).await
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.store.events(owner, before, limit).await
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        self.store.record_uses(uses).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.store.insert(record).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        self.store.rehash(kind, id, presented).await
    }
}
