//! Futures that are cancelled halfway, at every point where they can be.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll::{Pending, Ready},
    time::Duration,
};

use tokio::time::timeout;
use tower_api_key::store::{Feed, FeedEvent};

/// When a future is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// As soon as it is pending.
    WhenPending,
    /// When it is woken: what it waited for is ready, but the future has not seen it.
    WhenWoken,
}

/// Polls a future at most `polls` times, each time it is woken, and drops it. Returns `None` if the
/// future did not complete.
pub(crate) async fn poll_at_most<T>(
    future: impl Future<Output = T>,
    mut polls: usize,
    cancel: Cancel,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Ready(value) => Ready(Some(value)),
            Pending if polls == 0 && cancel == Cancel::WhenPending => Ready(None),
            Pending => Pending,
        }
    })
    .await
}

/// The next event of a feed, for a follower that cancels its wait after more and more polls until
/// one completes. Fails the test instead of hanging it if the feed emits nothing.
pub(crate) async fn next_despite_cancellation(feed: &mut impl Feed, cancel: Cancel) -> FeedEvent {
    let next = async {
        let mut polls = 0;
        loop {
            match poll_at_most(feed.next(), polls, cancel).await {
                Some(event) => return event.expect("the feed does not end"),
                None => polls += 1,
            }
        }
    };
    timeout(Duration::from_secs(60), next)
        .await
        .expect("the feed emits no event")
}
