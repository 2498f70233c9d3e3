//! Changes made through the cache: they reach the cache before the caller hears of them.

use async_trait::async_trait;

use super::Cached;
use crate::{
    credential::Kind,
    store::{Change, Record, StoreAdmin, WriteError},
};

/// Applies a change when it is dropped: after the store has answered, whatever it has answered, and also when nobody
/// waits for the answer any more. The store may have made the change in each of these cases.
pub(super) struct AtTheEnd<'c, S> {
    cache: &'c Cached<S>,
    change: Change,
}

impl<S> Drop for AtTheEnd<'_, S> {
    fn drop(&mut self) {
        self.cache.apply(&self.change);
    }
}

impl<S> Cached<S> {
    pub(super) fn at_the_end(&self, change: Change) -> AtTheEnd<'_, S> {
        AtTheEnd { cache: self, change }
    }
}

#[async_trait]
impl<S: StoreAdmin> StoreAdmin for Cached<S> {
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::Organization(id.into()));
        self.store.create_organization(id, parent).await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::Organization(id.into()));
        self.store.delete_organization(id).await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::User(id.into()));
        self.store.create_user(id).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::User(id.into()));
        self.store.set_user_enabled(id, enabled).await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::User(id.into()));
        self.store.delete_user(id).await
    }

    async fn set_member(&self, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::User(user.into()));
        self.store.set_member(user, organization, role).await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::User(user.into()));
        self.store.remove_member(user, organization).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::Credential { kind: record.kind(), id: record.id().into() });
        self.store.insert(record).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        let _applied = self.at_the_end(Change::Credential { kind, id: id.into() });
        self.store.delete(kind, id).await
    }
}
