//! Changing organizations, users and memberships through the cache. The organization tree is not
//! cached.

use std::sync::Arc;

use async_trait::async_trait;

use super::Cached;
use crate::store::{Change, Directory, StoreError, WriteError};

#[async_trait]
impl<S: Directory> Directory for Cached<S> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.store.is_descendant_of(organization, ancestor).await
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        let (store, id, parent) = (
            Arc::clone(&self.store),
            id.to_owned(),
            parent.map(str::to_owned),
        );
        let changes = vec![Change::Organization(id.as_str().into())];
        self.write(changes, async move {
            store.create_organization(&id, parent.as_deref()).await
        })
        .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        let (store, id) = (Arc::clone(&self.store), id.to_owned());
        let changes = vec![Change::Organization(id.as_str().into())];
        self.write(changes, async move { store.delete_organization(&id).await })
            .await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        let (store, id) = (Arc::clone(&self.store), id.to_owned());
        self.write(of_user(&id), async move { store.create_user(&id).await })
            .await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let (store, id) = (Arc::clone(&self.store), id.to_owned());
        self.write(of_user(&id), async move {
            store.set_user_enabled(&id, enabled).await
        })
        .await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let (store, id) = (Arc::clone(&self.store), id.to_owned());
        self.write(of_user(&id), async move { store.delete_user(&id).await })
            .await
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        let store = Arc::clone(&self.store);
        let (user, organization, role) =
            (user.to_owned(), organization.to_owned(), role.to_owned());
        self.write(of_user(&user), async move {
            store.set_member(&user, &organization, &role).await
        })
        .await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        let (store, user, organization) = (
            Arc::clone(&self.store),
            user.to_owned(),
            organization.to_owned(),
        );
        self.write(of_user(&user), async move {
            store.remove_member(&user, &organization).await
        })
        .await
    }
}

/// Returns the change that ends every cached answer about a user.
fn of_user(id: &str) -> Vec<Change> {
    vec![Change::User(id.into())]
}
