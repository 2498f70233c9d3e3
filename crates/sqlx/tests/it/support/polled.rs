//! Futures that are given up half-way, at each point where they can be.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll::{Pending, Ready},
    time::Duration,
};

use tokio::time::timeout;
use tower_api_key::store::{Feed, FeedEvent};

/// When a future is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As soon as it waits.
    Waiting,
    /// When it is woken: what it has waited for is there, and it has not seen it.
    Woken,
}

/// Polls a future at most `polls` times, whenever it is woken, and drops it. `None` when it did not
/// end by itself.
pub(crate) async fn polled<T>(
    future: impl Future<Output = T>,
    mut polls: usize,
    end: End,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Ready(value) => Ready(Some(value)),
            Pending if polls == 0 && end == End::Waiting => Ready(None),
            Pending => Pending,
        }
    })
    .await
}

/// What a feed says next, to a follower that gives its wait up after each number of polls before it
/// lets one end. A feed that says nothing fails the test instead of hanging it.
pub(crate) async fn told_at_last(feed: &mut impl Feed, end: End) -> FeedEvent {
    let told = async {
        let mut polls = 0;
        loop {
            match polled(feed.next(), polls, end).await {
                Some(event) => return event.expect("the feed goes on"),
                None => polls += 1,
            }
        }
    };
    timeout(Duration::from_secs(60), told)
        .await
        .expect("the feed says nothing")
}
