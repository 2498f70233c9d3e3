//! Why management refuses: each reason with a text that may be shown to whoever asked.

use std::time::Duration;

use http::StatusCode;

use super::text::MAX_NAME;
use crate::{
    clock::UnixMillis,
    credential::MintError,
    id::InvalidId,
    store::{EffectiveStatus, StoreError, WriteError},
};

/// Why something was refused. Nothing was changed; only after [`Unavailable`](Self::Unavailable) the outcome may be unknown.
///
/// An endpoint answers with [`status`](Self::status) and the text, a program tells the reasons apart by
/// [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// The actor manages no such credentials: no organization, no person, or without a scope that it takes.
    #[error("not allowed to manage these credentials")]
    NotAllowed,
    /// No such credential of this owner. Also what another owner's id is answered with.
    #[error("no such credential")]
    UnknownCredential,
    /// It was deleted.
    #[error("the credential is deleted")]
    Deleted,
    /// It is switched off.
    #[error("the credential is disabled")]
    Disabled,
    /// Part of what is stored about it cannot be read, so that nothing of it can be handed on.
    #[error("the stored credential is damaged; delete it and issue another")]
    Damaged,
    /// Another was issued in its place before.
    #[error("the credential has already been rotated; rotate its successor")]
    AlreadyRotated,
    /// A name that is empty, blank or too long, or has a character that cannot be seen or that reorders others:
    /// Unicode's `Default_Ignorable_Code_Point`, `Bidi_Control`, `Cc`, `Cf` (but visible ones), `Zl`, `Zp`, `Co`, and
    /// noncharacters.
    #[error(
        "a name must be 1 to {MAX_NAME} characters long, without blanks around it, invisible or reordering characters"
    )]
    InvalidName,
    /// An expiry that is not in the future.
    #[error("expiry {} is not in the future: use milliseconds since 1970-01-01T00:00:00Z", .0.0)]
    ExpiryInPast(UnixMillis),
    /// An expiry after 2200-01-01T00:00:00Z, as microseconds and nanoseconds would be.
    #[error("expiry {} is after the year 2199: use milliseconds since 1970-01-01T00:00:00Z", .0.0)]
    ExpiryTooFar(UnixMillis),
    /// An expiry, or none, that lasts longer than the policy allows.
    #[error("a credential must expire within {} s", .0.as_secs())]
    ExpiryBeyondPolicy(Duration),
    /// An expiry, or none, beyond that of the credential that asks.
    #[error("a credential cannot outlive the one that creates it")]
    ExpiryBeyondCreator,
    /// The catalogue has no such role.
    #[error("unknown role {0:?}")]
    UnknownRole(Box<str>),
    /// The catalogue has no such scope.
    #[error("unknown scope {0:?}")]
    UnknownScope(Box<str>),
    /// A scope that whoever asks does not hold, by itself or in a role.
    #[error("you cannot grant {0:?} because you do not hold it")]
    ScopeNotHeld(Box<str>),
    /// A cursor that is damaged, or from a list of another owner or with another filter.
    #[error("the cursor belongs to another list; start from the first page")]
    StaleCursor,
    /// An idempotency key that is empty, too long, or not of visible ASCII.
    #[error("an idempotency key must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters long")]
    InvalidIdempotencyKey,
    /// An idempotency key that came with another request before.
    #[error("the idempotency key was used for another request")]
    IdempotencyConflict,
    /// A repeated request whose idempotency key led to a credential that is disabled, expired or deleted by now.
    #[error("the credential issued under this idempotency key is {}; use another key", .0.as_str())]
    IssuedInactive(EffectiveStatus),
    /// An overlap that is longer than the policy allows.
    #[error("the overlap of a rotation must be at most {} s", .0.as_secs())]
    OverlapTooLong(Duration),
    /// The owner has as many credentials as it may have.
    #[error("limit of {0} credentials reached; delete one first")]
    CapReached(u32),
    /// The organization or the person whose credentials these are is not there.
    #[error("no such organization or user")]
    UnknownOwner,
    /// The id, or the digest of a personal token, is taken, perhaps by something deleted; only for an import.
    #[error("the id {0:?}, or the token's digest, is already taken")]
    Taken(Box<str>),
    /// An id that no header or token could name: of a credential to import, or of whoever asks.
    #[error(
        "invalid id {0:?}: use 1 to 256 visible ASCII characters, \
         for a key only letters, digits, `-`, `_`, `~`, `+` and `/`"
    )]
    InvalidId(Box<str>),
    /// Others change the same credential again and again.
    #[error("the credential is being changed by others; try again")]
    Busy,
    /// No randomness to mint from.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store failed, or did not answer before the [deadline](super::Manager::with_deadline). The source says why.
    ///
    /// As a rule nothing was written. The one exception: the connection was lost, or the deadline passed, while the store
    /// was committing; then the change was made as a whole or not at all. To repeat the call is safe:
    ///
    /// - to end credentials, to rename and to enable: what was done already is done, and `delete` and
    ///   `revoke_presented` then return [`Deleted`](Self::Deleted);
    /// - to issue with an [idempotency key](super::NewKey::with_idempotency_key): no second credential is made. Without the
    ///   secret of the first, delete or rotate it;
    /// - to rotate: a rotation that was made is [`AlreadyRotated`](Self::AlreadyRotated) or
    ///   [`Deleted`](Self::Deleted);
    /// - to import: an import that was made is [`Taken`](Self::Taken).
    ///
    /// To issue without an idempotency key may make a second credential.
    #[error("the credential store is unavailable; try again")]
    Unavailable(#[from] StoreError),
}

