//! Writing organizations, users and memberships, and the tree of organizations.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CredentialStore, Record, StoreError, WriteError};
use crate::{credential::Kind, id::UserId};

/// Creates, changes and deletes the data that a store answers from.
///
/// Use it to set up organizations, users and memberships, and for tools and tests. It bypasses all
/// rules and leaves no audit trail: manage credentials with a [`Manager`](crate::manage::Manager)
/// instead.
///
/// Once a call has returned, its change is durable and visible to every later lookup on the same
/// store. A refused change has changed nothing.
#[async_trait]
pub trait StoreAdmin: CredentialStore {
    /// Creates an organization, at the top or below `parent`.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that
    /// [`check_organization_id`](crate::id::check_organization_id) refuses; [`WriteError::Taken`];
    /// [`WriteError::UnknownOrganization`] for the parent.
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError>;

    /// Deletes an organization: its keys and every membership in it become invalid.
    ///
    /// # Errors
    /// [`WriteError::UnknownOrganization`].
    async fn delete_organization(&self, id: &str) -> Result<(), WriteError>;

    /// Creates a user without memberships.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that [`check_user_id`](crate::id::check_user_id) refuses;
    /// [`WriteError::Taken`].
    async fn create_user(&self, id: &str) -> Result<(), WriteError>;

    /// Enables or disables a user; tokens of a disabled user are refused.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError>;

    /// Deletes a user with everything that is stored about them: their tokens, memberships and last
    /// uses. Their tokens are refused from the next request on.
    ///
    /// The audit trail stays, without their data: a pseudonym, `erased-` and random characters,
    /// replaces their id, and origins are removed. The id may be created again; the new user
    /// inherits nothing from the earlier one.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn delete_user(&self, id: &str) -> Result<(), WriteError>;

    /// Makes a user a member of an organization, or changes a member's role.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`], [`WriteError::UnknownOrganization`], [`WriteError::UnknownRole`].
    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError>;

    /// Removes a membership; does nothing if there is none.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError>;

    /// Stores a new credential.
    ///
    /// # Errors
    /// [`WriteError::Taken`]; [`WriteError::InvalidId`] for an id that
    /// [`check_credential_id`](crate::credential::check_credential_id) refuses;
    /// [`WriteError::GrantOnToken`]; [`WriteError::UnknownOrganization`] or
    /// [`WriteError::UnknownUser`] for its owner; [`WriteError::UnknownRole`] if the record's role
    /// comes from a catalogue other than the store's.
    async fn insert(&self, record: Record) -> Result<(), WriteError>;

    /// Deletes a credential by its public id.
    ///
    /// # Errors
    /// [`WriteError::UnknownCredential`].
    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError>;
}

/// Answers which organizations are below which, in a tree of organizations.
#[async_trait]
pub trait OrgTree: Send + Sync + 'static {
    /// Returns whether `organization` is below `ancestor`, at any distance, with all organizations
    /// between them, both included, live. An organization is not its own descendant.
    ///
    /// Nothing below a deleted or disabled organization can be reached from above it: disabling or
    /// deleting an organization ends all access through it.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
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

/// Returns a pseudonym for a deleted user: `erased-` and 128 random bits in hex.
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
