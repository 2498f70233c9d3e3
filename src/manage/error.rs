//! Errors of management calls. Each has a text that may be shown to the caller.

use std::time::Duration;

use http::StatusCode;

use super::text::{MAX_NAME, excerpt};
use crate::{
    clock::UnixMillis,
    credential::MintError,
    id::InvalidId,
    store::{
        EffectiveStatus, InvalidAttributes, InvalidMetadata, InvalidNetwork, StoreError, WriteError,
    },
};

/// Why a management call was refused. Nothing was changed; only after
/// [`Unavailable`](Self::Unavailable) may the outcome be unknown.
///
/// An endpoint responds with [`status`](Self::status) and the text; programs distinguish the
/// reasons by [`code`](Self::code). With the feature `axum` it is a response.
///
/// ```
/// use http::Response;
/// use tower_api_key::manage::ManageError;
///
/// fn answer(error: &ManageError) -> Response<String> {
///     let mut response = Response::new(format!("{}: {error}", error.code()));
///     *response.status_mut() = error.status();
///     response
/// }
/// assert_eq!(answer(&ManageError::CapReached(100)).status(), 409);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// The actor may not manage such credentials: it has no organization or user, or lacks a
    /// required scope.
    #[error("not allowed to manage these credentials")]
    NotAllowed,
    /// The owner has no such credential. Also returned for an id that belongs to another owner.
    #[error("no such credential")]
    UnknownCredential,
    /// The credential is deleted.
    #[error("the credential is deleted")]
    Deleted,
    /// The credential is disabled.
    #[error("the credential is disabled")]
    Disabled,
    /// Part of the stored credential cannot be read, so it cannot be edited, enabled or rotated.
    #[error("the stored credential is damaged; delete it and issue another")]
    Damaged,
    /// The credential has already been replaced by a successor.
    #[error("the credential has already been rotated; rotate its successor")]
    AlreadyRotated,
    /// The name is empty, blank or too long, or contains an invisible or reordering character:
    /// Unicode's `Default_Ignorable_Code_Point`, `Bidi_Control`, `Cc`, `Cf` (except visible ones),
    /// `Zl`, `Zp`, `Co`, and noncharacters.
    #[error(
        "a name must be 1 to {MAX_NAME} characters long, without leading or trailing blanks and without invisible or reordering characters"
    )]
    InvalidName,
    /// The expiry is not in the future.
    #[error("expiry {} is not in the future: use milliseconds since 1970-01-01T00:00:00Z", .0.0)]
    ExpiryInPast(UnixMillis),
    /// The expiry is after 2200-01-01T00:00:00Z, which suggests microseconds or nanoseconds.
    #[error("expiry {} is after the year 2199: use milliseconds since 1970-01-01T00:00:00Z", .0.0)]
    ExpiryTooFar(UnixMillis),
    /// The expiry, or its absence, exceeds the lifetime that the policy allows.
    #[error("a credential must expire within {} s", .0.as_secs())]
    ExpiryBeyondPolicy(Duration),
    /// The expiry, or its absence, exceeds that of the actor's own credential.
    #[error("a credential cannot outlive the one that creates it")]
    ExpiryBeyondCreator,
    /// The actor is a token that is restricted, and the new or enabled token would be less so.
    #[error("a token cannot be less restricted than the one that creates it")]
    RestrictionsBeyondCreator,
    /// The store does not keep restrictions, so the token would not be restricted.
    #[error("this service cannot restrict tokens")]
    RestrictionsUnsupported,
    /// The description, the metadata or the conditions break a limit.
    #[error(transparent)]
    InvalidAttributes(#[from] InvalidAttributes),
    /// The actor's credential has conditions, and the new or changed one would be accepted where
    /// that one is not.
    #[error("a credential cannot be accepted where the one that creates or changes it is not")]
    ConditionsBeyondCreator,
    /// The store does not keep attributes.
    #[error("this service keeps no description, metadata or conditions of credentials")]
    AttributesUnsupported,
    /// The list of organizations of a token is too long.
    #[error("a token can be restricted to at most {MAX_ORGANIZATIONS} organizations, not {0}")]
    TooManyOrganizations(usize),
    /// The catalogue has no such role.
    #[error("unknown role {:?}", excerpt(.0))]
    UnknownRole(Box<str>),
    /// The catalogue has no such scope.
    #[error("unknown scope {:?}", excerpt(.0))]
    UnknownScope(Box<str>),
    /// The actor does not hold this scope, which was requested by itself or through a role.
    #[error("you cannot grant {:?} because you do not hold it", excerpt(.0))]
    ScopeNotHeld(Box<str>),
    /// The cursor is damaged, or belongs to a list of another owner or with another filter.
    #[error("the cursor belongs to another list; start from the first page")]
    StaleCursor,
    /// The idempotency key is empty, too long, or not visible ASCII.
    #[error("an idempotency key must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters long")]
    InvalidIdempotencyKey,
    /// The idempotency key was already used for a different request.
    #[error("the idempotency key was used for another request")]
    IdempotencyConflict,
    /// A repeated request's idempotency key belongs to a credential that is now disabled, expired
    /// or deleted.
    #[error("the credential issued under this idempotency key is {}; use another key", .0.as_str())]
    IssuedInactive(EffectiveStatus),
    /// The overlap is longer than the policy allows.
    #[error("the overlap of a rotation must be at most {} s", .0.as_secs())]
    OverlapTooLong(Duration),
    /// The owner has reached its limit of credentials.
    #[error("limit of {0} credentials reached; delete one first")]
    CapReached(u32),
    /// The organization or user that should own the credentials does not exist.
    #[error("no such organization or user")]
    UnknownOwner,
    /// The id, or a personal token's digest, is already taken, perhaps by a deleted credential.
    /// Only for imports.
    #[error("the id {:?}, or the token's digest, is already taken", excerpt(.0))]
    Taken(Box<str>),
    /// A salt on a personal token, or on a key without an id: both are found by the digest that a
    /// salt takes the place of. Issue new ones for them. Only for imports.
    #[error("a salted digest needs a key with an id; issue a new credential in its place")]
    SaltNeedsId,
    /// The store [refuses](crate::secret::Peppers::without_plain_digests) digests without a pepper,
    /// which a salted one is. Only for imports.
    #[error("this service accepts no digests without a pepper, so none with a salt")]
    SaltWithoutPepper,
    /// The store does not have the salted digest of an import, so it could not verify the key.
    #[error("this service has no salted digest {0:?}")]
    UnknownSaltedDigest(Box<str>),
    /// An id that no header or token could carry: of a credential to import, of the actor, or of an
    /// organization to which a token is restricted.
    #[error(
        "invalid id {:?}: use 1 to 256 visible ASCII characters, \
         for a key only letters, digits, `-`, `_`, `~`, `+` and `/`",
        excerpt(.0)
    )]
    InvalidId(Box<str>),
    /// Concurrent changes to the same credential kept getting in first.
    #[error("the credential is being changed by others; try again")]
    Busy,
    /// The operating system provided no randomness to mint from.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store failed, or did not answer before the [deadline](super::Manager::with_deadline).
    /// The source gives the cause.
    ///
    /// Normally nothing was written. The exception: the connection was lost, or the deadline
    /// passed, while the store was committing; then the change was made as a whole or not at all.
    /// Through a [`Cached`](crate::store::Cached) that holds for the deadline whenever the change
    /// had begun: the change continues, perhaps behind a lock, for as long as the store allows. It
    /// is safe to repeat the call:
    ///
    /// - to end credentials, to edit and to enable: what is already done stays done, and `delete`
    ///   and `revoke_presented` then return [`Deleted`](Self::Deleted);
    /// - to issue with an [idempotency key](super::NewKey::with_idempotency_key): no second
    ///   credential is created. If you do not have the first one's secret, delete or rotate it;
    /// - to rotate: with an [idempotency key](super::Rotation::with_idempotency_key) likewise;
    ///   without one, a rotation that was made returns [`AlreadyRotated`](Self::AlreadyRotated) or
    ///   [`Deleted`](Self::Deleted);
    /// - to import: an import that was made returns [`Taken`](Self::Taken).
    ///
    /// Issuing again without an idempotency key may create a second credential.
    #[error("the credential store is unavailable; try again")]
    Unavailable(#[from] StoreError),
}

