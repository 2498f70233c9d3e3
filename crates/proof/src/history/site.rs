//! The stores of a history's nodes, with or without a cache and a feed.
#![allow(async_fn_in_trait, reason = "one thread runs a history")]
#![allow(clippy::expect_used, reason = "a history stops at the first surprise")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    store::{Cached, Change, Directory, Feed, FeedEvent, MemoryStore, MonotonicClock},
    testing::ManualClock,
};
use tower_api_key_sqlx::{SqliteStore, sqlite::SqliteFeed};

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

    /// Prepares for a history whose ids are new.
    async fn begin(&mut self) {}
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
    /// Waits until a node has heard of everything so far.
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

/// Nodes that ask the store for each request.
#[derive(Debug)]
pub struct Plain<B: Backend> {
    backend: B,
    stores: Vec<B::Store>,
    clocks: Vec<ManualClock>,
}

impl<B: Backend> Plain<B> {
    /// Creates the nodes.
    pub async fn new(mut backend: B) -> Self {
        backend.begin().await;
        let mut stores = Vec::new();
        for _ in 0..B::NODES {
            stores.push(backend.open().await);
        }
        Self {
            backend,
            stores,
            clocks: clocks(B::NODES),
        }
    }
}

impl<B: Backend> Site for Plain<B> {
    type Store = B::Store;
    const NODES: usize = B::NODES;
    const CACHED: bool = false;
    const FEEDS: bool = false;

    async fn begin(&mut self) {
        reset(&self.clocks);
        if B::NODES == 1 {
            self.backend.begin().await;
            self.restart(0).await;
        }
    }

    fn store(&self, node: usize) -> B::Store {
        self.stores.get(node).expect("a node").clone()
    }

    fn clock(&self, node: usize) -> &ManualClock {
        self.clocks.get(node).expect("a node")
    }

    async fn restart(&mut self, node: usize) {
        let old = self.store(node);
        self.backend.close(old).await;
        *self.stores.get_mut(node).expect("a node") = self.backend.open().await;
    }

    async fn prune(&mut self) {
        self.backend.prune(&self.store(0)).await;
    }
}

/// A monotonic clock that stands still until it is moved.
#[derive(Clone, Debug, Default)]
struct Still(Arc<AtomicU64>);

impl Still {
    /// Moves it by a millisecond more than `time`.
    fn pass(&self, time: Duration) {
        let more = u64::try_from(time.as_millis()).unwrap_or(u64::MAX) + 1;
        self.0.fetch_add(more, Ordering::SeqCst);
    }
}

impl MonotonicClock for Still {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A node with a cache that follows a feed.
struct Follower<S> {
    inner: S,
    cache: Cached<S>,
    monotonic: Still,
    control: Arc<Control>,
    task: Option<JoinHandle<()>>,
}

/// Nodes with a cache each, which follow the store's feed.
#[allow(
    missing_debug_implementations,
    reason = "a cache of any store has none"
)]
pub struct Caching<B: Backend> {
    backend: B,
    nodes: Vec<Follower<B::Store>>,
    clocks: Vec<ManualClock>,
    marks: u64,
}

impl<B: Backend> Caching<B> {
    /// Creates the nodes.
    pub async fn new(mut backend: B) -> Self {
        backend.begin().await;
        let mut site = Self {
            backend,
            nodes: Vec::new(),
            clocks: clocks(B::NODES),
            marks: 0,
        };
        for node in 0..B::NODES {
            let follower = site.start(node).await;
            site.nodes.push(follower);
        }
        site
    }

    async fn start(&self, node: usize) -> Follower<B::Store> {
        let inner = self.backend.open().await;
        let monotonic = Still::default();
        let cache = Cached::new(inner.clone())
            .with_ttl(Duration::MAX)
            .with_negative_ttl(Duration::MAX)
            .with_max_staleness_after_disconnect(BOUND)
            .with_lookup_deadline(LOOKUP_DEADLINE)
            .with_clock(self.clock(node).clone())
            .with_monotonic_clock(monotonic.clone());
        let mut follower = Follower {
            inner,
            cache,
            monotonic,
            control: Arc::default(),
            task: None,
        };
        self.follow(&mut follower).await;
        follower
    }

    async fn follow(&self, node: &mut Follower<B::Store>) {
        node.control = Arc::default();
        if let Some(inner) = self.backend.feed(&node.inner).await {
            let tap = Tap::new(inner, Arc::clone(&node.control));
            node.task = Some(tokio::spawn(node.cache.follow(tap)));
        }
    }

    fn node(&self, node: usize) -> &Follower<B::Store> {
        self.nodes.get(node).expect("a node")
    }

    /// Makes a change that feeds tell of, and returns its number.
    async fn mark(&mut self) -> u64 {
        self.marks += 1;
        let id = format!("{MARK}{}", self.marks);
        self.node(0)
            .inner
            .create_user(&id)
            .await
            .expect("the mark is new");
        self.marks
    }

    async fn wait_for(&self, node: usize, mark: u64) {
        let mut seen = self.node(node).control.seen.subscribe();
        let wait = seen.wait_for(|seen| *seen >= mark);
        timeout(Duration::from_secs(60), wait)
            .await
            .expect("the feed tells")
            .expect("it lives");
    }
}

impl<B: Backend> Site for Caching<B> {
    type Store = Cached<B::Store>;
    const NODES: usize = B::NODES;
    const CACHED: bool = true;
    const FEEDS: bool = B::NODES > 1;

