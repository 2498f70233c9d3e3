//! Nodes with caches that follow a feed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};
use tower_api_key::{
    store::{Cached, Directory as _, MonotonicClock},
    testing::ManualClock,
};

use super::{
    BOUND, Backend, LOOKUP_DEADLINE, Site, clocks, reset,
    tap::{Control, MARK, Tap},
};

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
        self.backend.clear().await;
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
