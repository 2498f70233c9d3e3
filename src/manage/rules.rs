//! The rules about what may be created and handed out. Pure.

use std::time::Duration;

use super::{
    Actor, CredentialInfo, ManageError,
    error::{MAX_IDEMPOTENCY_KEY, MAX_NAME},
};
use crate::{
    clock::UnixMillis,
    principal::{Catalogue, ScopeSet},
};

pub(super) fn check_name(name: &str) -> Result<(), ManageError> {
    let good = !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(ManageError::InvalidName) }
}

pub(super) fn check_idempotency_key(key: &str) -> Result<(), ManageError> {
    let good = (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(()) } else { Err(ManageError::InvalidIdempotencyKey) }
}

/// In the future, within the policy, and within the life of whoever asks. `None` is never.
pub(super) fn check_expiry(
    actor: &Actor,
    expires_at: Option<UnixMillis>,
    now: UnixMillis,
    max_life: Option<Duration>,
) -> Result<(), ManageError> {
    if expires_at.is_some_and(|end| end <= now) {
        return Err(ManageError::ExpiryInPast);
    }
    if let Some(max_life) = max_life {
        let latest = later(now, max_life);
        if expires_at.is_none_or(|end| end > latest) {
            return Err(ManageError::ExpiryBeyondPolicy(max_life));
        }
    }
    if actor.lasts_until(expires_at) { Ok(()) } else { Err(ManageError::ExpiryBeyondCreator) }
}

/// The role and the scopes exist, and the actor holds what they come to.
pub(super) fn check_grant(
    actor: &Actor,
    role: Option<&str>,
    scopes: Option<&[Box<str>]>,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    if let Some(unknown) = scopes.unwrap_or_default().iter().find(|scope| !catalogue.knows(scope)) {
        return Err(ManageError::UnknownScope(unknown.clone()));
    }
    check_held(actor, role, scopes, catalogue)
}

/// A credential that exists is handed out again by whoever rotates or enables it: they have to hold what it does.
pub(super) fn check_handing_out(
    actor: &Actor,
    credential: &CredentialInfo,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    check_held(actor, credential.role.as_deref(), credential.scopes.as_deref(), catalogue)
}

fn check_held(
    actor: &Actor,
    role: Option<&str>,
    scopes: Option<&[Box<str>]>,
    catalogue: &Catalogue,
) -> Result<(), ManageError> {
    let given = match (scopes, role) {
        (Some(scopes), _) => catalogue.expand(scopes.iter().cloned()),
        (None, Some(role)) => catalogue.scopes_of(role).ok_or_else(|| ManageError::UnknownRole(role.into()))?.clone(),
        (None, None) => ScopeSet::empty(),
    };
    actor.lacks(&given).map_or(Ok(()), |scope| Err(ManageError::ScopeNotHeld(scope.into())))
}

pub(super) fn later(moment: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(moment.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
