//! Organizations, users and memberships: every change is made under the lock, and so are the
//! changes of the records that depend on it, before the call returns.

use std::collections::HashSet;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    id::{UserId, check_organization_id, check_user_id},
    store::{
        Directory, StoreError,
        WriteError::{self, UnknownRole, UnknownUser},
        backend::pseudonym,
    },
};

#[async_trait]
impl Directory for MemoryStore {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.lock().is_descendant_of(organization, ancestor))
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        check_organization_id(id)?;
        self.lock().create_organization(id, parent)
    }

    /// Takes time proportional to the number of keys.
    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.delete_organization_now(id)
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        self.lock().create_user(id)
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.change_user(id, |user| user.disabled = !enabled)
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        self.erase(id, &pseudonym()?)
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        if self.tables().scopes_of(role).is_none() {
            return Err(UnknownRole(role.into()));
        }
        let organization = self.lock().living(organization)?;
        self.change_user(user, |user| {
            drop(user.roles.insert(organization, role.into()))
        })
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.change_user(user, |user| drop(user.roles.remove(organization)))
    }
}

impl MemoryStore {
    /// Deletes a user, and replaces them in the audit trail.
    fn erase(&self, id: &str, pseudonym: &UserId) -> Result<(), WriteError> {
        let mut state = self.lock();
        let (user, removed) = state
            .users
            .remove_entry(id)
            .ok_or_else(|| UnknownUser(id.into()))?;
        for digest in &removed.tokens {
            self.shared.tokens.remove(digest);
        }
        let digests: HashSet<_> = removed.tokens.into_iter().collect();
        let ids = state
            .token_digests
            .extract_if(|_, digest| digests.contains(digest))
            .map(|(id, _)| id)
            .collect();
        state.metadata.erase(&user, &ids, pseudonym);
        Ok(())
    }
}
