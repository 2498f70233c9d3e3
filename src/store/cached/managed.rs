//! Management through the cache: a commit's changes are applied to the cache before the call
//! returns.

use std::sync::Arc;

use async_trait::async_trait;

use super::Cached;
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditEvent, Change, CredentialInfo, ManageStore, Owner, Record, StoreError, Usage,
        WriteError,
        backend::{
            Commit, EarlierIssue, EndTarget, Ending, ExpiryWatch, ListQuery, Sweep, SweptBatch,
            UnusedPage, UnusedQuery,
        },
    },
};

#[async_trait]
impl<S: ManageStore> ManageStore for Cached<S> {
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
        let inserted = commit.insert.iter().map(|insert| &insert.info);
        let touched = inserted.chain(commit.changes.iter().map(|change| &change.before));
        let change = |info: &CredentialInfo| Change::Credential {
            kind: info.kind(),
            id: info.id.clone(),
        };
        let changes = touched.map(change).collect();
        let (store, commit) = (Arc::clone(&self.store), commit.clone());
        self.write(changes, async move { store.commit(&commit).await })
            .await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        let store = Arc::clone(&self.store);
        let changes = vec![Change::Credential {
            kind: record.kind(),
            id: record.id().into(),
        }];
        self.write(changes, async move { store.insert(record).await })
            .await
    }

    async fn delete(&self, owner: &Owner, id: &str) -> Result<(), WriteError> {
        let (store, owner, id) = (Arc::clone(&self.store), owner.clone(), id.to_owned());
        let changes = vec![Change::Credential {
            kind: owner.kind(),
            id: id.as_str().into(),
        }];
        self.write(changes, async move { store.delete(&owner, &id).await })
            .await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let kind = ending.owner.kind();
        let change = match (&ending.target, &ending.owner) {
            (EndTarget::One(id), _) => Change::Credential {
                kind,
                id: id.clone(),
            },
            (EndTarget::All, Owner::Organization(id)) => Change::Organization(id.clone()),
            (EndTarget::All, Owner::User(id)) => Change::User(id.clone()),
        };
        let (store, ending) = (Arc::clone(&self.store), ending.clone());
        self.write(vec![change], async move { store.end(&ending).await })
            .await
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
        self.store.record_uses(uses).await // a use changes no answer
    }

    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.store.watch_expiry(watch, now, limit).await // an event changes no answer
    }

    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.store.expiry_events(after, limit).await
    }

    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        self.store.unused(query).await
    }

    /// What is removed was refused already, but what had expired only by this node's clock.
    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        let batch = self.store.sweep(sweep).await?;
        for (kind, id) in batch.expired.iter().cloned() {
            self.core.apply(&Change::Credential { kind, id });
        }
        Ok(batch)
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let (store, id, presented) = (Arc::clone(&self.store), id.to_owned(), presented.clone());
        let changes = vec![Change::Credential {
            kind,
            id: id.as_str().into(),
        }];
        self.write(
            changes,
            async move { store.rehash(kind, &id, &presented).await },
        )
        .await
    }
}
