//! [`Cached`]: a store in front of a store.
//!
//! ```text
//! peek ─▶ core: an entry that stands and is fresh? ─▶ the answer, without a lock or an allocation
//!   └▶ find ─▶ core: join the look-up under way, or lead one ─▶ the store ─▶ keep, unless a change came in between
//! apply, StoreAdmin, follow ─▶ core: number the change, end what it concerns
//! ```

mod admin;
mod core;
mod entry;
mod flight;
mod follow;
mod key;
mod ledger;
mod managed;
mod settings;
mod shared;
mod subject;
mod sync;
mod time;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
pub use time::Monotonic;
use tokio::sync::OnceCell;

use self::{
    core::{Core, Fill, Known},
    entry::{NEVER, Nanos},
    flight::{Joined, Ticket},
    key::{Asked, AskedName},
    ledger::Sort,
    settings::Settings,
    time::nanos,
};
use super::{Change, CredentialStore, Key, Lookup, OrgTree, Peek, Record, Standing, StoreError};
use crate::{clock::Clock, metrics, secret::Pepper};

/// Remembers what a store has answered.
///
/// - A **revocation** counts at once, with any time to live: when [`apply`](Self::apply) or a change made through the
///   cache ([`StoreAdmin`](super::StoreAdmin)) has returned, nothing that was read from the store before is answered any
///   more, not even by a look-up that was under way. Changes made elsewhere come through [`follow`](Self::follow); without
///   a feed they show after the time to live.
/// - **One look-up** at a time and question: who asks meanwhile waits for its answer, unless a change came in between.
///   When the one who asks goes away, one of the others goes on. An error is told to all of them and kept for nobody. So
///   an answer is, also with a time to live of zero, as old as the look-up at most, whose deadline is the layer's.
/// - What cannot be accepted (unknown, deleted, disabled, expired, no member) has a **table of its own**, of a short life,
///   so that a flood of it costs a bounded memory and evicts nothing good.
///
/// The layer judges expiry on every request, whatever is cached. Put it into an [`Arc`] to give it to a layer, to change
/// things through it, and to follow a feed.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_api_key::{AuthLayer, credential::Kind, store::{Cached, MemoryStore, StoreAdmin, WriteError}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), WriteError> {
/// let store = Arc::new(Cached::new(MemoryStore::new()).with_time_to_live(Duration::from_secs(60)));
/// let auth = AuthLayer::new(Arc::clone(&store));
/// # store.store().create_organization("org_1", None)?;
/// # store.insert(tower_api_key::store::Record::org_key("example", tower_api_key::secret::Digest::of(b"test"), "org_1")).await?;
/// store.delete(Kind::OrgKey, "example").await?; // from here on the layer refuses it
/// # Ok(())
/// # }
/// ```
pub struct Cached<S> {
    store: S,
    settings: Settings,
    core: Core<Landing>,
    clock: Arc<dyn Clock>,
    monotonic: Arc<dyn Monotonic>,
}

/// Where those who wait for a look-up meet. Passes the lead on when the leader is dropped.
type Landing = OnceCell<Result<Option<Arc<Record>>, Arc<StoreError>>>;

impl<S> Cached<S> {
    /// Returns the store behind the cache. A change made there directly is none that the cache hears of.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Ends every cached answer that `change` concerns, and returns when no later [`peek`](CredentialStore::peek) or
    /// [`find`](CredentialStore::find) can give an answer that was read from the store before this call.
    ///
    /// Call it once the change is made in the store. Takes about a microsecond, whatever the number of entries.
    pub fn apply(&self, change: &Change) {
        self.core.apply(change);
        metrics::applied(change);
    }

    fn now(&self) -> Nanos {
        nanos(self.monotonic.elapsed())
    }

    fn get(&self, asked: &Asked<'_>) -> Option<Option<Arc<Record>>> {
        let Known { sort, record } = self.core.get(asked, || self.now())?;
        metrics::hit(sort == Sort::Accept);
        Some(record)
    }

