//! The stores of a history's nodes, with or without a cache and a feed.
#![allow(async_fn_in_trait, reason = "one thread runs a history")]
#![allow(clippy::expect_used, reason = "a history stops at the first surprise")]

mod backends;
mod caching;
mod plain;
mod tap;

use std::time::Duration;

pub use backends::{Memory, NoFeed, Sqlite};
pub use caching::Caching;
pub use plain::Plain;
use tower_api_key::{clock::UnixMillis, store::Feed, testing::ManualClock};

use super::node::Store;

/// When histories begin: long ago, so that no store's own clock is behind.
pub const BEGINNING: i64 = 1_700_000_000_000;
/// How far the clock of each node is ahead of that of the one before.
pub const SKEW: i64 = 700;
/// How long a cache's lookup may take, and how long a second "there is none" may be kept while
/// changes arrive that do not name what was presented.
pub const LOOKUP_DEADLINE: Duration = Duration::from_secs(60);
/// How long a cache trusts its answers after its feed is lost. More than [`LOOKUP_DEADLINE`], so
/// that what ends then does not end because of this.
pub const BOUND: Duration = Duration::from_secs(120);

/// Where stores come from.
pub trait Backend {
    /// The store.
    type Store: Store;
    /// Its feed.
    type Feed: Feed;
    /// How many nodes can share it.
    const NODES: usize;

    /// Creates what all histories share, or for a store of one node what a history has.
    async fn begin(&mut self) {}
    /// Removes the credentials of earlier histories, which the background tasks would find.
    async fn clear(&self) {}
    /// Opens a store over the same data.
    async fn open(&self) -> Self::Store;
    /// Follows the changes of the data, if something else can make them.
    async fn feed(&self, store: &Self::Store) -> Option<Self::Feed>;
    /// Closes a store.
    async fn close(&self, store: Self::Store);
    /// Removes the log of changes.
    async fn prune(&self, _store: &Self::Store) {}
}

/// The nodes of a history.
pub trait Site {
    /// What a node sees.
    type Store: Store;
    /// How many nodes there are.
    const NODES: usize;
    /// Whether nodes have caches.
    const CACHED: bool;
    /// Whether nodes have feeds that can be lost.
    const FEEDS: bool;

    /// Begins a history: every clock shows the beginning, and every feed works.
    async fn begin(&mut self);
    /// Returns the store of a node.
    fn store(&self, node: usize) -> Self::Store;
    /// Returns the clock of a node.
    fn clock(&self, node: usize) -> &ManualClock;
    /// Closes a node's store and opens it again.
    async fn restart(&mut self, node: usize);
    /// Loses a node's feed.
    async fn lose(&mut self, _node: usize, _stop: bool) {}
    /// Restores a node's feed.
    async fn restore(&mut self, _node: usize) {}
    /// Waits until a node has applied every change so far.
    async fn catch_up(&mut self, _node: usize) {}
    /// Lets more time than the bound pass at a node.
    fn pass_bound(&mut self, _node: usize) {}
    /// Lets more time than a lookup may take pass at a node.
    fn pass_lookup_deadline(&mut self, _node: usize) {}
    /// Removes the log of changes.
    async fn prune(&mut self);
}

fn clocks(nodes: usize) -> Vec<ManualClock> {
    (0..nodes)
        .map(|node| ManualClock::at(at_the_beginning(node)))
        .collect()
}

fn at_the_beginning(node: usize) -> UnixMillis {
    UnixMillis(BEGINNING + SKEW * i64::try_from(node).unwrap_or(0))
}

fn reset(clocks: &[ManualClock]) {
    use tower_api_key::clock::Clock;
    for (node, clock) in clocks.iter().enumerate() {
        clock.advance_millis(at_the_beginning(node).0 - clock.now().0);
    }
}
