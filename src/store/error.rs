//! What a store fails with: it could not tell, or it refuses a change.

use std::time::Duration;

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
    #[error("the credential was changed by another request in the meantime")]
    Changed,
    /// The store could not do it. Whether the change was made is unknown only for a lost connection during the commit.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store could not tell.
///
/// Its text and its source are for the operator. The client sees neither.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store failed: no connection, no pool, a refused query.
    #[error("the store failed")]
    Unavailable(#[source] BoxError),
    /// The credential's record is there and cannot be read.
    #[error("the record is damaged")]
    Corrupt(#[source] BoxError),
    /// No answer before the deadline.
    #[error("the store did not answer within {0:?}")]
    TimedOut(Duration),
    /// The record's digest was made under a pepper that the store was not given, or (the empty name) without one where that
    /// is not accepted.
    #[error("the digest was made under the pepper {0:?}, which the store does not accept")]
    UnknownPepper(Box<str>),
    /// The store panicked.
    #[error("the store panicked")]
    Panicked,
    /// The store answered for another credential or organization than the one asked for.
    #[error("the store answered for another credential or organization")]
    Mismatched,
}

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// The store failed, because of `source`.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    /// The credential's record cannot be read, because of `source`.
    pub fn corrupt(source: impl Into<BoxError>) -> Self {
        Self::Corrupt(source.into())
    }

    /// Returns a fixed word for logs and metrics.
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
