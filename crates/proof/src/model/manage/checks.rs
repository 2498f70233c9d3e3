//! What is refused because of its form, or because the actor does not hold it.

use std::collections::BTreeSet;

use super::Result;
use crate::model::{Actor, Grant, LATEST_EXPIRY, Millis, catalogue, has_passed, names};

pub(super) fn check_name(name: &str) -> Result<()> {
    if names::is_name(name) {
        Ok(())
    } else {
        Err("invalid_name")
    }
}

pub(super) fn check_unit(expires_at: Option<Millis>) -> Result<()> {
    match expires_at {
        Some(end) if end > LATEST_EXPIRY => Err("expiry_too_far"),
        _ => Ok(()),
    }
}

/// Something new ends in the future, and not after the actor who makes it.
pub(super) fn check_expiry(now: Millis, actor: &Actor, expires_at: Option<Millis>) -> Result<()> {
    check_unit(expires_at)?;
    if has_passed(expires_at, now) {
        Err("expiry_in_past")
    } else if actor.outlives(expires_at) {
        Ok(())
    } else {
        Err("expiry_beyond_creator")
    }
}

/// A role and scopes must exist.
pub(super) fn check_known(grant: &Grant) -> Result<()> {
    match grant {
        Grant::Role(role) if !catalogue::ROLES.contains(&role.as_str()) => Err("unknown_role"),
        Grant::Scopes(scopes) if !scopes.iter().all(|scope| catalogue::knows(scope)) => {
            Err("unknown_scope")
        }
        _ => Ok(()),
    }
}

/// The actor must hold everything that it grants.
pub(super) fn check_held(actor: &Actor, grant: &Grant) -> Result<()> {
    let given = match grant {
        Grant::Role(role) => catalogue::of_role(role),
        Grant::Scopes(scopes) => catalogue::expand(scopes),
        Grant::Nothing => BTreeSet::new(),
    };
    match actor.held() {
        Some(held) if !given.is_subset(&held) => Err("scope_not_held"),
        _ => Ok(()),
    }
}
