//! What the stores have in common besides the traits of the core.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tower_api_key::{
    async_trait,
    store::{Directory, Feed, FeedEvent, ManageStore, StoreError},
};
use tower_api_key_sqlx::{PostgresStore, SetupError, SqliteStore, postgres, sqlite};

/// A store with what it has besides the traits of the core.
pub(super) trait Tested: ManageStore + Directory + Clone {
    type Feed: Feed;

    async fn open_feed(&self) -> Result<Self::Feed, StoreError>;
    async fn checked(&self) -> Result<(), SetupError>;
}

impl Tested for PostgresStore {
    type Feed = postgres::PostgresFeed;

    async fn open_feed(&self) -> Result<Self::Feed, StoreError> {
        let feed = self.feed().await?;
        Ok(feed.with_keep_alive(Duration::from_millis(50), Duration::from_millis(500)))
    }

    async fn checked(&self) -> Result<(), SetupError> {
        self.check().await
    }
}

impl Tested for SqliteStore {
    type Feed = sqlite::SqliteFeed;

    async fn open_feed(&self) -> Result<Self::Feed, StoreError> {
        self.feed().await
    }

    async fn checked(&self) -> Result<(), SetupError> {
        self.check().await
    }
}

/// A feed that shows its events to the test before it emits them.
pub(super) struct Shown<F>(pub(super) F, pub(super) UnboundedSender<FeedEvent>);

#[async_trait]
impl<F: Feed> Feed for Shown<F> {
    async fn next(&mut self) -> Option<FeedEvent> {
        let event = self.0.next().await?;
        _ = self.1.send(event.clone());
        Some(event)
    }
}
