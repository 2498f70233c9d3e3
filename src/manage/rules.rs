//! The rules about what may be created and granted.

use std::time::Duration;

use super::{
    Actor, ManageError, Manager,
    error::{MAX_IDEMPOTENCY_KEY, MAX_ORGANIZATIONS},
    text::{is_name, is_readable},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{OrgId, check_organization_id},
    scope::{ScopeSet, Tables},
    store::{Attributes, Conditions, CredentialInfo, InvalidAttributes, ManageStore},
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

/// What a new or a stored credential may do.
#[derive(Clone, Copy)]
pub(super) struct Rights<'r> {
    pub(super) kind: Kind,
    pub(super) role: Option<&'r str>,
    pub(super) scopes: Option<&'r [Box<str>]>,
    pub(super) organizations: Option<&'r [OrgId]>,
    pub(super) conditions: &'r Conditions,
}

impl<'r> Rights<'r> {
    /// Returns whether they restrict a token.
    fn restrict_a_token(self) -> bool {
        self.kind == Kind::PersonalToken && (self.scopes.is_some() || self.organizations.is_some())
    }

    pub(super) fn of(credential: &'r CredentialInfo) -> Self {
        Self {
            kind: credential.kind(),
            role: credential.role.as_deref(),
            scopes: credential.scopes.as_deref(),
            organizations: credential.organizations.as_deref(),
            conditions: &credential.attributes.conditions,
        }
    }
}

impl<S: ManageStore> Manager<S> {
    /// Checks the rights of a new credential.
    pub(super) fn check_grant(&self, actor: &Actor, rights: Rights<'_>) -> Result<(), ManageError> {
        if rights.restrict_a_token() && !self.store.supports_restrictions() {
            return Err(ManageError::RestrictionsUnsupported);
        }
        check_grant(actor, rights, &self.store.catalogue().tables())
    }

    /// Checks the attributes of a credential. It does not matter who sets them.
    pub(super) fn check_attributes(&self, attributes: &Attributes) -> Result<(), ManageError> {
        if !attributes.is_empty() && !self.store.supports_attributes() {
            return Err(ManageError::AttributesUnsupported);
        }
        attributes.check()?;
        match &attributes.description {
            Some(text) if !is_readable(text) => Err(InvalidAttributes::Description.into()),
            _ => Ok(()),
        }
    }
}

/// Checks that what the rights name exists, and that the actor may grant them.
fn check_grant(actor: &Actor, rights: Rights<'_>, tables: &Tables) -> Result<(), ManageError> {
    let mut scopes = rights.scopes.unwrap_or_default().iter();
    if let Some(unknown) = scopes.find(|scope| !tables.knows(scope)) {
        return Err(ManageError::UnknownScope(unknown.clone()));
    }
    let organizations = rights.organizations.unwrap_or_default();
    if organizations.len() > MAX_ORGANIZATIONS {
        return Err(ManageError::TooManyOrganizations(organizations.len()));
    }
    for organization in organizations {
        check_organization_id(organization.as_str())?;
    }
    check_held(actor, rights, tables)
}

/// Checks that the actor may enable a credential, which grants it again: the actor must hold what
/// it may do and last as long.
pub(super) fn check_regrant(
    actor: &Actor,
    credential: &CredentialInfo,
    tables: &Tables,
) -> Result<(), ManageError> {
    check_rights(actor, credential, tables)?;
    check_unit(credential.expires_at)?;
    check_outlived(actor, credential.expires_at)
}

/// Checks that the actor may rotate a credential, which grants its rights again: the actor must
/// hold them.
pub(super) fn check_rights(
    actor: &Actor,
    credential: &CredentialInfo,
    tables: &Tables,
) -> Result<(), ManageError> {
    check_held(actor, Rights::of(credential), tables)
}

fn check_held(actor: &Actor, rights: Rights<'_>, tables: &Tables) -> Result<(), ManageError> {
    if !actor.conditions().cover(rights.conditions) {
        return Err(ManageError::ConditionsBeyondCreator);
    }
    match rights.kind {
        Kind::OrgKey => check_scopes_held(actor, rights, tables),
        Kind::PersonalToken => check_restricted(actor, rights, tables),
    }
}

/// Checks that the actor holds every scope that a key gets from its role or its list of scopes.
fn check_scopes_held(
    actor: &Actor,
    rights: Rights<'_>,
    tables: &Tables,
) -> Result<(), ManageError> {
    let of_role = |role: &str| {
        let scopes = tables.scopes_of(role).cloned();
        scopes.ok_or_else(|| ManageError::UnknownRole(role.into()))
    };
    let of_role = rights.role.map(of_role).transpose()?;
    let given = match rights.scopes {
        Some(scopes) => tables.expand(scopes.iter().cloned()),
        None => of_role.unwrap_or_else(ScopeSet::empty),
    };
    actor
        .first_missing(&given, tables)
        .map_or(Ok(()), |scope| Err(ManageError::ScopeNotHeld(scope.into())))
}

/// Checks that a token is restricted at least as much as the actor. What else it may do follows
/// from its owner, who is the actor's too.
fn check_restricted(actor: &Actor, rights: Rights<'_>, tables: &Tables) -> Result<(), ManageError> {
    let own = actor.restrictions();
    if let Some(held) = own.scopes() {
        let scopes = rights
            .scopes
            .ok_or(ManageError::RestrictionsBeyondCreator)?;
        let given = tables.expand(scopes.iter().cloned());
        if let Some(scope) = given.iter().find(|scope| !held.contains(scope)) {
            return Err(ManageError::ScopeNotHeld(scope.into()));
        }
    }
    let allowed = own.organizations().is_none()
        || rights
            .organizations
            .is_some_and(|listed| listed.iter().all(|one| own.allow(one)));
    match allowed {
        true => Ok(()),
        false => Err(ManageError::RestrictionsBeyondCreator),
    }
}

/// Returns `moment` plus `by`, but at most the latest allowed expiry.
pub(super) fn later(moment: UnixMillis, by: Duration) -> UnixMillis {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(moment.0.saturating_add(by)).min(LATEST_EXPIRY)
}
