//! The rules about what may be created and handed out. Pure.

use std::time::Duration;

use super::{Actor, ManageError, error::MAX_IDEMPOTENCY_KEY, text::is_name};
use crate::{
    clock::UnixMillis,
    scope::{Catalogue, ScopeSet},
    store::CredentialInfo,
};

pub(super) fn check_name(name: &str) -> Result<(), ManageError> {
    if is_name(name) {
        Ok(())
    } else {
        Err(ManageError::InvalidName)
    }
}

pub(super) fn check_idempotency_key(key: &str) -> Result<(), ManageError> {
    let good = (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(())
    } else {
        Err(ManageError::InvalidIdempotencyKey)
    }
}

/// The last moment that a credential may expire at, 2200-01-01T00:00:00Z. What is later was counted in another unit.
const LATEST_EXPIRY: UnixMillis = UnixMillis(7_258_118_400_000);

/// Refuses a moment that cannot be one of milliseconds.
pub(super) fn check_unit(expires_at: Option<UnixMillis>) -> Result<(), ManageError> {
    match expires_at {
        Some(end) if end > LATEST_EXPIRY => Err(ManageError::ExpiryTooFar(end)),
        _ => Ok(()),
    }
}

/// In the future, within the policy, and within the life of whoever asks. `None` is never.
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

/// Nothing that an actor hands out lasts longer than they do. `None` is never.
fn check_outlived(actor: &Actor, expires_at: Option<UnixMillis>) -> Result<(), ManageError> {
    if actor.lasts_until(expires_at) {
        Ok(())
    } else {
        Err(ManageError::ExpiryBeyondCreator)
    }
}

/// The role and the scopes exist, and the actor holds what they come to.
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

/// Whoever enables a credential hands it out once more: they must hold what it does, and last as long as it does.
pub(super) fn check_regrant(
    actor: &Actor,
    credential: &CredentialInfo,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    check_rights(actor, credential, catalogue)?;
    check_unit(credential.expires_at)?;
    check_outlived(actor, credential.expires_at)
}

/// Whoever rotates a credential hands its rights out once more: they must hold them.
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
        .lacks(&given, catalogue)
        .map_or(Ok(()), |scope| Err(ManageError::ScopeNotHeld(scope.into())))
}

/// Returns the moment `by` later, and the last possible one if that is beyond it.
pub(super) fn later(moment: UnixMillis, by: Duration) -> UnixMillis {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(moment.0.saturating_add(by)).min(LATEST_EXPIRY)
}
