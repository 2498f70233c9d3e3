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

/// How often a follower shows that it is running.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// For how long a feed may be silent before it says that it is lost: what the PostgreSQL feed
/// takes. A follower that does not run is a feed that is silent.
const SILENCE: Duration = Duration::from_secs(4);

/// By how much more the cache's clock may advance between two heartbeats than the timers do. They
/// stand still while the machine sleeps.
const SLEEP: Duration = Duration::from_secs(1);

/// Whoever follows. When it goes, for whatever reason, the feed is lost.
struct Follower<S> {
    cache: Cached<S>,
    number: u64,
    lost: bool,
    last_beat: Moment,
}

impl<S> Cached<S> {
    /// Follows `feed`: the future ends with it, and has to be polled all the time, as a task, in a
    /// tokio runtime with time enabled.
    ///
    /// From this call on the feed is trusted to tell of every change, until it says that it is
    /// lost. Then what is cached counts for [the stated bound](Self::with_max_staleness_after_disconnect) longer
    /// and no more, until the feed is restored. What was cached before this call, or before a
    /// restoration, does not count any more. The end of the feed, or of the future, is a loss.
    ///
    /// A follower that does not run hears of nothing: what is cached counts for 4 seconds and the
    /// stated bound after its last run at most, in time that includes a suspend. After a suspend
    /// everything is looked up again.
    ///
    /// To follow again takes the place of the feed followed before: that one's changes still count,
    /// its losses do not.
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

    /// Until when a feed is trusted whose follower runs at this moment.
    fn trusted_until(&self, at: Moment) -> u64 {
        at.now
            .saturating_add(nanos(SILENCE))
            .saturating_add(self.settings.bound_after_loss)
    }
}

impl<S> Follower<S> {
    fn apply_event(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Changed(change) => self.cache.apply(&change),
            FeedEvent::Lost => self.mark_lost(),
            FeedEvent::Restored => self.restore(),
        }
    }

    /// Goes on trusting the feed. After a suspend it may have been cut off without knowing, and
    /// after a time in which the follower did not run there are changes that were not applied: what
    /// is cached from before does not count any more.
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

    fn restore(&mut self) {
        self.lost = false;
        let until = self.cache.trusted_until(self.cache.clocks.moment());
        if self.cache.core.restore(self.number, until) {
            counters::feed_state(true);
        }
    }

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
