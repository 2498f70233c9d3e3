//! The stores that need no server.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use tower_api_key::{
    scope::Catalogue,
    store::{Feed, FeedEvent, MemoryStore},
};
use tower_api_key_sqlx::sqlx::{self, ConnectOptions as _, Connection as _};
use tower_api_key_sqlx::{SqliteStore, sqlite::SqliteFeed};

use super::Backend;

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

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.0.path().join("model.db")
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

    async fn clear(&self) {
        let options = SqliteStore::options(self.path());
        let mut db = options.connect().await.expect("the file opens");
        let cleared = sqlx::raw_sql(
            "DELETE FROM tower_api_key_credentials; DELETE FROM tower_api_key_uses;
            UPDATE tower_api_key_expiry_watch SET through = 0, kind = '', id = '';",
        );
        cleared.execute(&mut db).await.expect("a writer");
        db.close().await.expect("an open file");
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path(), Catalogue::anyreach())
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
