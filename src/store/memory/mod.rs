//! A store in memory: the embedded default, lost when the process ends.
//!
//! Two maps that readers use without a lock hold a finished record for every credential, and for
//! every personal token one more per membership of its owner. The data that records are derived
//! from (organizations, users, memberships) is kept behind a lock that only writers take; a writer
//! puts the changed records into the maps before it returns.

mod admin;
mod book;
mod insert;
mod key;
mod ledger;
mod managed;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    CredentialStore, Key, Lookup, OrgTree, Peek, Record, Status, StoreError, WriteError,
    erased_user,
};
use crate::{
    credential::Kind,
    id::{check_organization_id, check_user_id},
    scope::Catalogue,
};
use book::{Book, OrganizationState, TokenEntry};
use key::{ById, KeyId};

type Map<K, V> = papaya::HashMap<K, V, foldhash::fast::RandomState>;

/// A store in memory. It is concurrent, every change takes effect in the next answer, and
/// everything is lost when the process ends.
///
/// It has no [peppers](crate::secret::Peppers), since it stores nothing at rest. A record that was
/// read from a store with peppers brings its own.
///
/// Ids are created once: an id that is taken is refused, and a deleted credential keeps its id, so
/// that it cannot come back with another owner.
///
/// ```
/// use tower_api_key::{
///     credential::{Kind, TokenFormat},
///     store::{MemoryStore, Record},
/// };
///
/// let store = MemoryStore::new();
/// store.create_organization("org_1", None)?;
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let key = Record::org_key(&minted.id, minted.digest, "org_1")
///     .with_role("admin", store.catalogue())?;
/// store.insert(key)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryStore {
    catalogue: Catalogue,
    keys: Map<KeyId, Arc<Record>>,
    tokens: Map<[u64; 4], TokenEntry>,
    book: Mutex<Book>,
}

use WriteError::{UnknownCredential, UnknownRole, UnknownUser};

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