    async fn begin(&mut self) {
        reset(&self.clocks);
        if B::NODES == 1 {
            self.backend.begin().await;
            self.restart(0).await;
        }
        for node in 0..B::NODES {
            if self.node(node).task.is_none() || self.node(node).control.is_paused() {
                self.restore(node).await;
            }
        }
    }

    fn store(&self, node: usize) -> Self::Store {
        self.node(node).cache.clone()
    }

    fn clock(&self, node: usize) -> &ManualClock {
        self.clocks.get(node).expect("a node")
    }

    async fn restart(&mut self, node: usize) {
        let new = self.start(node).await;
        let old = std::mem::replace(self.nodes.get_mut(node).expect("a node"), new);
        end(old.task).await;
        drop(old.cache);
        self.backend.close(old.inner).await;
    }

    async fn lose(&mut self, node: usize, stop: bool) {
        let follower = self.nodes.get_mut(node).expect("a node");
        if stop {
            end(follower.task.take()).await;
        } else {
            follower.control.pause().await;
        }
    }

    async fn restore(&mut self, node: usize) {
        if !Self::FEEDS {
            return;
        }
        if self.node(node).task.is_some() {
            let mark = self.mark().await;
            self.node(node).control.resume(mark);
            self.wait_for(node, mark).await;
            return;
        }
        let inner = self.node(node).inner.clone();
        if let Some(inner) = self.backend.feed(&inner).await {
            let follower = self.nodes.get_mut(node).expect("a node");
            follower.control = Arc::default();
            let tap = Tap::new(inner, Arc::clone(&follower.control));
            follower.task = Some(tokio::spawn(follower.cache.follow(tap)));
        }
    }

    async fn catch_up(&mut self, node: usize) {
        if Self::FEEDS {
            let mark = self.mark().await;
            self.wait_for(node, mark).await;
        }
    }

    fn pass_bound(&mut self, node: usize) {
        self.node(node).monotonic.pass(BOUND);
    }

    fn pass_lookup_deadline(&mut self, node: usize) {
        self.node(node).monotonic.pass(LOOKUP_DEADLINE);
    }

    async fn prune(&mut self) {
        self.backend.prune(&self.node(0).inner).await;
    }
}

/// Ends a follower: its cache notices at once.
async fn end(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        task.abort();
        let _ = task.await;
    }
}

/// Begins the id of a user who marks a place in the feed.
const MARK: &str = "mark_";

/// What a tap is told, and what it tells.
#[derive(Debug)]
struct Control {
    /// The number of the last mark that the cache has applied.
    seen: watch::Sender<u64>,
    /// `Some(None)` while paused; `Some(Some(mark))` when everything up to a mark restores it.
    paused: watch::Sender<Option<Option<u64>>>,
    /// Whether the cache was told of the loss.
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
    fn is_paused(&self) -> bool {
        self.paused.borrow().is_some()
    }

    /// Pauses the feed, and waits until the cache knows.
    async fn pause(&self) {
        self.paused.send_replace(Some(None));
        let mut told = self.told.subscribe();
        let wait = told.wait_for(|told| *told);
        timeout(Duration::from_secs(60), wait)
            .await
            .expect("it is told")
            .expect("it lives");
    }

    fn resume(&self, mark: u64) {
        self.told.send_replace(false);
        self.paused.send_replace(Some(Some(mark)));
    }
}

/// A feed that can be paused, and says which mark its follower has applied.
struct Tap<F> {
    inner: F,
    control: Arc<Control>,
    /// The mark that was emitted last: it is applied when the follower asks for more.
    emitted: Option<u64>,
    lost: bool,
    told: bool,
}

impl<F> Tap<F> {
    fn new(inner: F, control: Arc<Control>) -> Self {
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

/// [`MemoryStore`]s: each history has one of its own, which outlives its node.
#[derive(Debug, Default)]
pub struct Memory(MemoryStore);

/// No feed.
#[derive(Debug)]
pub struct NoFeed;

#[async_trait]
impl Feed for NoFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        None
    }
}

impl Backend for Memory {
    type Store = MemoryStore;
    type Feed = NoFeed;
    const NODES: usize = 1;

    async fn begin(&mut self) {
        self.0 = MemoryStore::new();
    }

    async fn open(&self) -> MemoryStore {
        self.0.clone()
    }

    async fn feed(&self, _store: &MemoryStore) -> Option<NoFeed> {
        None
    }

    async fn close(&self, _store: MemoryStore) {}
}

/// SQLite: all histories of a site share one file, with ids of their own.
#[derive(Debug)]
pub struct Sqlite(tempfile::TempDir);

impl Sqlite {
    /// Creates the directory of the file: in memory where there is `/dev/shm`, since nothing here
    /// is about a power failure.
    #[must_use]
    pub fn new() -> Self {
        let shared = tempfile::tempdir_in("/dev/shm");
        Self(
            shared
                .or_else(|_| tempfile::tempdir())
                .expect("a directory"),
        )
    }
}

impl Default for Sqlite {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Sqlite {
    type Store = SqliteStore;
    type Feed = SqliteFeed;
    const NODES: usize = 2;

    async fn open(&self) -> SqliteStore {
        let path = self.0.path().join("model.db");
        SqliteStore::open(path, Catalogue::anyreach())
            .await
            .expect("the file opens")
    }

    async fn feed(&self, store: &SqliteStore) -> Option<SqliteFeed> {
        let feed = store.feed().await.expect("the file can be followed");
        Some(feed.with_poll_interval(Duration::from_millis(1)))
    }

    async fn close(&self, store: SqliteStore) {
        store.close().await;
    }
}
