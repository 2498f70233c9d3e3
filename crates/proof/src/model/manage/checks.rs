//! What is refused because of its form, or because the actor does not hold it.

use std::collections::BTreeSet;

use super::Result;
use crate::model::{
    Actor, Attributes, Grant, Issue, Kind, LATEST_EXPIRY, Limits, MAX_ORGANIZATIONS, Millis,
    catalogue, has_passed, names,
};

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

pub(super) fn check_attributes(attributes: &Attributes) -> Result<()> {
    if attributes.are_valid() {
        Ok(())
    } else {
        Err("invalid_attributes")
    }
}

/// Scopes must exist, and organizations must be ids, not too many.
pub(super) fn check_known(issue: &Issue) -> Result<()> {
    match &issue.grant {
        Grant::Scopes(scopes) if !scopes.iter().all(|scope| catalogue::knows(scope)) => {
            return Err("unknown_scope");
        }
        _ => {}
    }
    match &issue.organizations {
        Some(listed) if listed.len() > MAX_ORGANIZATIONS => Err("too_many_organizations"),
        Some(listed) if !listed.iter().all(|one| names::is_id(one)) => Err("invalid_id"),
        _ => Ok(()),
    }
}

/// The actor must be accepted wherever what it grants is, and hold everything that it grants. A
/// role must exist.
pub(super) fn check_held(actor: &Actor, issue: &Issue) -> Result<()> {
    let Issue {
        kind,
        grant,
        organizations,
        attributes,
        ..
    } = issue;
    if !actor.conditions().cover(&attributes.conditions) {
        return Err("conditions_beyond_creator");
    }
    if *kind == Kind::Token {
        return check_within(&actor.limits(), grant, organizations.as_ref());
    }
    let given = match grant {
        Grant::Role(role) if !catalogue::ROLES.contains(&role.as_str()) => {
            return Err("unknown_role");
        }
        Grant::Role(role) => catalogue::of_role(role),
        Grant::Scopes(scopes) => catalogue::expand(scopes),
        Grant::Nothing => BTreeSet::new(),
    };
    match actor.held() {
        Some(held) if !given.is_subset(&held) => Err("scope_not_held"),
        _ => Ok(()),
    }
}

/// A token that an actor grants is restricted at least as much as the actor.
fn check_within(
    most: &Limits,
    grant: &Grant,
    organizations: Option<&BTreeSet<String>>,
) -> Result<()> {
    let beyond = Err("restrictions_beyond_creator");
    match (&most.scopes, grant) {
        (Some(most), Grant::Scopes(scopes)) if !catalogue::expand(scopes).is_subset(most) => {
            return Err("scope_not_held");
        }
        (None, _) | (Some(_), Grant::Scopes(_)) => {}
        (Some(_), _) => return beyond,
    }
    match (&most.organizations, organizations) {
        (Some(most), Some(listed)) if !listed.is_subset(most) => beyond,
        (Some(_), None) => beyond,
        _ => Ok(()),
    }
}
