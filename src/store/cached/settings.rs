//! The settings of a cache.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Cached,
    core::{Bounds, Core},
    entry::Nanos,
    fetch::Clocks,
    time::{MonotonicClock, SystemMonotonic, nanos},
};
use crate::{
    clock::{Clock, SystemClock},
    store::DEFAULT_DEADLINE,
};

/// The settings; the methods that set them explain each.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    /// Of accepts.
    pub(super) time_to_live: Nanos,
    /// Of refusals.
    pub(super) negative_time_to_live: Nanos,
    /// How long answers are trusted after a feed is lost.
    pub(super) bound_after_loss: Nanos,
    /// How long expired accepts are served while the store fails; `None` means never.
    pub(super) grace: Option<Nanos>,
    /// Of the table of accepts.
    pub(super) capacity: usize,
    /// Of the table of refusals.
    pub(super) negative_capacity: usize,
    pub(super) lookup_deadline: Nanos,
    /// Misses per second; `None` means no limit.
    pub(super) miss_rate: Option<u32>,
}

impl Settings {
    /// Returns the part that the core needs.
    fn bounds(&self) -> Bounds {
        Bounds {
            accepts: self.capacity,
            refusals: self.negative_capacity,
            deadline: self.lookup_deadline,
            miss_rate: self.miss_rate,
        }
    }
}

/// Setting up. Each of these methods panics if the cache has been cloned or follows a feed: set it
/// up first.
impl<S> Cached<S> {
    /// Creates an empty cache in front of `store`.
    ///
    /// By default accepts are cached for 5 seconds, up to 100 000 of them; other answers for 1
    /// second, up to 10 000 of them.
    pub fn new(store: S) -> Self {
        let settings = Settings {
            time_to_live: nanos(Duration::from_secs(5)),
            negative_time_to_live: nanos(Duration::from_secs(1)),
            bound_after_loss: nanos(Duration::from_secs(6)),
            grace: None,
            capacity: 100_000,
            negative_capacity: 10_000,
            lookup_deadline: nanos(DEFAULT_DEADLINE),
            miss_rate: None,
        };
        let clocks = Clocks {
            wall: Arc::new(SystemClock::default()),
            monotonic: Arc::new(SystemMonotonic::start()),
            timers_since: tokio::time::Instant::now(),
        };
        let core = Arc::new(Core::new(&settings.bounds()));
        Self {
            store: Arc::new(store),
            core,
            settings,
            clocks,
        }
    }

    /// Sets how long an accept is served from the cache after its lookup, used or not; 5 seconds by
    /// default, and never past the credential's own expiry. [`Duration::MAX`] means forever, zero
    /// means never.
    ///
    /// It is the upper bound on how long an unannounced change stays invisible. With a
    /// [feed](Self::follow) it is only the last resort, and can be long:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_api_key::store::{Cached, MemoryStore};
    ///
    /// let cache = Cached::new(MemoryStore::new())
    ///     .with_ttl(Duration::from_secs(600))
    ///     .with_max_staleness_after_disconnect(Duration::from_secs(5));
    /// ```
    #[track_caller]
    pub fn with_ttl(mut self, life: Duration) -> Self {
        self.settings.time_to_live = nanos(life);
        self.renewed()
    }

    /// Sets how many accepts are cached; 100 000 by default. If more credentials are in use, the
    /// ones that were not used for longest are evicted, roughly, and looked up again
    /// (`tower_api_key_cache_evictions_total`).
    #[track_caller]
    pub fn with_capacity(mut self, entries: usize) -> Self {
        self.settings.capacity = entries;
        self.renewed()
    }

    /// Sets how long an answer that cannot be accepted is cached; 1 second by default.
    ///
    /// It is the upper bound on how long an unannounced creation stays invisible, and each unknown
    /// credential costs one lookup in this time, as long as the table has room for the answer.
    #[track_caller]
    pub fn with_negative_ttl(mut self, life: Duration) -> Self {
        self.settings.negative_time_to_live = nanos(life);
        self.renewed()
    }

    /// Sets how many answers that cannot be accepted are cached; 10 000 by default.
    #[track_caller]
    pub fn with_negative_capacity(mut self, entries: usize) -> Self {
        self.settings.negative_capacity = entries;
        self.renewed()
    }

