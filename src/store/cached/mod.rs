//! [`Cached`]: a cache in front of a store.
//!
//! ```text
//! peek ─▶ core: a valid, fresh entry? ─▶ the answer, without lock or allocation
//!   └▶ find ─▶ core: join the lookup in flight, or begin one ─▶ wait for its result
//!                └▶ fetch, in its own task ─▶ store ─▶ keep, unless a change came
//! apply, ManageStore, Directory, follow ─▶ core: number the change, end what it concerns
//! ```

mod changes;
mod core;
mod directory;
mod entry;
mod fetch;
mod follow;
mod in_flight;
mod keep;
mod key;
mod limit;
mod managed;
mod reader;
mod settings;
mod shared_error;
mod subject;
mod time;
mod write;
mod writer;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
pub use reader::StoreReader;
pub use time::MonotonicClock;

use self::{
    core::{Core, Known},
    entry::{Answer, Nanos},
    fetch::{Clocks, SharedResult},
    in_flight::{Joined, Waiter},
    key::{Asked, AskedName, EntryKey},
    settings::Settings,
    writer::EntryKind,
};
use super::{Change, CredentialStore, Lookup, Peek, RawKey, Record, StoreError, StoreFault};
use crate::{
    observe::counters,
    secret::{Pepper, SaltedDigests},
};

/// A cache of a store's answers.
///
/// Put it around a store in a database: lookups are then answered from memory, without a query and
/// without an allocation, and only misses wait for the database. Around a
/// [`MemoryStore`](super::MemoryStore) it gains nothing.
///
/// - A **revocation** takes effect at once, whatever the TTL: when [`apply`](Self::apply) or a
///   change made through the cache ([`ManageStore`](super::ManageStore),
///   [`Directory`](super::Directory)) has returned, no lookup that begins afterwards is answered
///   with what was read from the store before, not even by a lookup that was in flight. A request
///   whose credential was looked up before that, or whose lookup was in flight, counts as earlier
///   than the revocation: it is answered, however long its handler takes. Changes made elsewhere
///   arrive through [`follow`](Self::follow); without a feed they take effect after the TTL.
/// - A [catalogue that is replaced](crate::scope::Catalogue::replace) ends every answer whose
///   scopes it returned, in the same way and without a call of the cache, if the store resolves
///   roles in each lookup, as all stores of this project do. A store that goes on to return records
///   of the old catalogue has failed (503).
/// - **Single flight**: concurrent lookups of the same credential share one call of the store,
///   unless a change that may concern it came in between. The lookup runs in its own task, which
///   ends with the answer or at [its deadline](Self::with_lookup_deadline), even if all clients
///   that wait for it disconnect. At most 1024 lookups continue like that; beyond, they are
///   aborted.
/// - A **failure** is shared by all requests that wait for the lookup. It is neither an accept nor
///   a denial. It is kept for 20 milliseconds, and a second one for the rest of the lookup's
///   deadline since the first lookup began: in an outage a credential costs at most two calls of
///   the store in that time, however many requests present it; a personal token, two for each
///   organization that requests name with it. After an outage it is looked up
///   again once this time is over, or when a change names it. The same holds for "there is none"
///   while changes arrive that may be the credential's creation and do not name it, such as changes
///   of other tokens.
/// - A **record that cannot be read** is not an outage: it is damaged, its role is unknown, or its
///   pepper is missing. It ends what was cached of the credential, and is kept for 20 milliseconds;
///   if its role is unknown, only until a change names the credential or its owner, or another
///   catalogue is in force.
/// - What cannot be accepted (unknown, deleted, disabled, expired, not a member) has a **table of
///   its own** with a short TTL, so that a flood of it uses bounded memory and evicts no accepted
///   credential. Each unknown id is looked up once per negative TTL, or more often if that table
///   [is full](Self::with_negative_capacity). The number of such lookups is unlimited unless you
///   [set a limit](Self::with_miss_rate_limit).
/// - **Times** are measured by a clock that continues while the machine sleeps. If a feed is
///   followed, what was cached before a suspend expires at most one second after it.
///
/// The layer checks expiry on every request, whatever is cached. Clones share what is cached: give
/// one to a layer, make changes through another, follow a feed with a third. Set the cache up
/// before you clone it: afterwards the methods that set it up panic.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::{
///     AuthLayer,
///     store::{Cached, Directory, ManageStore, MemoryStore, Owner, WriteError},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), WriteError> {
/// let store = Cached::new(MemoryStore::new()).with_ttl(Duration::from_secs(60));
/// let auth = AuthLayer::new(store.clone());
/// # store.create_organization("org_1", None).await?;
/// # let digest = tower_api_key::secret::Digest::of(b"test");
/// # store.insert(tower_api_key::store::Record::org_key("example", digest, "org_1")).await?;
/// let owner = Owner::Organization("org_1".into());
/// store.delete(&owner, "example").await?; // from here on the layer refuses it
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Cached<S> {
    store: Arc<S>,
    settings: Settings,
    /// What is cached; clones share it.
    core: Arc<Core<SharedResult>>,
    clocks: Clocks,
}

