//! Why management refuses: each reason with a text that may be shown to whoever asked.

use std::time::Duration;

use http::StatusCode;

use crate::{
    secret::MintError,
    store::{StoreError, WriteError},
};

/// Why something was refused. Nothing was changed, but for [`Busy`](Self::Busy) of
/// [`revoke_all`](super::Manager::revoke_all), which says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// The actor manages no such credentials: no organization, no person, or without a scope that it takes.
    #[error("not allowed to manage these credentials")]
    NotAllowed,
    /// No such credential of this owner. Also what another owner's id is answered with.
    #[error("there is no such credential")]
    UnknownCredential,
    /// It was deleted.
    #[error("the credential is deleted")]
    Deleted,
    /// It is switched off.
    #[error("the credential is disabled")]
    Disabled,
    /// Another was issued in its place before.
    #[error("the credential was rotated before: rotate the one that took its place")]
    AlreadyRotated,
    /// A name that is empty, too long, or has control characters.
    #[error("a name has 1 to {MAX_NAME} characters, not only blanks and no control characters")]
    InvalidName,
    /// An expiry that is not in the future.
    #[error("the expiry is not in the future")]
    ExpiryInPast,
    /// An expiry, or none, that lasts longer than the policy allows.
    #[error("a credential has to expire within {} s", .0.as_secs())]
    ExpiryBeyondPolicy(Duration),
    /// An expiry, or none, beyond that of the credential that asks.
    #[error("a credential cannot outlive the one that creates it")]
    ExpiryBeyondCreator,
    /// The catalogue has no such role.
    #[error("there is no role {0:?}")]
    UnknownRole(Box<str>),
    /// The catalogue has no such scope.
    #[error("there is no scope {0:?}")]
    UnknownScope(Box<str>),
    /// A scope that whoever asks does not hold, by itself or in a role.
    #[error("{0:?} cannot be given by somebody without it")]
    ScopeNotHeld(Box<str>),
    /// A cursor that is damaged, or from a list of another owner or with another filter.
    #[error("the cursor does not belong to this list: begin anew")]
    StaleCursor,
    /// An idempotency key that is empty, too long, or not of visible ASCII.
    #[error("an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters")]
    InvalidIdempotencyKey,
    /// An idempotency key that came with another request before.
    #[error("the idempotency key was used for another request")]
    IdempotencyConflict,
    /// An overlap that is longer than the policy allows.
    #[error("the overlap of a rotation is at most {} s", .0.as_secs())]
    OverlapTooLong(Duration),
    /// The owner has as many credentials as it may have.
    #[error("there are {0} credentials already, which is the most: delete one")]
    CapReached(u32),
    /// The organization or the person whose credentials these are is not there.
    #[error("there is no such owner")]
    UnknownOwner,
    /// An id that is taken, or cannot be one; only for an import.
    #[error("{0:?} is taken or cannot be the id of a credential")]
    InvalidId(Box<str>),
    /// Others change the same credential again and again.
    #[error("the credential is being changed by others: try again")]
    Busy,
    /// No randomness to mint from.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store failed; whether the change was made is unknown only for a lost connection during the commit.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// How long a name may be, in characters.
pub(super) const MAX_NAME: usize = 100;

/// How long an idempotency key may be, in bytes.
pub(super) const MAX_IDEMPOTENCY_KEY: usize = 255;

impl ManageError {
    /// Returns the HTTP status for an endpoint to answer with (RFC 9110, section 15).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed | Self::ScopeNotHeld(_) | Self::ExpiryBeyondCreator => StatusCode::FORBIDDEN,
            Self::UnknownCredential | Self::UnknownOwner => StatusCode::NOT_FOUND,
            Self::Deleted
            | Self::Disabled
            | Self::AlreadyRotated
            | Self::IdempotencyConflict
            | Self::CapReached(_)
            | Self::InvalidId(_)
            | Self::Busy => StatusCode::CONFLICT,
            Self::Mint(_) | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// Returns a fixed word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::UnknownCredential => "unknown_credential",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::AlreadyRotated => "already_rotated",
            Self::InvalidName => "invalid_name",
            Self::ExpiryInPast => "expiry_in_past",
            Self::ExpiryBeyondPolicy(_) => "expiry_beyond_policy",
            Self::ExpiryBeyondCreator => "expiry_beyond_creator",
            Self::UnknownRole(_) => "unknown_role",
            Self::UnknownScope(_) => "unknown_scope",
            Self::ScopeNotHeld(_) => "scope_not_held",
            Self::StaleCursor => "stale_cursor",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::OverlapTooLong(_) => "overlap_too_long",
            Self::CapReached(_) => "cap_reached",
            Self::UnknownOwner => "unknown_owner",
            Self::InvalidId(_) => "invalid_id",
            Self::Busy => "busy",
            Self::Mint(_) => "no_randomness",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<WriteError> for ManageError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::UnknownOrganization(_) | WriteError::UnknownUser(_) => Self::UnknownOwner,
            WriteError::UnknownCredential(_) => Self::UnknownCredential,
            WriteError::UnknownRole(role) => Self::UnknownRole(role),
            WriteError::Taken(id) | WriteError::InvalidId(id) => Self::InvalidId(id),
            WriteError::CapReached(cap) => Self::CapReached(cap),
            WriteError::Changed => Self::Busy,
            WriteError::GrantOnToken => Self::NotAllowed,
            WriteError::Store(error) => Self::Store(error),
        }
    }
}