    fn expired(&self, record: &Record) -> bool {
        record.expires_at().is_some_and(|end| self.clock.now() >= end)
    }

    /// Decides where an answer that was asked for at `asked_at` is kept, and until when.
    fn fill(&self, ticket: &Ticket<'_, Landing>, record: Option<&Arc<Record>>, asked_at: Nanos) -> Fill {
        let seen_from = ticket.flight.organization();
        let acceptable = |record: &&Arc<Record>| {
            record.standing() == Standing::Active
                && !self.expired(record)
                && (seen_from.is_none() || record.organization() == seen_from)
        };
        let (sort, life) = match record.filter(acceptable) {
            Some(record) => (Sort::Accept, self.settings.time_to_live.min(self.left(record))),
            None => (Sort::Refusal, self.settings.negative_time_to_live),
        };
        Fill { sort, record: record.cloned(), valid_until: asked_at.saturating_add(life) }
    }

    /// The time until a credential expires.
    fn left(&self, record: &Record) -> Nanos {
        record.expires_at().map_or(NEVER, |end| {
            let millis = end.0.saturating_sub(self.clock.now().0);
            u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
        })
    }

    /// What was good when it was last read, where the embedding service allows it.
    fn stale(&self, asked: &Asked<'_>) -> Option<Arc<Record>> {
        let grace = self.settings.grace?;
        let record = self.core.get_stale(asked, grace, self.now()).filter(|record| !self.expired(record))?;
        metrics::stale();
        Some(record)
    }
}

impl<S: CredentialStore> Cached<S> {
    /// Asks the store, on behalf of all who ride along.
    async fn lead(
        &self,
        lookup: &Lookup<'_>,
        ticket: &Ticket<'_, Landing>,
    ) -> Result<Option<Arc<Record>>, Arc<StoreError>> {
        let asked_at = self.now();
        let answer = self.store.find(lookup).await.map_err(Arc::new);
        let fill = answer.as_ref().ok().map(|record| self.fill(ticket, record.as_ref(), asked_at));
        if let Some(sort) = ticket.finish(fill, self.now(), self.settings.grace.unwrap_or(0)) {
            metrics::evicted(sort == Sort::Accept);
        }
        answer
    }
}

impl<'a> Asked<'a> {
    #[inline]
    fn of(lookup: &Lookup<'a>) -> Self {
        let name = match lookup.key() {
            Key::Id(id) => AskedName::Id(id),
            Key::Digest(digest) => AskedName::Digest(digest.words()),
        };
        Self { name, organization: lookup.organization() }
    }
}

#[async_trait]
impl<S: CredentialStore> CredentialStore for Cached<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        match self.get(&Asked::of(lookup)) {
            Some(Some(record)) => Peek::Found(record),
            Some(None) => Peek::NotFound,
            None => Peek::Ask,
        }
    }

    fn decoy(&self) -> Option<&Pepper> {
        self.store.decoy()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let asked = Asked::of(lookup);
        if let Some(answer) = self.get(&asked) {
            return Ok(answer);
        }
        let Some(key) = asked.to_key() else {
            return self.store.find(lookup).await;
        };
        let ticket = match self.core.join(key, self.now()) {
            Joined::Known(Known { sort, record }) => {
                metrics::hit(sort == Sort::Accept);
                return Ok(record);
            }
            Joined::Flying(ticket) => ticket,
        };
        metrics::miss();
        match ticket.flight.landing.get_or_init(|| self.lead(lookup, &ticket)).await {
            Ok(record) => Ok(record.clone()),
            Err(error) => self.stale(&asked).map(Some).ok_or_else(|| shared::share(error)),
        }
    }
}

#[async_trait]
impl<S: OrgTree> OrgTree for Cached<S> {
    async fn is_descendant_of(&self, organization: &str, ancestor: &str) -> Result<bool, StoreError> {
        self.store.is_descendant_of(organization, ancestor).await
    }
}

impl<S> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("settings", &self.settings).finish_non_exhaustive()
    }
}
