//! The rules about what may be created and granted, as pure functions.

use std::time::Duration;

use super::{Actor, ManageError, error::MAX_IDEMPOTENCY_KEY, text::is_name};
use crate::{
    clock::UnixMillis,
    scope::{Catalogue, ScopeSet},
    store::CredentialInfo,
};

/// Checks the name of a credential.
pub(super) fn check_name(name: &str) -> Result<(), ManageError> {
    if is_name(name) {
        Ok(())
    } else {
        Err(ManageError::InvalidName)
    }
}

/// Checks an idempotency key: 1 to 255 visible ASCII characters.
pub(super) fn check_idempotency_key(key: &str) -> Result<(), ManageError> {
    let good = (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(())
    } else {
        Err(ManageError::InvalidIdempotencyKey)
    }
}

/// Latest allowed expiry, 2200-01-01T00:00:00Z. Anything later was given in another unit.
const LATEST_EXPIRY: UnixMillis = UnixMillis(7_258_118_400_000);

/// Refuses a time that cannot be in milliseconds.
pub(super) fn check_unit(expires_at: Option<UnixMillis>) -> Result<(), ManageError> {
    match expires_at {
        Some(end) if end > LATEST_EXPIRY => Err(ManageError::ExpiryTooFar(end)),
        _ => Ok(()),
    }
}

/// Checks that an expiry is in the future, within the policy, and within the actor's lifetime.
/// `None` means never.
pub(super) fn check_expiry(
    actor: &Actor,
    expires_at: Option<UnixMillis>,
    now: UnixMillis,
    max_life: Option<Duration>,
) -> Result<(), ManageError> {
    check_unit(expires_at)?;
    if let Some(past) = expires_at.filter(|end| *end <= now) {
        return Err(ManageError::ExpiryInPast(past));
    }
    if let Some(max_life) = max_life {
        let latest = later(now, max_life);
        if expires_at.is_none_or(|end| end > latest) {
            return Err(ManageError::ExpiryBeyondPolicy(max_life));
        }
    }
    check_outlived(actor, expires_at)
}

/// Checks that nothing the actor grants outlives it. `None` means never.
fn check_outlived(actor: &Actor, expires_at: Option<UnixMillis>) -> Result<(), ManageError> {
    if actor.outlives(expires_at) {
        Ok(())
    } else {
        Err(ManageError::ExpiryBeyondCreator)
    }
}

/// Checks that the role and the scopes exist, and that the actor holds what they grant.
pub(super) fn check_grant(
    actor: &Actor,
    role: Option<&str>,
    scopes: Option<&[Box<str>]>,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    if let Some(unknown) = scopes
        .unwrap_or_default()
        .iter()
        .find(|scope| !catalogue.knows(scope))
    {
        return Err(ManageError::UnknownScope(unknown.clone()));
    }
    check_held(actor, role, scopes, catalogue)
}

/// Checks that the actor may enable a credential, which grants it again: the actor must hold what
/// it may do and last as long.
pub(super) fn check_regrant(
    actor: &Actor,
    credential: &CredentialInfo,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    check_rights(actor, credential, catalogue)?;
    check_unit(credential.expires_at)?;
    check_outlived(actor, credential.expires_at)
}

/// Checks that the actor may rotate a credential, which grants its rights again: the actor must
/// hold them.
pub(super) fn check_rights(
    actor: &Actor,
    credential: &CredentialInfo,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    check_held(
        actor,
        credential.role.as_deref(),
        credential.scopes.as_deref(),
        catalogue,
    )
}

/// Checks that the actor holds every scope that a role or a list of scopes grants.
fn check_held(
    actor: &Actor,
    role: Option<&str>,
    scopes: Option<&[Box<str>]>,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    let given = match (scopes, role) {
        (Some(scopes), _) => catalogue.expand(scopes.iter().cloned()),
        (None, Some(role)) => catalogue
            .scopes_of(role)
            .ok_or_else(|| ManageError::UnknownRole(role.into()))?
            .clone(),
        (None, None) => ScopeSet::empty(),
    };
    actor
        .first_missing(&given, catalogue)
        .map_or(Ok(()), |scope| Err(ManageError::ScopeNotHeld(scope.into())))
}

/// Returns `moment` plus `by`, but at most the latest allowed expiry.
pub(super) fn later(moment: UnixMillis, by: Duration) -> UnixMillis {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(moment.0.saturating_add(by)).min(LATEST_EXPIRY)
}
