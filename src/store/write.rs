//! Why a store refuses a change.

use crate::id::InvalidId;

/// Why a change was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The id, or the digest of a personal token, is taken, perhaps by something deleted.
    #[error("the id {0:?}, or the digest of a token, is already taken")]
    Taken(Box<str>),
    /// The id of an organization, a user or a credential that no header or token could name.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A personal token's record that names an organization, a role or scopes, which its owner's memberships decide.
    #[error("what a personal token may do follows from memberships and cannot be set on it")]
    GrantOnToken,
    /// No such organization, or a deleted one.
    #[error("there is no organization {0:?}")]
    UnknownOrganization(Box<str>),
    /// No such person.
    #[error("there is no user {0:?}")]
    UnknownUser(Box<str>),
    /// No such credential, or one that was deleted before.
    #[error("there is no credential {0:?}")]
    UnknownCredential(Box<str>),
    /// The catalogue has no such role.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// The owner has as many credentials as it may have.
    #[error("the owner has reached the limit of {0} credentials")]
    CapReached(u32),
    /// The actor may not make the change any more: it was revoked, has expired, or holds less than when the change was
    /// decided.
    #[error("the actor may no longer make this change")]
    NotPermitted,
    /// A credential is not as it was read: somebody else changed it meanwhile.
    #[error("the credential was changed by somebody else meanwhile")]
    Changed,
    /// The store could not do it. Whether the change was made is unknown only for a lost connection during the commit.
    #[error(transparent)]
    Store(#[from] super::StoreError),
}
