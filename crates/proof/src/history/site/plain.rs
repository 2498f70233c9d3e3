//! Nodes without caches.

use tower_api_key::testing::ManualClock;

use super::{Backend, Site, clocks, reset};

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
        self.backend.clear().await;
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
