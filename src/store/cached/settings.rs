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

/// What can be set.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) time_to_live: Nanos,
    pub(super) negative_time_to_live: Nanos,
    pub(super) bound_after_loss: Nanos,
    pub(super) grace: Option<Nanos>,
    pub(super) capacity: usize,
    pub(super) negative_capacity: usize,
    pub(super) lookup_deadline: Nanos,
    pub(super) miss_rate: Option<u32>,
}

impl Settings {
    fn bounds(&self) -> Bounds {
        Bounds {
            accepts: self.capacity,
            refusals: self.negative_capacity,
            deadline: self.lookup_deadline,
            miss_rate: self.miss_rate,
        }
    }
}

impl<S> Cached<S> {
    /// Makes an empty cache in front of `store`.
    ///
    /// Accepts live for 5 seconds, 100 000 of them; other answers for 1 second, 10 000 of them.
    #[must_use]
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
        Self {
            store: Arc::new(store),
            core: Arc::new(Core::new(&settings.bounds())),
            settings,
            clocks,
        }
    }

    /// Sets for how long an accept is answered from the cache after it was asked for, used or not;
    /// 5 seconds by default, and never past the credential's own expiry. [`Duration::MAX`] is for
    /// ever, zero is never.
    ///
    /// It is the time after which a change shows that nobody told the cache of.
    #[must_use]
    pub fn with_ttl(mut self, life: Duration) -> Self {
        self.settings.time_to_live = nanos(life);
        self
    }

    /// Sets how many accepts are kept; 100 000 by default. The cache begins empty again.
    #[must_use]
    pub fn with_capacity(mut self, entries: usize) -> Self {
        self.settings.capacity = entries;
        self.emptied()
    }

    /// Sets for how long an answer that cannot be accepted is kept; 1 second by default.
    ///
    /// It is the time after which a creation shows that nobody told the cache of.
    #[must_use]
    pub fn with_negative_ttl(mut self, life: Duration) -> Self {
        self.settings.negative_time_to_live = nanos(life);
        self
    }

    /// Sets how many answers that cannot be accepted are kept; 10 000 by default. The cache begins
    /// empty again.
    #[must_use]
    pub fn with_negative_capacity(mut self, entries: usize) -> Self {
        self.settings.negative_capacity = entries;
        self.emptied()
    }

    /// Sets for how long what is cached still counts after a followed feed was lost; 6 seconds by
    /// default, so that with the 4 in which a PostgreSQL feed notices a silent link no more than 10
    /// pass.
    #[must_use]
    pub fn with_max_staleness_after_disconnect(mut self, bound: Duration) -> Self {
        self.settings.bound_after_loss = nanos(bound);
        self
    }

    /// Sets how long a lookup may take, one second by default, as the [layer's
    /// deadline](crate::AuthLayer::with_deadline). Then it fails for all who wait for it. The cache
    /// begins empty again.
    ///
    /// It is the time in which a key that the store fails to look up costs at most two calls of the
    /// store.
    #[must_use]
    pub fn with_lookup_deadline(mut self, deadline: Duration) -> Self {
        self.settings.lookup_deadline = nanos(deadline);
        self.emptied()
    }

    /// Limits the lookups of keys, and those of tokens, that the cache has never accepted to
    /// `per_second` each; as many may come at once after a second without any. Off by default: each
    /// unknown id is a lookup. The cache begins empty again.
    ///
    /// Beyond the limit the answer is [`StoreError::Unavailable`](crate::store::StoreError), a 503:
    /// whether the credential is good is not known. A lookup that finds a credential does not
    /// count, so that a busy service needs no higher limit than a quiet one. What is cached, and
    /// what was accepted before and not evicted since, is not limited.
    ///
    /// It protects the store, at a price. Somebody who sends more unknown ids than the limit takes
    /// the permits from good credentials that the cache does not hold, such as all of them after a
    /// restart: these are answered 503 until they get a permit. Set it to what the store can bear
    /// beside its other work, and keep floods away with a rate limit by client address in front.
    #[must_use]
    pub fn with_miss_rate_limit(mut self, per_second: u32) -> Self {
        self.settings.miss_rate = Some(per_second);
        self.emptied()
    }

    /// Serves a good answer for up to `grace` past its time, when the store errs. Off by default.
    ///
    /// It weakens the promise of the time to live and that of the bound after a loss: meanwhile a
    /// credential that was revoked elsewhere is accepted. Never served is what a change that the
    /// cache was told of has ended, what the store has answered otherwise since, or an expired
    /// credential. Each is counted, see [`observe`](mod@crate::observe). A store that hangs has not
    /// erred: give its driver a time-out below the layer's deadline.
    #[must_use]
    pub fn danger_with_stale_accepts(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(nanos(grace));
        self
    }

    /// Sets the clock that expiry is judged by.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clocks.wall = Arc::new(clock);
        self
    }

    /// Sets the clock that times to live are measured by.
    #[must_use]
    pub fn with_monotonic_clock(mut self, clock: impl MonotonicClock) -> Self {
        self.clocks.monotonic = Arc::new(clock);
        self.emptied() // moments of two clocks cannot be compared
    }

    fn emptied(mut self) -> Self {
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