impl<S> Cached<S> {
    /// Invalidates every cached answer that `change` concerns. Once it has returned, no later
    /// [`peek`](CredentialStore::peek) or [`find`](CredentialStore::find) can return an answer that
    /// was read from the store before this call.
    ///
    /// Call it after the change is made in the store. Takes about a microsecond, whatever the
    /// number of entries.
    pub fn apply(&self, change: &Change) {
        self.core.apply(change);
        counters::change_applied(change.subject());
    }

    /// Returns the time on the cache's clock.
    fn now(&self) -> Nanos {
        self.clocks.now()
    }

    /// Returns the cached answer, if there is one, and counts the hit.
    fn get(&self, asked: &Asked<'_>) -> Option<Option<Arc<Record>>> {
        self.core.get(asked, || self.now()).map(Self::hit)
    }

    /// Counts a hit, and returns its answer.
    fn hit(known: Known) -> Option<Arc<Record>> {
        counters::cache_hit(known.kind == EntryKind::Accept);
        known.record
    }

    /// Returns an expired accept, if serving stale accepts is enabled.
    fn stale(&self, asked: &Asked<'_>) -> Option<Arc<Record>> {
        let grace = self.settings.grace?;
        let record = self.core.get_stale(asked, grace, self.now());
        let record = record.filter(|record| !self.clocks.is_expired(record))?;
        counters::stale_accept();
        Some(record)
    }

    /// Returns the answer when the store could not answer.
    fn failed(
        &self,
        asked: &Asked<'_>,
        error: &Arc<StoreError>,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        self.stale(asked)
            .map(Some)
            .ok_or_else(|| shared_error::clone_error(error))
    }
}

/// The miss rate limit is reached.
#[derive(Debug, thiserror::Error)]
#[error("the limit of lookups of credentials that are not cached is reached")]
struct Limited;

/// How many answers in a row may come from a catalogue that was replaced while they were looked up.
/// More of them mean that the store does not follow the catalogue.
const MAX_REPLACED: u8 = 64;

/// The store keeps records and does not make them anew.
#[derive(Debug, thiserror::Error)]
#[error("the scopes of the record come from a catalogue that has been replaced")]
struct Replaced;

impl<S: CredentialStore> Cached<S> {
    /// Joins the lookup of `key` in flight, or begins one; returns the answer if no lookup is
    /// needed.
    async fn join(&self, key: &EntryKey) -> Result<Answer, Waiter<SharedResult>> {
        let waiter = match self.core.join(key, self.clocks.moment()) {
            Joined::Known(known) => {
                return Ok(Self::hit(known).map_or(Answer::Unknown, Answer::Found));
            }
            Joined::Failed(error) => {
                counters::kept_failure();
                return Ok(Answer::Failed(error));
            }
            Joined::Limited => {
                counters::miss_limited();
                return Ok(Answer::Failed(Arc::new(StoreError::unavailable(Limited))));
            }
            Joined::Waiting(waiter) => waiter,
            Joined::Leading(leader, waiter) => {
                self.fetch(leader, &waiter).await;
                waiter
            }
        };
        counters::cache_miss();
        Err(waiter)
    }

    /// Waits for an answer that is valid for this caller.
    async fn look_up(&self, key: &EntryKey) -> Answer {
        let deadline = self
            .clocks
            .moment()
            .timer
            .saturating_add(self.settings.lookup_deadline);
        let mut replaced = 0;
        loop {
            let waiter = match self.join(key).await {
                Ok(answer) => return answer,
                Err(waiter) => waiter,
            };
            let answer = waiter.result().wait().await;
            if waiter.accepts(&answer) {
                return answer;
            }
            replaced += u8::from(!answer.is_current());
            if replaced > MAX_REPLACED {
                return Answer::Failed(Arc::new(StoreError::corrupt(Replaced)));
            }
            if self.clocks.moment().timer >= deadline {
                let deadline = Duration::from_nanos(self.settings.lookup_deadline);
                return Answer::Failed(Arc::new(StoreFault::timed_out(deadline).into()));
            }
        }
    }
}

impl<'a> Asked<'a> {
    /// Returns the key of a lookup.
    #[inline]
    fn of(lookup: &Lookup<'a>) -> Self {
        let name = match lookup.raw_key() {
            RawKey::Id(id) => AskedName::Id(id),
            RawKey::Digest(digest) => AskedName::Digest(digest.words()),
        };
        Self {
            name,
            organization: lookup.organization(),
        }
    }
}

#[async_trait]
impl<S: CredentialStore> CredentialStore for Cached<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        match self.get(&Asked::of(lookup)) {
            Some(Some(record)) => Peek::Found(record),
            Some(None) => Peek::NotFound,
            None => Peek::Unknown,
        }
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.store.decoy_pepper()
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.store.salted_digests()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        if lookup.is_uncached() {
            return self.store.find(lookup).await;
        }
        let asked = Asked::of(lookup);
        if let Some(answer) = self.get(&asked) {
            return Ok(answer);
        }
        let Some(key) = asked.to_key() else {
            return self.store.find(lookup).await;
        };
        match self.look_up(&key).await {
            Answer::Found(record) => Ok(Some(record)),
            Answer::Unknown => Ok(None),
            Answer::Failed(error) => self.failed(&asked, &error),
        }
    }
}

impl<S> Clone for Cached<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            settings: self.settings,
            core: Arc::clone(&self.core),
            clocks: self.clocks.clone(),
        }
    }
}

impl<S> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
