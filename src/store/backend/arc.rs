//! A shared store is a store: forwards each call.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Commit, EarlierIssue, Ending, ExpiryWatch, ListQuery, ManageStore, Sweep, SweptBatch,
    UnusedPage, UnusedQuery, Usage,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{AuditEvent, CredentialInfo, Owner, Record, StoreError, WriteError},
};

#[async_trait]
impl<S: ManageStore + ?Sized> ManageStore for Arc<S> {
    fn catalogue(&self) -> &Catalogue {
        (**self).catalogue()
    }

    fn supports_restrictions(&self) -> bool {
        (**self).supports_restrictions()
    }

    fn supports_attributes(&self) -> bool {
        (**self).supports_attributes()
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

    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        (**self).watch_expiry(watch, now, limit).await
    }

    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        (**self).expiry_events(after, limit).await
    }

    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        (**self).unused(query).await
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        (**self).sweep(sweep).await
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