/// How long an idempotency key may be, in bytes.
pub(super) const MAX_IDEMPOTENCY_KEY: usize = 255;

impl ManageError {
    /// Returns the HTTP status for an endpoint to answer with (RFC 9110, section 15).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed | Self::ScopeNotHeld(_) | Self::ExpiryBeyondCreator => {
                StatusCode::FORBIDDEN
            }
            Self::UnknownCredential | Self::UnknownOwner => StatusCode::NOT_FOUND,
            Self::Deleted
            | Self::Damaged
            | Self::Disabled
            | Self::AlreadyRotated
            | Self::IdempotencyConflict
            | Self::IssuedInactive(_)
            | Self::CapReached(_)
            | Self::Taken(_)
            | Self::Busy => StatusCode::CONFLICT,
            Self::Mint(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::Damaged => "damaged",
            Self::AlreadyRotated => "already_rotated",
            Self::InvalidName => "invalid_name",
            Self::ExpiryInPast(_) => "expiry_in_past",
            Self::ExpiryTooFar(_) => "expiry_too_far",
            Self::ExpiryBeyondPolicy(_) => "expiry_beyond_policy",
            Self::ExpiryBeyondCreator => "expiry_beyond_creator",
            Self::UnknownRole(_) => "unknown_role",
            Self::UnknownScope(_) => "unknown_scope",
            Self::ScopeNotHeld(_) => "scope_not_held",
            Self::StaleCursor => "stale_cursor",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::IssuedInactive(_) => "issued_inactive",
            Self::OverlapTooLong(_) => "overlap_too_long",
            Self::CapReached(_) => "cap_reached",
            Self::UnknownOwner => "unknown_owner",
            Self::Taken(_) => "taken",
            Self::InvalidId(_) => "invalid_id",
            Self::Busy => "busy",
            Self::Mint(_) => "no_randomness",
            Self::Unavailable(error) => error.code(),
        }
    }
}

impl From<InvalidId> for ManageError {
    fn from(invalid: InvalidId) -> Self {
        Self::InvalidId(invalid.id().into())
    }
}

impl From<WriteError> for ManageError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::UnknownOrganization(_) | WriteError::UnknownUser(_) => Self::UnknownOwner,
            WriteError::UnknownCredential(_) => Self::UnknownCredential,
            WriteError::UnknownRole(role) => Self::UnknownRole(role),
            WriteError::Taken(id) => Self::Taken(id),
            WriteError::InvalidId(id) => id.into(),
            WriteError::CapReached(cap) => Self::CapReached(cap),
            WriteError::Changed => Self::Busy,
            WriteError::GrantOnToken | WriteError::NotPermitted => Self::NotAllowed,
            WriteError::Store(error) => Self::Unavailable(error),
        }
    }
}
