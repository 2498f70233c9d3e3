//! Following a feed: changes made elsewhere.

use std::{
    future::{Future, poll_fn},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Cached, entry::Moment, time::nanos};
use crate::{
    observe::counters,
    store::{Feed, FeedEvent},
};

/// How often a follower proves that it is running.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a feed may be silent before it reports that it is lost, as the PostgreSQL feed does. A
/// follower that does not run counts as a silent feed.
const SILENCE: Duration = Duration::from_secs(4);

/// How much further than the timers the cache's clock may advance between two heartbeats. The
/// timers stop while the machine sleeps, so a greater difference means a suspend.
const SLEEP: Duration = Duration::from_secs(1);

/// Applies a feed to a cache. Dropping it, for any reason, counts as the loss of the feed.
struct Follower<S> {
    cache: Cached<S>,
    /// Identifies it: only the newest follower's losses count.
    number: u64,
    /// Whether the feed is lost at the moment.
    lost: bool,
    /// When it last proved that it is running.
    last_beat: Moment,
}

impl<S> Cached<S> {
    /// Applies the changes that `feed` emits. Spawn the returned future as a task, in a tokio
    /// runtime with time enabled; it ends with the feed.
    ///
    /// Use it when something else can change the store: another process, another node, a person
    /// with a database client. Their changes then take effect when the feed delivers them, and no
    /// longer only after the TTL, so the TTL can be long.
    ///
    /// From this call on the feed is trusted to deliver every change, until it reports that it is
    /// lost. Then cached answers are served for
    /// [the configured bound](Self::with_max_staleness_after_disconnect) longer, and no longer than
    /// that until the feed is restored. Answers that were cached before this call, or before a
    /// restoration, are not used. The end of the feed or of the future counts as a loss.
    ///
    /// If the task does not run, for example because its runtime is blocked, cached answers are
    /// served for at most 4 seconds plus the bound after its last run. The time that the machine
    /// sleeps counts; after a suspend everything is looked up again.
    ///
    /// Following another feed replaces the one before: the earlier feed's changes are still
    /// applied, its losses are ignored.
    ///
    /// ```no_run
    /// # use tower_api_key::store::{Cached, Feed, MemoryStore};
    /// # async fn run(feed: impl Feed) {
    /// let cache = Cached::new(MemoryStore::new());
    /// let following = tokio::spawn(cache.follow(feed));
    /// # }
    /// ```
    pub fn follow<F: Feed>(&self, mut feed: F) -> impl Future<Output = ()> + Send + use<S, F>
    where
        S: Send + Sync + 'static,
    {
        let last_beat = self.clocks.moment();
        let number = self.core.follow(self.trusted_until(last_beat));
        let mut follower = Follower {
            cache: self.clone(),
            number,
            lost: false,
            last_beat,
        };
        counters::feed_state(true);
        async move {
            let mut heartbeat = interval(HEARTBEAT);
            heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let mut next = feed.next();
                let event = poll_fn(|cx| {
                    while heartbeat.poll_tick(cx).is_ready() {
                        follower.beat();
                    }
                    next.as_mut().poll(cx)
                });
                match event.await {
                    Some(event) => follower.apply_event(event),
                    None => return,
                }
            }
        }
    }

    /// Returns until when cached answers are trusted if the follower last ran at `at`.
    fn trusted_until(&self, at: Moment) -> u64 {
        at.now
            .saturating_add(nanos(SILENCE))
            .saturating_add(self.settings.bound_after_loss)
    }
}

impl<S> Follower<S> {
    /// Applies one event of the feed.
    fn apply_event(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Changed(change) => self.cache.apply(&change),
            FeedEvent::Lost => self.mark_lost(),
            FeedEvent::Restored => self.restore(),
        }
    }

    /// Renews the trust in the feed. After a suspend the feed may have lost its connection without
    /// noticing, and after a pause of the follower there may be changes that were not applied. In
    /// both cases earlier answers are dropped.
    fn beat(&mut self) {
        let at = self.cache.clocks.moment();
        let passed = at.now.saturating_sub(self.last_beat.now);
        let slept = passed.saturating_sub(at.timer.saturating_sub(self.last_beat.timer));
        self.last_beat = at;
        if self.lost {
            return;
        }
        if passed > nanos(SILENCE) || slept > nanos(SLEEP) {
            self.restore();
        } else {
            self.cache
                .core
                .trust(self.number, self.cache.trusted_until(at));
        }
    }

    /// Trusts the feed again, and nothing that was cached before.
    fn restore(&mut self) {
        self.lost = false;
        let until = self.cache.trusted_until(self.cache.clocks.moment());
        if self.cache.core.restore(self.number, until) {
            counters::feed_state(true);
        }
    }

    /// Ends the trust in cached answers after the configured bound.
    fn mark_lost(&mut self) {
        self.lost = true;
        let cutoff = self
            .cache
            .now()
            .saturating_add(self.cache.settings.bound_after_loss);
        if self.cache.core.mark_lost(self.number, cutoff) {
            counters::feed_state(false);
        }
    }
}

impl<S> Drop for Follower<S> {
    fn drop(&mut self) {
        self.mark_lost();
    }
}
