//! A feed that can be paused.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::watch, time::timeout};
use tower_api_key::store::{Change, Feed, FeedEvent};

/// Begins the id of a user who marks a place in the feed.
pub(super) const MARK: &str = "mark_";

/// What a tap receives and reports.
#[derive(Debug)]
pub(super) struct Control {
    /// The number of the last mark that the cache has applied.
    pub(super) seen: watch::Sender<u64>,
    /// `Some(None)` while paused; `Some(Some(mark))` when everything up to a mark restores it.
    paused: watch::Sender<Option<Option<u64>>>,
    /// Whether the loss was reported to the cache.
    told: watch::Sender<bool>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            seen: watch::Sender::new(0),
            paused: watch::Sender::new(None),
            told: watch::Sender::new(false),
        }
    }
}

impl Control {
    pub(super) fn is_paused(&self) -> bool {
        self.paused.borrow().is_some()
    }

    /// Pauses the feed, and waits until the cache knows.
    pub(super) async fn pause(&self) {
        self.paused.send_replace(Some(None));
        let mut told = self.told.subscribe();
        let wait = told.wait_for(|told| *told);
        timeout(Duration::from_secs(60), wait)
            .await
            .expect("it is told")
            .expect("it lives");
    }

    pub(super) fn resume(&self, mark: u64) {
        self.told.send_replace(false);
        self.paused.send_replace(Some(Some(mark)));
    }
}

/// A feed that can be paused, and says which mark its follower has applied.
pub(super) struct Tap<F> {
    inner: F,
    control: Arc<Control>,
    /// The mark that was emitted last: it is applied when the follower asks for more.
    emitted: Option<u64>,
    lost: bool,
    told: bool,
}

impl<F> Tap<F> {
    pub(super) fn new(inner: F, control: Arc<Control>) -> Self {
        Self {
            inner,
            control,
            emitted: None,
            lost: false,
            told: false,
        }
    }
}

#[async_trait]
impl<F: Feed> Feed for Tap<F> {
    async fn next(&mut self) -> Option<FeedEvent> {
        if self.told {
            self.told = false;
            self.control.told.send_replace(true);
        }
        if let Some(mark) = self.emitted.take() {
            if self.lost && *self.control.paused.borrow() == Some(Some(mark)) {
                self.lost = false;
                self.control.paused.send_replace(None);
                self.emitted = Some(mark);
                return Some(FeedEvent::Restored);
            }
            self.control.seen.send_if_modified(|seen| {
                *seen = mark.max(*seen);
                true
            });
        }
        let mut paused = self.control.paused.subscribe();
        let pausing = *paused.borrow_and_update() == Some(None);
        if pausing && !self.lost {
            (self.lost, self.told) = (true, true);
            return Some(FeedEvent::Lost);
        }
        if pausing {
            paused.wait_for(|paused| *paused != Some(None)).await.ok()?;
        }
        let event = tokio::select! {
            event = self.inner.next() => event?,
            _ = paused.wait_for(|paused| *paused == Some(None)) => {
                (self.lost, self.told) = (true, true);
                return Some(FeedEvent::Lost);
            }
        };
        if let FeedEvent::Changed(Change::User(id)) = &event {
            self.emitted = id
                .as_str()
                .strip_prefix(MARK)
                .and_then(|mark| mark.parse().ok());
        }
        Some(event)
    }
}
