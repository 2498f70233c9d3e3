//! The data that the records of a [`MemoryStore`](super::MemoryStore) are derived from:
//! organizations, users and memberships.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::metadata::Metadata;
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    scope::Tables,
    secret::Digest,
    store::{
        Grant, Record, Status, StoreError,
        WriteError::{self, Taken, UnknownOrganization, UnknownUser},
        resolve::unknown_role,
    },
};

/// Everything that only writers need, behind one lock.
#[derive(Default)]
pub(super) struct State {
    organizations: HashMap<OrgId, Organization>,
    pub(super) users: HashMap<UserId, User>,
    /// The digest of each token, by its public id.
    pub(super) token_digests: HashMap<CredentialId, [u64; 4]>,
    /// The grants of keys. Keys with equal grants share one.
    grants: HashSet<Arc<Grant>>,
    /// The tables since which outdated grants have been forgotten.
    grants_since: Option<Arc<Tables>>,
    pub(super) metadata: Metadata,
    /// The kinds and ids of removed credentials.
    pub(super) tombstones: HashSet<(Kind, CredentialId)>,
    /// The digests of removed tokens.
    pub(super) removed_tokens: HashSet<[u64; 4]>,
    /// How far was searched for expiring credentials, by threshold.
    pub(super) watched: HashMap<i64, UnixMillis>,
}

/// An organization. A deleted one stays, so that its id is not given out again.
struct Organization {
    parent: Option<OrgId>,
    deleted: bool,
}

/// A user with their memberships and tokens.
#[derive(Default)]
pub(super) struct User {
    pub(super) disabled: bool,
    /// The role in each organization of which they are a member.
    pub(super) roles: HashMap<OrgId, Arc<str>>,
    /// The digests of their tokens, deleted ones included.
    pub(super) tokens: Vec<[u64; 4]>,
}

/// The finished records of a personal token: one without an organization, and one for each
/// organization of its owner.
#[derive(Clone)]
pub(in crate::store) struct TokenEntry {
    pub(in crate::store) alone: Arc<Record>,
    memberships: Box<[Arc<Record>]>,
}

impl TokenEntry {
    /// Creates the entry of a token with a record for each membership.
    pub(in crate::store) fn new(
        alone: Record,
        memberships: impl IntoIterator<Item = Arc<Record>>,
    ) -> Self {
        Self {
            alone: Arc::new(alone),
            memberships: memberships.into_iter().collect(),
        }
    }

    /// Returns the record for a lookup that names `organization`.
    pub(in crate::store) fn seen_from(&self, organization: Option<&str>) -> &Arc<Record> {
        let there =
            |record: &&Arc<Record>| record.organization().map(OrgId::as_str) == organization;
        self.memberships.iter().find(there).unwrap_or(&self.alone)
    }

    /// Returns the same with records that are resolved with other tables.
    pub(in crate::store) fn resolved(&self, tables: &Tables) -> Self {
        let alone = self.alone.resolved(tables);
        let alone = alone.unwrap_or_else(|_| Record::clone(&self.alone));
        let there = self.memberships.iter().filter_map(|record| {
            let (organization, role) = record.organization().zip(record.role())?;
            Some(Arc::new(alone.as_member(organization, role, tables)))
        });
        let there: Vec<_> = there.collect();
        Self::new(alone, there)
    }

    /// Answers a lookup that names `organization` with records that these tables have resolved.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if they do not have the role in that organization.
    pub(in crate::store) fn answer(
        &self,
        organization: Option<&str>,
        tables: &Tables,
    ) -> Result<Arc<Record>, StoreError> {
        let record = self.seen_from(organization);
        let role = record.role().map(|role| tables.role(role)).transpose();
        role.map_err(|error| unknown_role(record, error, tables))?;
        Ok(Arc::clone(record))
    }
}

impl State {
    /// Adds an organization. An id stays taken after its organization was deleted.
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

    /// Marks an organization as deleted.
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

    /// Adds a user without memberships.
    pub(super) fn create_user(&mut self, id: &str) -> Result<(), WriteError> {
        if self.users.contains_key(id) {
            return Err(Taken(id.into()));
        }
        self.users.insert(id.into(), User::default());
        Ok(())
    }

