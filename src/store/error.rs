//! Errors of a store: it could not answer, or it refuses a change.

use std::time::Duration;

use crate::id::InvalidId;

/// Why a change was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The id, or a personal token's digest, is already taken, perhaps by a deleted credential.
    #[error("the id {0:?}, or the digest of a token, is already taken")]
    Taken(Box<str>),
    /// An id of an organization, user or credential that no header or token could carry.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A personal token's record names an organization, a role or scopes; its owner's memberships
    /// decide these.
    #[error("what a personal token may do follows from memberships and cannot be set on it")]
    GrantOnToken,
    /// The organization does not exist or is deleted.
    #[error("there is no organization {0:?}")]
    UnknownOrganization(Box<str>),
    /// The user does not exist.
    #[error("there is no user {0:?}")]
    UnknownUser(Box<str>),
    /// The credential does not exist or is already deleted.
    #[error("there is no credential {0:?}")]
    UnknownCredential(Box<str>),
    /// The catalogue has no such role.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// The owner has reached its limit of credentials.
    #[error("the owner has reached the limit of {0} credentials")]
    CapReached(u32),
    /// The actor may no longer make the change: it was revoked, has expired, or holds less than
    /// when the change was decided.
    #[error("the actor may no longer make this change")]
    NotPermitted,
    /// The credential was changed by another request since it was read.
    #[error("the credential was changed by another request in the meantime")]
    Changed,
    /// The store does not manage this: its organizations, users and memberships are written
    /// elsewhere.
    #[error("this store does not manage organizations, users and memberships")]
    Unsupported,
    /// The store could not make the change. Only if the connection was lost during the commit is
    /// the outcome unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store could not answer.
///
/// Its text and its source are for the operator. The client sees neither.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store failed: no connection, no pool, a refused query.
    #[error("the store failed")]
    Unavailable(#[source] BoxError),
    /// The credential's record exists but cannot be read.
    #[error("the record is damaged")]
    Corrupt(#[source] BoxError),
    /// The store did not answer before the deadline.
    #[error("the store did not answer within {0:?}")]
    TimedOut(Duration),
    /// The record's digest was computed with a pepper that the store does not have, or (the empty
    /// name) without one where that is not accepted.
    #[error("the digest was made under the pepper {0:?}, which the store does not accept")]
    UnknownPepper(Box<str>),
    /// The store panicked.
    #[error("the store panicked")]
    Panicked,
    /// The store returned another credential or organization than the one asked for.
    #[error("the store answered for another credential or organization")]
    Mismatched,
}

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Creates an error for a store that failed because of `source`.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Creates an error for a record that cannot be read because of `source`.
    pub fn corrupt(source: impl Into<BoxError>) -> Self {
        Self::Corrupt(source.into())
    }

    /// Returns a fixed code for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::Corrupt(_) => "record_corrupt",
            Self::TimedOut(_) => "store_timed_out",
            Self::UnknownPepper(_) => "unknown_pepper",
            Self::Panicked => "store_panicked",
            Self::Mismatched => "store_mismatched",
        }
    }
}