    /// Sets how long cached answers stay valid after a followed feed is lost; 6 seconds by default.
    /// Together with the 4 seconds that a PostgreSQL feed needs to notice a silent connection, this
    /// makes at most 10.
    #[track_caller]
    pub fn with_max_staleness_after_disconnect(mut self, bound: Duration) -> Self {
        self.settings.bound_after_loss = nanos(bound);
        self.renewed()
    }

    /// Sets how long a lookup may take, one second by default, like the [layer's
    /// deadline](crate::AuthLayer::with_deadline). After that it fails for all requests that wait
    /// for it.
    ///
    /// During this time a key that the store fails to look up costs at most two calls of the store.
    #[track_caller]
    pub fn with_lookup_deadline(mut self, deadline: Duration) -> Self {
        self.settings.lookup_deadline = nanos(deadline);
        self.renewed()
    }

    /// Limits lookups of credentials that the cache has never accepted to `per_second` for keys,
    /// and to the same number for tokens; after a second without any, as many may come at once. Off
    /// by default: each unknown id is a lookup.
    ///
    /// Beyond the limit the answer is [`StoreError::Unavailable`](crate::store::StoreError), a 503:
    /// whether the credential is good is not known. A lookup that finds a credential does not
    /// count, so a busy service needs no higher limit than a quiet one. What is cached, and what
    /// was accepted before and not evicted since, is not limited. Nor are
    /// [`revoke_presented`](crate::manage::Manager::revoke_presented), which asks the store past
    /// the cache, and the other calls of a manager.
    ///
    /// The limit protects the store, at a price. A client that sends more unknown ids than the
    /// limit takes the permits from good credentials that the cache does not hold, such as all of
    /// them after a restart: these get a 503 until they get a permit. Set the limit to what the
    /// store can bear beside its other work, and keep floods away with a rate limit by client
    /// address in front of the service.
    #[track_caller]
    pub fn with_miss_rate_limit(mut self, per_second: u32) -> Self {
        self.settings.miss_rate = Some(per_second);
        self.renewed()
    }

    /// Serves expired accepts for up to `grace` while the store is failing. Off by default.
    ///
    /// This weakens the guarantees of the TTL and of the bound after a lost feed: meanwhile a
    /// credential that was revoked elsewhere is accepted. Entries invalidated by a change, entries
    /// that the store has since answered differently, and expired credentials are never served.
    /// Each stale answer is counted, see [`observe`](mod@crate::observe). A store that hangs has
    /// not failed: give its driver a timeout below the layer's deadline. Nor has one that cannot
    /// read the credential's record.
    #[track_caller]
    pub fn danger_with_stale_accepts(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(nanos(grace));
        self.renewed()
    }

    /// Sets the clock that decides expiry.
    #[track_caller]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clocks.wall = Arc::new(clock);
        self.renewed()
    }

    /// Sets the clock that measures TTLs.
    #[track_caller]
    pub fn with_monotonic_clock(mut self, clock: impl MonotonicClock) -> Self {
        self.clocks.monotonic = Arc::new(clock);
        self.renewed() // moments of two clocks cannot be compared
    }

    /// Starts again, empty, with the settings as they are now.
    ///
    /// A cache that is shared cannot be set up: the new one would not receive the changes that are
    /// made through its clones, nor of those that a feed sends them.
    #[track_caller]
    fn renewed(mut self) -> Self {
        assert!(
            Arc::strong_count(&self.core) == 1,
            "set up a cache before you clone it or let it follow a feed"
        );
        self.core = Arc::new(Core::new(&self.settings.bounds()));
        self
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("time_to_live", &Duration::from_nanos(self.time_to_live))
            .field("capacity", &self.capacity)
            .field(
                "negative_time_to_live",
                &Duration::from_nanos(self.negative_time_to_live),
            )
            .field("negative_capacity", &self.negative_capacity)
            .field(
                "bound_after_loss",
                &Duration::from_nanos(self.bound_after_loss),
            )
            .field(
                "lookup_deadline",
                &Duration::from_nanos(self.lookup_deadline),
            )
            .field("miss_rate_limit", &self.miss_rate)
            .field("stale_accepts", &self.grace.map(Duration::from_nanos))
            .finish()
    }
}
