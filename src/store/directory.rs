//! Organizations, people and memberships: their writing, and who is below whom.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CredentialStore, Record, StoreError, WriteError};
use crate::{credential::Kind, id::UserId};

/// Creates, changes and deletes what a store answers from.
///
/// No rules stand in front of it, and it leaves no trail: credentials are better managed with a
/// [`Manager`](crate::manage::Manager). This is for setting up organizations, people and memberships, and for tools and tests.
///
/// A change is durable and seen by every following look-up on the same store once its call has returned. A refused one has
/// changed nothing.
#[async_trait]
pub trait StoreAdmin: CredentialStore {
    /// Creates an organization, at the top or below `parent`.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that [`check_organization_id`](crate::id::check_organization_id) refuses;
    /// [`WriteError::Taken`]; [`WriteError::UnknownOrganization`] for the parent.
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError>;

    /// Deletes an organization: its keys and every membership in it stop counting.
    ///
    /// # Errors
    /// [`WriteError::UnknownOrganization`].
    async fn delete_organization(&self, id: &str) -> Result<(), WriteError>;

    /// Creates a person, a member of nothing.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that [`check_user_id`](crate::id::check_user_id) refuses;
    /// [`WriteError::Taken`].
    async fn create_user(&self, id: &str) -> Result<(), WriteError>;

    /// Switches a person off or on again; of one who is off, no token counts.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError>;

    /// Removes a user with everything that is stored about them: their tokens, memberships and last uses. Their tokens are
    /// refused from the next request on. The audit trail stays, without their data: an opaque name, `erased-` and random
    /// characters, takes the place of their id, and origins are removed. The id may be created again, and has nothing of
    /// what the earlier user had.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn delete_user(&self, id: &str) -> Result<(), WriteError>;

    /// Makes a person a member of an organization, or changes the role of a member.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`], [`WriteError::UnknownOrganization`], [`WriteError::UnknownRole`].
    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError>;

    /// Ends a membership; without one, changes nothing.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError>;

    /// Stores a new credential.
    ///
    /// # Errors
    /// [`WriteError::Taken`]; [`WriteError::InvalidId`] for an id that
    /// [`check_credential_id`](crate::credential::check_credential_id) refuses; [`WriteError::GrantOnToken`];
    /// [`WriteError::UnknownOrganization`] or [`WriteError::UnknownUser`] for its owner; [`WriteError::UnknownRole`] for a role
    /// that the record has from another catalogue than the store's.
    async fn insert(&self, record: Record) -> Result<(), WriteError>;

    /// Deletes a credential, by its public id.
    ///
    /// # Errors
    /// [`WriteError::UnknownCredential`].
    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError>;
}

/// Tells who is below whom among organizations that form a tree.
#[async_trait]
pub trait OrgTree: Send + Sync + 'static {
    /// Returns whether `organization` has `ancestor` above it, at any distance, and all organizations from the one to the
    /// other, both included, are live. An organization is not its own descendant.
    ///
    /// Nothing below a deleted or disabled organization can be reached from above it: ending an organization ends all
    /// access through it.
    ///
    /// # Errors
    /// [`StoreError`] when the tree could not tell.
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError>;
}

#[async_trait]
impl<T: OrgTree + ?Sized> OrgTree for Arc<T> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        (**self).is_descendant_of(organization, ancestor).await
    }
}

/// Returns a new name for a user who is removed: `erased-` and 128 random bits in hex.
pub(crate) fn erased_user() -> Result<UserId, StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(StoreError::unavailable)?;
    let hex = random.iter().fold(String::from("erased-"), |text, byte| {
        text + &format!("{byte:02x}")
    });
    Ok(hex.as_str().into())
}

#[async_trait]
impl<S: StoreAdmin + ?Sized> StoreAdmin for Arc<S> {
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        (**self).create_organization(id, parent).await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        (**self).delete_organization(id).await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        (**self).create_user(id).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        (**self).set_user_enabled(id, enabled).await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        (**self).delete_user(id).await
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        (**self).set_member(user, organization, role).await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        (**self).remove_member(user, organization).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        (**self).insert(record).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        (**self).delete(kind, id).await
    }
}
