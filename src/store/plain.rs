//! What the databases keep of records and owners.

use super::{
    Commit, Insert, Record, Standing, StoreError,
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
    /// The scopes are left out when they are the role's, so that they follow the catalogue.
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
            standing: record.standing(),
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

impl Standing {
    /// The word that is kept. Whether an owner is gone follows from the owner: a record that says so by itself does not count,
    /// and must not begin to.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Disabled | Self::OwnerGone | Self::OrganizationGone => "disabled",
        }
    }

    pub(super) fn of_word(word: &str) -> Result<Self, StoreError> {
        match word {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            "deleted" => Ok(Self::Deleted),
            _ => Err(StoreError::corrupt("unknown standing")),
        }
    }
}

impl Owner {
    /// The columns of an organization and of a person, of which one is taken.
    pub(super) fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Organization(id) => (Some(id.as_str()), None),
            Self::User(id) => (None, Some(id.as_str())),
        }
    }
}
