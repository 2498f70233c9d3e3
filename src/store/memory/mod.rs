//! A store in memory: the embedded default, lost when the process ends.
//!
//! Two maps that readers use without a lock hold a finished record for every credential, and for
//! every personal token one more per membership of its owner. The data that records are derived
//! from (organizations, users, memberships) is kept behind a lock that only writers take; a writer
//! puts the changed records into the maps before it returns. Once the catalogue is replaced, the
//! first lookup of a credential is a writer, too.

mod checks;
mod credentials;
mod directory;
mod follow;
mod insert;
mod key;
mod lifecycle;
mod managed;
mod metadata;
mod state;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{CredentialStore, Lookup, Peek, RawKey, Record, Status, StoreError, WriteError};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    scope::{Catalogue, Tables},
    secret::SaltedDigests,
    sync::{Map, Mutex, MutexGuard, lock},
};
use key::{ById, KeyId};
use state::State;
pub(super) use state::TokenEntry;

/// A store in memory. It is concurrent, every change takes effect in the next answer, and
/// everything is lost when the process ends.
///
/// Use it in tests and examples, and for credentials that are loaded from somewhere else at start.
/// It implements all three store traits, so everything that works with it works with the SQL stores
/// of `tower-api-key-sqlx`, too. A million keys take about 170 MB ([costs](crate::guide::cost)).
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
///     store::{Directory, ManageStore, MemoryStore, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// store.create_organization("org_1", None).await?;
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let key = Record::org_key(&minted.id, minted.digest, "org_1")
///     .with_role("admin", store.catalogue())?;
/// store.insert(key).await?;
/// # Ok(())
/// # }
/// ```
///
/// Clones share their content.
#[derive(Clone)]
#[must_use]
pub struct MemoryStore {
    shared: Arc<Shared>,
    salted: Option<SaltedDigests>,
}

/// What the clones of a store share.
struct Shared {
    catalogue: Catalogue,
    /// The creation time shown for credentials that were inserted as records, which have none.
    created_at: UnixMillis,
    /// The record of each key.
    keys: Map<KeyId, Arc<Record>>,
    /// The records of each token, by its digest.
    tokens: Map<[u64; 4], TokenEntry>,
    /// What only writers need.
    state: Mutex<State>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

// Written by hand because the maps are keyed by digests.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("keys", &self.shared.keys.len())
            .field("tokens", &self.shared.tokens.len())
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Creates an empty store with the documented roles.
    pub fn new() -> Self {
        Self::with_catalogue(Catalogue::anyreach())
    }

    /// Creates an empty store with your own roles.
    pub fn with_catalogue(catalogue: Catalogue) -> Self {
        let shared = Shared {
            catalogue,
            created_at: SystemClock.now(),
            keys: Map::new(),
            tokens: Map::new(),
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            salted: None,
        }
    }

    /// Accepts keys with these salted digests, which another system issued. Set them before you
    /// clone the store: a clone from before computes none of them for an unknown id, and so shows
    /// which ids are known.
    pub fn with_salted_digests(self, salted: SaltedDigests) -> Self {
        Self {
            salted: Some(salted),
            ..self
        }
    }

    /// Deletes an organization, then changes the records of its keys and of its members' tokens.
    fn delete_organization_now(&self, id: &str) -> Result<(), WriteError> {
        let mut state = self.lock();
        let id = state.delete_organization(id)?;
        let mut of_it = Vec::new();
        self.shared.keys.for_each(|_, key| {
            if key.organization() == Some(&id) && key.status() == Status::Active {
                of_it.push(Arc::clone(key));
            }
        });
        for key in of_it {
            self.put_key(Record::clone(&key).with_status(Status::OrganizationGone));
        }
        for user in state.members(&id) {
            self.refresh(&state, user);
        }
        Ok(())
    }

    /// Changes a user, then the records of all their tokens.
    fn change_user(
        &self,
        id: &str,
        change: impl FnOnce(&mut state::User),
    ) -> Result<(), WriteError> {
        let mut state = self.lock();
        change(
            state
                .users
                .get_mut(id)
                .ok_or_else(|| WriteError::UnknownUser(id.into()))?,
        );
        if let Some(user) = state.users.get(id) {
            self.refresh(&state, user);
        }
        Ok(())
    }

    /// Replaces the records of all tokens of a user, except deleted ones, which never change.
    fn refresh(&self, state: &State, user: &state::User) {
        for digest in &user.tokens {
            if let Some(token) = self
                .token(digest)
                .filter(|token| token.status() != Status::Deleted)
            {
                self.put_token(*digest, state.entry(&token, user, &self.tables()));
            }
        }
    }

    /// Returns the tables of the catalogue in force.
    fn tables(&self) -> Arc<Tables> {
        self.shared.catalogue.tables()
    }

    /// Returns the record of a key.
    fn key(&self, id: &str) -> Option<Arc<Record>> {
        self.shared.keys.with(&ById(id.as_bytes()), Arc::clone)
    }

    /// Adds a key, or replaces the record with the same id: readers find either the old or the new
    /// one.
    fn put_key(&self, record: Record) -> Arc<Record> {
        let record = Arc::new(record);
        self.shared
            .keys
            .insert(KeyId::of(&record), Arc::clone(&record));
        record
    }

    /// Returns the record of a token, as it is seen from no organization.
    fn token(&self, digest: &[u64; 4]) -> Option<Arc<Record>> {
        self.shared
            .tokens
            .with(digest, |entry| Arc::clone(&entry.alone))
    }

    /// Adds a token, or replaces all its records at once.
    fn put_token(&self, digest: [u64; 4], entry: TokenEntry) {
        self.shared.tokens.insert(digest, entry);
    }

    /// After a writer's panic the state is as before, or has its whole change: every change is a
    /// single insert.
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

#[async_trait]
impl CredentialStore for MemoryStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let found = |record: &Arc<Record>| match record.is_current() {
            true => Peek::Found(Arc::clone(record)),
            false => Peek::Unknown,
        };
        let peeked = match lookup.raw_key() {
            RawKey::Id(id) => self.shared.keys.with(&ById(id), found),
            RawKey::Digest(digest) => self.shared.tokens.with(&digest.words(), |entry| {
                found(entry.seen_from(lookup.organization()))
            }),
        };
        peeked.unwrap_or(Peek::NotFound)
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.salted.as_ref()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        match self.peek(lookup) {
            Peek::Found(record) => Ok(Some(record)),
            Peek::NotFound => Ok(None),
            Peek::Unknown => self.resolve_again(lookup),
        }
    }
}
