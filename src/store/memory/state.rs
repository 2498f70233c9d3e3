//! What the records of a [`MemoryStore`](super::MemoryStore) follow from: organizations, people, memberships.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::metadata::Metadata;
use crate::{
    id::{CredentialId, OrgId, UserId},
    scope::Catalogue,
    store::{
        Grant, Record, Status,
        WriteError::{self, Taken, UnknownOrganization, UnknownUser},
    },
};

#[derive(Default)]
pub(super) struct State {
    organizations: HashMap<OrgId, Organization>,
    pub(super) users: HashMap<UserId, User>,
    pub(super) token_digests: HashMap<CredentialId, [u64; 4]>,
    /// What keys may do: one for all keys that may do the same.
    grants: HashSet<Arc<Grant>>,
    pub(super) metadata: Metadata,
}

struct Organization {
    parent: Option<OrgId>,
    deleted: bool,
}

#[derive(Default)]
pub(super) struct User {
    pub(super) disabled: bool,
    pub(super) roles: HashMap<OrgId, Arc<str>>,
    pub(super) tokens: Vec<[u64; 4]>,
}

/// The finished records of a personal token: seen from nowhere, and from each organization of its owner.
#[derive(Clone)]
pub(super) struct TokenEntry {
    pub(super) alone: Arc<Record>,
    memberships: Box<[Arc<Record>]>,
}

impl TokenEntry {
    pub(super) fn seen_from(&self, organization: Option<&str>) -> &Arc<Record> {
        let there =
            |record: &&Arc<Record>| record.organization().map(OrgId::as_str) == organization;
        self.memberships.iter().find(there).unwrap_or(&self.alone)
    }
}

impl State {
    pub(super) fn create_organization(
        &mut self,
        id: &str,
        parent: Option<&str>,
    ) -> Result<(), WriteError> {
        let parent = parent.map(|parent| self.living(parent)).transpose()?;
        if self.organizations.contains_key(id) {
            return Err(Taken(id.into()));
        }
        self.organizations.insert(
            id.into(),
            Organization {
                parent,
                deleted: false,
            },
        );
        Ok(())
    }

    pub(super) fn delete_organization(&mut self, id: &str) -> Result<OrgId, WriteError> {
        let organization = self
            .organizations
            .get_mut(id)
            .filter(|found| !found.deleted);
        organization
            .ok_or_else(|| UnknownOrganization(id.into()))?
            .deleted = true;
        Ok(id.into())
    }

    pub(super) fn create_user(&mut self, id: &str) -> Result<(), WriteError> {
        if self.users.contains_key(id) {
            return Err(Taken(id.into()));
        }
        self.users.insert(id.into(), User::default());
        Ok(())
    }

    /// Enters a token under its owner.
    pub(super) fn add_token(&mut self, record: &Record) -> Result<(), WriteError> {
        let owner = record.user().map_or("", UserId::as_str);
        let user = self
            .users
            .get_mut(owner)
            .ok_or_else(|| UnknownUser(owner.into()))?;
        if self.token_digests.contains_key(record.id()) {
            return Err(Taken(record.id().into()));
        }
        self.token_digests
            .insert(record.id().into(), record.digest().words());
        user.tokens.push(record.digest().words());
        Ok(())
    }

    /// Lets a key's record share its grant with the others that may do the same.
    pub(super) fn share_grant(&mut self, key: Record) -> Record {
        if let Some(shared) = self.grants.get(key.grant()) {
            return key.sharing(shared);
        }
        self.grants.insert(Arc::clone(key.grant()));
        key
    }

    pub(super) fn living(&self, organization: &str) -> Result<OrgId, WriteError> {
        match self.organizations.get_key_value(organization) {
            Some((id, entry)) if !entry.deleted => Ok(id.clone()),
            _ => Err(UnknownOrganization(organization.into())),
        }
    }

    pub(super) fn members(&self, organization: &OrgId) -> impl Iterator<Item = &User> {
        self.users
            .values()
            .filter(|user| user.roles.contains_key(organization))
    }

    /// Finishes the records of a token of `user`.
    pub(super) fn entry(&self, token: &Record, user: &User, catalogue: &Catalogue) -> TokenEntry {
        let status = match token.status() {
            Status::Active | Status::OwnerGone if user.disabled => Status::OwnerGone,
            Status::Active | Status::OwnerGone => Status::Active,
            own => own,
        };
        let alone = token.clone().with_status(status);
        let living = user
            .roles
            .iter()
            .filter(|(organization, _)| self.living(organization.as_str()).is_ok());
        let there = living.filter_map(|(organization, role)| {
            alone
                .clone()
                .in_organization(organization)
                .with_role(role, catalogue)
                .ok()
                .map(Arc::new)
        });
        TokenEntry {
            memberships: there.collect(),
            alone: Arc::new(alone),
        }
    }

    /// Walks upwards through living organizations. It ends: a parent exists before its children and is never changed.
    pub(super) fn is_descendant_of(&self, organization: &str, ancestor: &str) -> bool {
        let live = |id: &str| self.organizations.get(id).filter(|entry| !entry.deleted);
        let live_parent = |id: &str| {
            live(id)?
                .parent
                .as_ref()
                .filter(|parent| live(parent.as_str()).is_some())
        };
        let mut above =
            std::iter::successors(live_parent(organization), |id| live_parent(id.as_str()));
        above.any(|id| id.as_str() == ancestor)
    }
}
