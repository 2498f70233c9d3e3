//! Every store of the crate keeps the contract.

#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::Arc;

use tower_api_key::{
    store::{MemoryStore, StoreAdmin},
    testing::contract,
};

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    contract::run(|| async { MemoryStore::new() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_managed() {
    contract::run_managed(|| async { MemoryStore::new() }).await;
}

#[tokio::test]
async fn memory_through_a_trait_object() {
    contract::run(|| async { Arc::new(MemoryStore::new()) as Arc<dyn StoreAdmin> }).await;
}

#[cfg(feature = "sqlite")]
mod sqlite {
    //! A file and a database in memory are locked alike and written differently.

    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tower_api_key::{
        principal::Catalogue,
        store::{SqliteStore, StoreAdmin},
        testing::contract,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn in_memory() {
        contract::run(|| async { SqliteStore::in_memory(Catalogue::documented()).await.expect("opens") }).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn managed() {
        contract::run_managed(|| async { SqliteStore::in_memory(Catalogue::documented()).await.expect("opens") }).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn in_a_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let next = AtomicU32::new(0);
        let make = || {
            let path = directory.path().join(next.fetch_add(1, Ordering::Relaxed).to_string());
            async move { SqliteStore::open(path, Catalogue::documented()).await.expect("opens") }
        };
        contract::run(make).await;
    }

    #[tokio::test]
    async fn through_a_trait_object() {
        let make = || async {
            let store = SqliteStore::in_memory(Catalogue::documented()).await.expect("opens");
            Arc::new(store) as Arc<dyn StoreAdmin>
        };
        contract::run(make).await;
    }
}

#[cfg(feature = "postgres")]
#[path = "support/pg.rs"]
mod pg;

#[cfg(feature = "postgres")]
mod postgres {
    //! A fresh schema for each claim, in one cluster.

    use std::sync::Arc;

    use tower_api_key::{
        store::{Cached, StoreAdmin},
        testing::contract,
    };

    use super::pg;

    #[tokio::test(flavor = "multi_thread")]
    async fn by_itself() {
        let Some(cluster) = pg::shared() else { return };
        contract::run(|| cluster.store()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn managed() {
        let Some(cluster) = pg::shared() else { return };
        contract::run_managed(|| cluster.store()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn managed_behind_a_cache() {
        let Some(cluster) = pg::shared() else { return };
        contract::run_managed(|| async { Cached::new(cluster.store().await) }).await;
    }

    #[tokio::test]
    async fn behind_a_cache() {
        let Some(cluster) = pg::shared() else { return };
        contract::run(|| async { Cached::new(cluster.store().await) }).await;
    }

    #[tokio::test]
    async fn through_a_trait_object() {
        let Some(cluster) = pg::shared() else { return };
        contract::run(|| async { Arc::new(cluster.store().await) as Arc<dyn StoreAdmin> }).await;
    }
}

mod cached {
    //! A cache keeps the contract of the store behind it, with any time to live, for what is changed through it.

    use std::time::Duration;

    use tower_api_key::{
        store::{Cached, MemoryStore},
        testing::contract,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn memory() {
        let make = || async {
            let cache = Cached::new(MemoryStore::new()).with_time_to_live(Duration::MAX);
            cache.with_negative_time_to_live(Duration::MAX)
        };
        contract::run(make).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_managed() {
        let make = || async {
            let cache = Cached::new(MemoryStore::new()).with_time_to_live(Duration::MAX);
            cache.with_negative_time_to_live(Duration::MAX)
        };
        contract::run_managed(make).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_in_the_smallest_cache() {
        contract::run(|| async { Cached::new(MemoryStore::new()).with_capacity(1).with_negative_capacity(1) }).await;
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        use tower_api_key::{principal::Catalogue, store::SqliteStore};

        let make = || async {
            let store = SqliteStore::in_memory(Catalogue::documented()).await.expect("opens");
            Cached::new(store).with_time_to_live(Duration::MAX)
        };
        contract::run(make).await;
        contract::run_managed(make).await;
    }
}