/// Maximum length of an idempotency key, in bytes.
pub(super) const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Maximum number of organizations to which a token can be restricted.
pub(super) const MAX_ORGANIZATIONS: usize = 100;

impl ManageError {
    /// Returns the HTTP status for an endpoint to answer with (RFC 9110, section 15).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed
            | Self::ScopeNotHeld(_)
            | Self::ExpiryBeyondCreator
            | Self::RestrictionsBeyondCreator
            | Self::ConditionsBeyondCreator => StatusCode::FORBIDDEN,
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

    /// Returns a fixed code for programs.
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
            Self::RestrictionsBeyondCreator => "restrictions_beyond_creator",
            Self::RestrictionsUnsupported => "restrictions_unsupported",
            Self::InvalidAttributes(_) => "invalid_attributes",
            Self::ConditionsBeyondCreator => "conditions_beyond_creator",
            Self::AttributesUnsupported => "attributes_unsupported",
            Self::TooManyOrganizations(_) => "too_many_organizations",
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
            Self::SaltNeedsId => "salt_needs_id",
            Self::UnknownSaltedDigest(_) => "unknown_salted_digest",
            Self::InvalidId(_) => "invalid_id",
            Self::Busy => "busy",
            Self::SaltWithoutPepper => "salt_without_pepper",
            Self::Mint(_) => "no_randomness",
            Self::Unavailable(error) => error.code(),
        }
    }
}

