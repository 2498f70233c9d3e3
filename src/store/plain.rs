//! A record that is stored without management, as what a database keeps.

use super::{
    Commit, Insert, Record, Standing,
    WriteError::{self, GrantOnToken, InvalidId, UnknownRole},
};
use crate::{
    clock::{Clock, SystemClock},
    credential::{Kind, is_key_id},
    manage::{CredentialInfo, Owner},
    principal::Catalogue,
};

impl Commit {
    /// Makes what [`StoreAdmin::insert`] asks for: a credential and nothing else, created now.
    ///
    /// The scopes are left out when they are the role's, so that they follow the catalogue. Whether an owner is gone follows
    /// from the owner: a record that says so by itself does not count, and must not begin to.
    pub(crate) fn inserting(record: &Record, catalogue: &Catalogue) -> Result<Self, WriteError> {
        let owner = match record.kind() {
            Kind::OrgKey if !is_key_id(record.id()) => return Err(InvalidId(record.id().into())),
            Kind::OrgKey => Owner::Organization(record.organization().map_or_else(|| "".into(), Into::into)),
            Kind::PersonalToken if has_grant(record) => return Err(GrantOnToken),
            Kind::PersonalToken => Owner::User(record.user().map_or_else(|| "".into(), Into::into)),
        };
        let of_role = match record.role() {
            Some(role) => Some(catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?),
            None => None,
        };
        let scopes = Some(record.scopes()).filter(|scopes| record.kind() == Kind::OrgKey && of_role != Some(*scopes));
        let info = CredentialInfo {
            id: record.id().into(),
            owner: owner.clone(),
            name: "".into(),
            role: record.role().map(Into::into),
            scopes: scopes.map(|scopes| scopes.iter().map(Into::into).collect()),
            standing: match record.standing() {
                Standing::Active => Standing::Active,
                Standing::Deleted => Standing::Deleted,
                Standing::Disabled | Standing::OwnerGone | Standing::OrganizationGone => Standing::Disabled,
            },
            created_at: SystemClock.now(),
            expires_at: record.expires_at(),
            last_used_at: None,
            rotated_from: None,
            rotated_to: None,
            rotated_at: None,
        };
        let insert = Insert { info, digest: record.digest().clone(), idempotency: None, cap: None };
        Ok(Self { owner, insert: Some(insert), changes: Vec::new(), events: Vec::new() })
    }
}

/// What a token may do follows from memberships.
fn has_grant(token: &Record) -> bool {
    token.organization().is_some() || token.role().is_some() || !token.scopes().is_empty()
}