    /// Adds a token to its owner.
    pub(super) fn add_token(&mut self, record: &Record) -> Result<(), WriteError> {
        let owner = record.user().map_or("", UserId::as_str);
        let removed = self.is_tombstone(record);
        let user = self
            .users
            .get_mut(owner)
            .ok_or_else(|| UnknownUser(owner.into()))?;
        if removed || self.token_digests.contains_key(record.id()) {
            return Err(Taken(record.id().into()));
        }
        self.token_digests
            .insert(record.id().into(), record.digest().words());
        user.tokens.push(record.digest().words());
        Ok(())
    }

    /// Returns whether a removed credential has the kind and the id of this one, or a removed token
    /// its digest.
    pub(super) fn is_tombstone(&self, record: &Record) -> bool {
        self.is_removed(record.kind(), record.id(), record.digest())
    }

    /// Does the same for a credential without a record.
    pub(super) fn is_removed(&self, kind: Kind, id: &str, digest: &Digest) -> bool {
        self.tombstones.contains(&(kind, id.into()))
            || kind == Kind::PersonalToken && self.removed_tokens.contains(&digest.words())
    }

    /// Lets a key's record share its grant with those of equal keys. With millions of keys and few
    /// roles, this saves most of the memory.
    pub(super) fn share_grant(&mut self, key: Record) -> Record {
        let shared = self.grants.get(key.grant());
        if let Some(shared) = shared.filter(|shared| shared.is_current()) {
            return key.sharing(shared);
        }
        self.grants.replace(Arc::clone(key.grant()));
        key
    }

    /// Forgets the grants of earlier tables, which no new key shares.
    pub(super) fn forget_grants_before(&mut self, tables: &Arc<Tables>) {
        let since = self.grants_since.as_ref();
        if !since.is_some_and(|since| since.is_current()) {
            self.grants.retain(|grant| grant.is_current());
            self.grants_since = Some(Arc::clone(tables));
        }
    }

    /// Returns the shared id of an organization that exists and is not deleted.
    pub(super) fn living(&self, organization: &str) -> Result<OrgId, WriteError> {
        match self.organizations.get_key_value(organization) {
            Some((id, entry)) if !entry.deleted => Ok(id.clone()),
            _ => Err(UnknownOrganization(organization.into())),
        }
    }

    /// Returns the members of an organization. Takes time proportional to the number of users.
    pub(super) fn members(&self, organization: &OrgId) -> impl Iterator<Item = &User> {
        self.users
            .values()
            .filter(|user| user.roles.contains_key(organization))
    }

    /// Creates the records of a token of `user`.
    pub(super) fn entry(&self, token: &Record, user: &User, tables: &Tables) -> TokenEntry {
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
        let there = living
            .map(|(organization, role)| Arc::new(alone.as_member(organization, role, tables)));
        let memberships: Vec<_> = there.collect();
        TokenEntry::new(alone, memberships)
    }

    /// Returns whether `organization` is below `ancestor`, walking up through live organizations
    /// only. It terminates: a parent exists before its children and never changes.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Catalogue;

    #[test]
    fn grants_of_earlier_tables_are_forgotten_once() {
        let catalogue = Catalogue::anyreach();
        let mut state = State::default();
        let key = |id: &str| {
            let key = Record::org_key(id, Digest::of(id.as_bytes()), "org_1");
            key.with_role("viewer", &catalogue).unwrap()
        };
        state.forget_grants_before(&catalogue.tables());
        let _shared = state.share_grant(key("k1"));
        state.forget_grants_before(&catalogue.tables());
        assert_eq!(state.grants.len(), 1, "in force");
        catalogue.replace(Catalogue::builder().role("viewer", ["x"]).build().unwrap());
        state.forget_grants_before(&catalogue.tables());
        assert_eq!(state.grants.len(), 0, "replaced");
    }

    #[test]
    fn keys_with_equal_grants_share_one() {
        let mut state = State::default();
        let mut shared = |id: &str, organization: &str| {
            let key = Record::org_key(id, Digest::of(id.as_bytes()), organization);
            Arc::clone(state.share_grant(key).grant())
        };
        let (one, equal) = (shared("k1", "org_1"), shared("k2", "org_1"));
        assert!(Arc::ptr_eq(&one, &equal));
        assert!(!Arc::ptr_eq(&one, &shared("k3", "org_2")));
    }
}
