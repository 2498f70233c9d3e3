//! Following a feed: changes made elsewhere.

use std::{future::Future, sync::Arc};

use super::Cached;
use crate::{
    metrics,
    store::{Feed, FeedEvent},
};

/// Whoever follows. When it goes, for whatever reason, the feed is lost.
struct Follower<S> {
    cache: Arc<Cached<S>>,
    number: u64,
}

impl<S> Cached<S> {
    /// Follows `feed`: the future ends with it, and has to be polled all the time, as a task.
    ///
    /// From this call on the feed is trusted to tell of every change, until it says that it is lost. Then what is cached
    /// counts for [the stated bound](Self::with_bound_after_loss) longer and no more, until the feed is restored. What
    /// was cached before this call, or before a restoration, does not count any more. The end of the feed, or of
    /// the future, is a loss.
    ///
    /// To follow again takes the place of the feed followed before: that one's changes still count, its losses do not.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use tower_api_key::store::{Cached, Feed, MemoryStore};
    /// # async fn run(feed: impl Feed) {
    /// let cache = Arc::new(Cached::new(MemoryStore::new()));
    /// let following = tokio::spawn(cache.follow(feed));
    /// # }
    /// ```
    pub fn follow<F: Feed>(self: &Arc<Self>, mut feed: F) -> impl Future<Output = ()> + Send + use<S, F>
    where
        S: Send + Sync + 'static,
    {
        let follower = Follower { cache: Arc::clone(self), number: self.core.follow() };
        metrics::feed(true);
        async move {
            while let Some(event) = feed.next().await {
                follower.heed(event);
            }
        }
    }
}

impl<S> Follower<S> {
    fn heed(&self, event: FeedEvent) {
        match event {
            FeedEvent::Changed(change) => self.cache.apply(&change),
            FeedEvent::Lost => self.lose(),
            FeedEvent::Restored => {
                if self.cache.core.restore(self.number) {
                    metrics::feed(true);
                }
            }
        }
    }

    fn lose(&self) {
        let cutoff = self.cache.now().saturating_add(self.cache.settings.bound_after_loss);
        if self.cache.core.lose(self.number, cutoff) {
            metrics::feed(false);
        }
    }
}

impl<S> Drop for Follower<S> {
    fn drop(&mut self) {
        self.lose();
    }
}