// Written by hand because the maps are keyed by digests.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("keys", &self.keys.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Creates an empty store with the documented roles.
    #[must_use]
    pub fn new() -> Self {
        Self::with_catalogue(Catalogue::anyreach())
    }

    /// Creates an empty store with your own roles.
    #[must_use]
    pub fn with_catalogue(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            keys: Map::default(),
            tokens: Map::default(),
            book: Mutex::default(),
        }
    }

    /// Returns the roles.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Creates an organization, at the top or below `parent`.
    ///
    /// # Errors
    /// [`WriteError::Taken`]; [`UnknownOrganization`](WriteError::UnknownOrganization) for the parent.
    pub fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        check_organization_id(id)?;
        self.book().create_organization(id, parent)
    }

    /// Deletes an organization: its keys and every membership in it become invalid. Takes time
    /// proportional to the number of keys.
    ///
    /// # Errors
    /// [`UnknownOrganization`](WriteError::UnknownOrganization).
    pub fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.change_organization(id, OrganizationState::Deleted)
    }

    /// Disables an organization, which is then treated as deleted until it is enabled again.
    ///
    /// # Errors
    /// [`UnknownOrganization`](WriteError::UnknownOrganization).
    pub fn disable_organization(&self, id: &str) -> Result<(), WriteError> {
        self.change_organization(id, OrganizationState::Disabled)
    }

    /// Enables an organization again.
    ///
    /// # Errors
    /// [`UnknownOrganization`](WriteError::UnknownOrganization).
    pub fn enable_organization(&self, id: &str) -> Result<(), WriteError> {
        self.change_organization(id, OrganizationState::Live)
    }

    /// Creates a user without memberships.
    ///
    /// # Errors
    /// [`WriteError::Taken`].
    pub fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        self.book().create_user(id)
    }

    /// Disables a user: all of their tokens are refused.
    ///
    /// # Errors
    /// [`UnknownUser`].
    pub fn disable_user(&self, id: &str) -> Result<(), WriteError> {
        self.change_user(id, |user| user.disabled = true)
    }

    /// Enables a user again.
    ///
    /// # Errors
    /// [`UnknownUser`].
    pub fn enable_user(&self, id: &str) -> Result<(), WriteError> {
        self.change_user(id, |user| user.disabled = false)
    }

    /// Deletes a user with their tokens and memberships; see
    /// [`StoreAdmin::delete_user`](super::StoreAdmin::delete_user).
    ///
    /// # Errors
    /// [`UnknownUser`]; [`WriteError::Store`] if there is no randomness for a pseudonym.
    pub fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let pseudonym = erased_user()?;
        let mut book = self.book();
        let (user, removed) = book
            .users
            .remove_entry(id)
            .ok_or_else(|| UnknownUser(id.into()))?;
        let tokens = self.tokens.pin();
        for digest in &removed.tokens {
            tokens.remove(digest);
        }
        let digests: HashSet<_> = removed.tokens.into_iter().collect();
        let ids = book
            .token_digests
            .extract_if(|_, digest| digests.contains(digest))
            .map(|(id, _)| id)
            .collect();
        book.ledger.erase(&user, &ids, &pseudonym);
        Ok(())
    }

    /// Makes a user a member of an organization, or changes a member's role.
    ///
    /// # Errors
    /// [`UnknownUser`], [`UnknownOrganization`](WriteError::UnknownOrganization), [`UnknownRole`].
    pub fn set_member(&self, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
        if self.catalogue.scopes_of(role).is_none() {
            return Err(UnknownRole(role.into()));
        }
        let organization = self.book().living(organization)?;
        self.change_user(user, |user| {
            drop(user.roles.insert(organization, role.into()))
        })
    }

    /// Removes a membership; does nothing if there is none.
    ///
    /// # Errors
    /// [`UnknownUser`].
    pub fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.change_user(user, |user| drop(user.roles.remove(organization)))
    }

    /// Stores a new credential.
    ///
    /// # Errors
    /// [`WriteError::Taken`], [`WriteError::InvalidId`], [`WriteError::GrantOnToken`];
    /// [`WriteError::UnknownOrganization`] or [`UnknownUser`] for its owner.
    pub fn insert(&self, record: Record) -> Result<(), WriteError> {
        match record.kind() {
            Kind::OrgKey => self.insert_key(record),
            Kind::PersonalToken => self.insert_token(record),
        }
    }

    /// Deletes a key by its id.
    ///
    /// # Errors
    /// [`UnknownCredential`].
    pub fn delete_key(&self, id: &str) -> Result<(), WriteError> {
        let _book = self.book();
        let found = self.key(id).filter(|key| key.standing() != Status::Deleted);
        let key = found.ok_or_else(|| UnknownCredential(id.into()))?;
        self.put_key(Record::clone(&key).with_standing(Status::Deleted));
        Ok(())
    }

    /// Deletes a personal token by its public id.
    ///
    /// # Errors
    /// [`UnknownCredential`].
    pub fn delete_token(&self, id: &str) -> Result<(), WriteError> {
        let book = self.book();
        let unknown = || UnknownCredential(id.into());
        let digest = book.token_digests.get(id).ok_or_else(unknown)?;
        let tokens = self.tokens.pin();
        let entry = tokens
            .get(digest)
            .filter(|entry| entry.alone.standing() != Status::Deleted)
            .ok_or_else(unknown)?;
        tokens.insert(*digest, entry.deleted());
        Ok(())
    }

    /// Changes an organization, then the records of its keys and of its members' tokens.
    fn change_organization(&self, id: &str, state: OrganizationState) -> Result<(), WriteError> {
        let mut book = self.book();
        let id = book.set_organization(id, state)?;
        let (before, after) = match state {
            OrganizationState::Live => (Status::OrganizationGone, Status::Active),
            OrganizationState::Disabled | OrganizationState::Deleted => {
                (Status::Active, Status::OrganizationGone)
            }
        };
        let keys = self.keys.pin();
        let of_it = keys
            .values()
            .filter(|key| key.organization() == Some(&id) && key.standing() == before);
        for key in of_it.map(Arc::clone).collect::<Vec<_>>() {
            self.put_key(Record::clone(&key).with_standing(after));
        }
        for user in book.members(&id) {
            self.refresh(&book, user);
        }
        Ok(())
    }

    /// Changes a user, then the records of all their tokens.
    fn change_user(
        &self,
        id: &str,
        change: impl FnOnce(&mut book::User),
    ) -> Result<(), WriteError> {
        let mut book = self.book();
        change(
            book.users
                .get_mut(id)
                .ok_or_else(|| UnknownUser(id.into()))?,
        );
        if let Some(user) = book.users.get(id) {
            self.refresh(&book, user);
        }
        Ok(())
    }

    fn refresh(&self, book: &Book, user: &book::User) {
        let tokens = self.tokens.pin();
        for digest in &user.tokens {
            if let Some(entry) = tokens
                .get(digest)
                .filter(|entry| entry.alone.standing() != Status::Deleted)
            {
                tokens.insert(*digest, book.entry(&entry.alone, user, &self.catalogue));
            }
        }
    }

    fn key(&self, id: &str) -> Option<Arc<Record>> {
        self.keys.pin().get(&ById(id.as_bytes())).map(Arc::clone)
    }

    /// Adds a key, or replaces the record with the same id: readers find either the old or the new
    /// one.
    fn put_key(&self, record: Record) {
        let record = Arc::new(record);
        self.keys.pin().insert(KeyId::of(&record), record);
    }

    /// After a writer's panic the state is as before, or has its whole change: every change is a
    /// single insert.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialStore for MemoryStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let found = match lookup.key() {
            Key::Id(id) => self.keys.pin().get(&ById(id)).map(Arc::clone),
            Key::Digest(digest) => self
                .tokens
                .pin()
                .get(&digest.words())
                .map(|entry| Arc::clone(entry.seen_from(lookup.organization()))),
        };
        found.map_or(Peek::NotFound, Peek::Found)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        match self.peek(lookup) {
            Peek::Found(record) => Ok(Some(record)),
            Peek::NotFound | Peek::Unknown => Ok(None),
        }
    }
}

#[async_trait]
impl OrgTree for MemoryStore {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.book().is_descendant_of(organization, ancestor))
    }
}
