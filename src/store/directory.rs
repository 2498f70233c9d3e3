//! [`Directory`]: organizations, their tree, users and memberships.

use std::sync::Arc;

use async_trait::async_trait;

use super::{StoreError, WriteError};

/// Organizations, users and memberships, and which organization is below which.
///
/// The stores that come with the crate keep them beside the credentials. A service with tables of
/// its own for users and organizations implements only
/// [`is_descendant_of`](Self::is_descendant_of), and that only if it uses a
/// [`RequireDescendantLayer`](crate::RequireDescendantLayer): the writers then refuse with
/// [`WriteError::Unsupported`].
///
/// ```
/// use std::collections::HashMap;
/// use tower_api_key::store::{Directory, StoreError};
///
/// /// The parent of each organization, from a table of yours.
/// struct Tree(HashMap<String, String>);
///
/// #[tower_api_key::async_trait]
/// impl Directory for Tree {
///     async fn is_descendant_of(&self, id: &str, ancestor: &str) -> Result<bool, StoreError> {
///         let parent = |id: &str| self.0.get(id).map(String::as_str);
///         Ok(std::iter::successors(parent(id), |id| parent(id)).any(|id| id == ancestor))
///     }
/// }
/// ```
///
/// The writers are for set-up, tools and synchronization with the system that owns this data: they
/// bypass all rules and leave no audit trail. Once a call has returned, its change is as durable as
/// the store is, and visible to every later lookup on the same store. A refused change has changed
/// nothing.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Returns whether `organization` is below `ancestor`, at any distance, with all organizations
    /// between them, both included, live. An organization is not its own descendant.
    ///
    /// Nothing below a deleted organization can be reached from above it: deleting an organization
    /// ends all access through it.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError>;

    /// Creates an organization, at the top or below `parent`.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that
    /// [`check_organization_id`](crate::id::check_organization_id) refuses; [`WriteError::Taken`];
    /// [`WriteError::UnknownOrganization`] for the parent.
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        let _ = (id, parent);
        Err(WriteError::Unsupported)
    }

    /// Deletes an organization: its keys and every membership in it become invalid.
    ///
    /// # Errors
    /// [`WriteError::UnknownOrganization`].
    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        let _ = id;
        Err(WriteError::Unsupported)
    }

    /// Creates a user without memberships.
    ///
    /// # Errors
    /// [`WriteError::InvalidId`] for an id that [`check_user_id`](crate::id::check_user_id)
    /// refuses; [`WriteError::Taken`].
    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        let _ = id;
        Err(WriteError::Unsupported)
    }

    /// Enables or disables a user; tokens of a disabled user are refused.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let _ = (id, enabled);
        Err(WriteError::Unsupported)
    }

    /// Deletes a user with everything that is stored about them: their tokens, memberships and last
    /// uses. Their tokens are refused from the next request on.
    ///
    /// The audit trail stays, without their data: a pseudonym, `erased-` and random characters,
    /// replaces their id, there and in the keys that they issued, and origins are removed. The id may
    /// be created again; the new user inherits nothing from the earlier one.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let _ = id;
        Err(WriteError::Unsupported)
    }

    /// Makes a user a member of an organization, or changes a member's role.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`], [`WriteError::UnknownOrganization`],
    /// [`WriteError::UnknownRole`].
    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        let _ = (user, organization, role);
        Err(WriteError::Unsupported)
    }

    /// Removes a membership; does nothing if there is none.
    ///
    /// # Errors
    /// [`WriteError::UnknownUser`].
    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        let _ = (user, organization);
        Err(WriteError::Unsupported)
    }
}

#[async_trait]
impl<S: Directory + ?Sized> Directory for Arc<S> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        (**self).is_descendant_of(organization, ancestor).await
    }

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
}