impl From<InvalidMetadata> for ManageError {
    fn from(invalid: InvalidMetadata) -> Self {
        InvalidAttributes::from(invalid).into()
    }
}

impl From<InvalidNetwork> for ManageError {
    fn from(invalid: InvalidNetwork) -> Self {
        InvalidAttributes::from(invalid).into()
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
            WriteError::InvalidAttributes(attributes) => attributes.into(),
            WriteError::CapReached(cap) => Self::CapReached(cap),
            WriteError::SaltOnToken => Self::SaltNeedsId,
            WriteError::Changed => Self::Busy,
            WriteError::GrantOnToken
            | WriteError::OrganizationsOnKey
            | WriteError::NotPermitted => Self::NotAllowed,
            WriteError::Store(error) => Self::Unavailable(error),
            unsupported @ WriteError::Unsupported => {
                Self::Unavailable(StoreError::unavailable(unsupported))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ManageError as E;

    #[test]
    fn each_error_has_the_status_of_its_kind() {
        let (end, time) = (UnixMillis(0), Duration::ZERO);
        for (status, errors) in [
            (
                403,
                vec![
                    E::NotAllowed,
                    E::ScopeNotHeld("a".into()),
                    E::ExpiryBeyondCreator,
                    E::RestrictionsBeyondCreator,
                    E::ConditionsBeyondCreator,
                ],
            ),
            (404, vec![E::UnknownCredential, E::UnknownOwner]),
            (
                409,
                vec![
                    E::Deleted,
                    E::Disabled,
                    E::Damaged,
                    E::AlreadyRotated,
                    E::IdempotencyConflict,
                    E::IssuedInactive(EffectiveStatus::Expired),
                    E::CapReached(1),
                    E::Taken("a".into()),
                    E::Busy,
                ],
            ),
            (
                422,
                vec![
                    E::InvalidName,
                    E::ExpiryInPast(end),
                    E::ExpiryTooFar(end),
                    E::ExpiryBeyondPolicy(time),
                    E::UnknownRole("a".into()),
                    E::UnknownScope("a".into()),
                    E::StaleCursor,
                    E::InvalidIdempotencyKey,
                    E::OverlapTooLong(time),
                    E::InvalidId("a".into()),
                    E::TooManyOrganizations(101),
                    E::RestrictionsUnsupported,
                    E::InvalidAttributes(InvalidAttributes::Description),
                    E::AttributesUnsupported,
                    E::SaltNeedsId,
                    E::UnknownSaltedDigest("a".into()),
                ],
            ),
            (503, vec![E::Unavailable(StoreError::unavailable("test"))]),
        ] {
            for error in errors {
                assert_eq!(error.status().as_u16(), status, "{error:?}");
            }
        }
    }
}
