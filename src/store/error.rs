//! Errors of a store: it could not answer, or it refuses a change.

use std::time::Duration;

use super::InvalidAttributes;
use crate::{id::InvalidId, secret::InvalidSalt};

/// Why a change was refused. Nothing was changed.
///
/// Writing to a store directly returns it. A [`Manager`](crate::manage::Manager) turns it into a
/// [`ManageError`](crate::manage::ManageError). [`Taken`](Self::Taken) makes set-up repeatable:
///
/// ```
/// use tower_api_key::store::{Directory, WriteError};
///
/// async fn ensure_organization(store: &impl Directory, id: &str) -> Result<(), WriteError> {
///     match store.create_organization(id, None).await {
///         Err(WriteError::Taken(_)) => Ok(()), // by an earlier start
///         created => created,
///     }
/// }
/// ```
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
    /// A key was given a list of organizations, but it belongs to one.
    #[error("a key belongs to one organization and cannot have a list of them")]
    OrganizationsOnKey,
    /// The description, the metadata or the conditions of a credential break a limit.
    #[error(transparent)]
    InvalidAttributes(#[from] InvalidAttributes),
    /// A personal token was given a salt, but it is found by the digest that the salt takes the
    /// place of.
    #[error("a personal token is found by its digest and cannot have a salt")]
    SaltOnToken,
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
/// Its text and its source are for the operator. The client sees neither: it gets a 503.
///
/// In a store of your own, turn every error of the driver into
/// [`unavailable`](Self::unavailable), and a row that cannot be read into
/// [`corrupt`](Self::corrupt):
///
/// ```
/// use tower_api_key::store::{Status, StoreError};
///
/// fn status(column: Result<String, std::io::Error>) -> Result<Status, StoreError> {
///     let word = column.map_err(StoreError::unavailable)?;
///     Status::parse(&word).ok_or_else(|| StoreError::corrupt("unknown status"))
/// }
/// assert_eq!(status(Ok("gone".into())).unwrap_err().code(), "record_corrupt");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store failed: no connection, no pool, a refused query. The source is what the driver
    /// returned, or a [`StoreFault`] if something around the store gave up on it.
    #[error("the store failed")]
    Unavailable(#[source] BoxError),
    /// The credential's record exists but cannot be read.
    #[error("the record is damaged")]
    Corrupt(#[source] BoxError),
    /// The record's digest was computed with the pepper of this name, which the store does not
    /// have or cannot use here.
    #[error("the digest was made under the pepper {0:?}, which the store does not accept")]
    UnknownPepper(Box<str>),
    /// The record's digest was computed without a pepper, and the store
    /// [refuses](crate::secret::Peppers::without_plain_digests) such digests.
    #[error("the digest was made without a pepper, which the store does not accept")]
    PlainDigest,
    /// The record's digest is the [salted digest](crate::secret::SaltedDigest) of this name, which
    /// the store does not have.
    #[error("the digest is the salted digest {0:?}, which the store does not have")]
    UnknownSaltedDigest(Box<str>),
}

/// What a layer, a cache or a manager found wrong with a store: it did not answer before a
/// deadline, panicked, answered for another credential or organization, or ended nothing when a
/// credential was to end.
///
/// You find it as the source of a [`StoreError::Unavailable`] or of a
/// [`Cause::StoreFault`](crate::rejection::Cause::StoreFault). A cache of your own passes it on by
/// cloning it; a store of your own creates one only for a [time limit](Self::timed_out) that it
/// sets itself.
///
/// ```
/// use std::error::Error;
/// use tower_api_key::store::{StoreError, StoreFault};
///
/// fn gave_up(error: &StoreError) -> bool {
///     error.source().is_some_and(|source| source.is::<StoreFault>())
/// }
/// # assert!(!gave_up(&StoreError::unavailable("no connection")));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFault(FaultKind);

#[derive(Clone, Debug, thiserror::Error)]
enum FaultKind {
    #[error("the store did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the store panicked")]
    Panicked,
    #[error("the store answered for another credential or organization")]
    Mismatched,
    #[error("the store ended nothing, although the credential exists")]
    EndedNothing,
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
            Self::Unavailable(source) => source
                .downcast_ref()
                .map_or("store_unavailable", StoreFault::code),
            Self::Corrupt(_) => "record_corrupt",
            Self::UnknownPepper(_) | Self::PlainDigest => "unknown_pepper",
            Self::UnknownSaltedDigest(_) => "unknown_salted_digest",
        }
    }
}

impl StoreFault {
    /// Creates the fault of a store that gave up by itself after `deadline`.
    #[must_use]
    pub fn timed_out(deadline: Duration) -> Self {
        Self(FaultKind::TimedOut(deadline))
    }

    /// Creates the fault of a store that panicked.
    pub(crate) fn panicked() -> Self {
        Self(FaultKind::Panicked)
    }

    /// Creates the fault of a store that answered for another credential or organization.
    pub(crate) fn mismatched() -> Self {
        Self(FaultKind::Mismatched)
    }

    /// Creates the fault of a store that reported success and ended nothing.
    pub(crate) fn ended_nothing() -> Self {
        Self(FaultKind::EndedNothing)
    }

    /// Returns a fixed code for logs and metrics: `store_timed_out`, `store_panicked`,
    /// `store_mismatched` or `store_ended_nothing`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.0 {
            FaultKind::TimedOut(_) => "store_timed_out",
            FaultKind::Panicked => "store_panicked",
            FaultKind::Mismatched => "store_mismatched",
            FaultKind::EndedNothing => "store_ended_nothing",
        }
    }
}

/// A salt of a row that cannot be what was stored.
impl From<InvalidSalt> for StoreError {
    fn from(invalid: InvalidSalt) -> Self {
        match invalid {
            InvalidSalt::UnknownDigest(name) => Self::UnknownSaltedDigest(name),
            InvalidSalt::Length(_) => Self::corrupt(invalid),
        }
    }
}

impl From<StoreFault> for StoreError {
    fn from(fault: StoreFault) -> Self {
        Self::unavailable(fault)
    }
}
