//! The writing side, by the store's own methods.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    credential::Kind,
    store::{Record, StoreAdmin, WriteError},
};

#[async_trait]
impl StoreAdmin for MemoryStore {
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        self.create_organization(id, parent)
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.delete_organization(id)
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        self.create_user(id)
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        if enabled {
            self.enable_user(id)
        } else {
            self.disable_user(id)
        }
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        self.delete_user(id)
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        self.set_member(user, organization, role)
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.remove_member(user, organization)
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.insert(record)
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        match kind {
            Kind::OrgKey => self.delete_key(id),
            Kind::PersonalToken => self.delete_token(id),
        }
    }
}
