//! Following the change log of a file.
//!
//! `PRAGMA data_version` does not read the log: it changes when *another* connection has committed,
//! so the feed has a connection of its own that never writes. Committed rows are numbered without
//! gaps, so the feed notices if the log was pruned past its position or emptied. It also compares
//! the last row that it read: a file that was put back to an earlier state may have reached the
//! same number through other changes. A change of the schema may have switched triggers off for a
//! while, so after one the feed reports that everything may have changed.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    file::DatabaseFile,
    log::{Batch, Connection, LogRow, Position},
    writer,
};
use tower_api_key::store::{Change, Feed, FeedEvent, StoreError, backend};

/// How often the feed polls the file by default.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long one poll may take before the feed counts as lost.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the feed waits before it reconnects.
const RECONNECT_DELAY: Duration = Duration::from_millis(100);

/// Follows the change log of a SQLite file, whichever program changes it.
///
/// [`SqliteStore::feed`](super::SqliteStore::feed) creates one. You normally pass it to
/// [`Cached`](tower_api_key::store::Cached), which forgets what has changed; read it yourself to
/// act on changes in another way.
///
/// Yields [`Change::Everything`] if changes were removed from the log before the feed read them
/// (the log keeps the last 10 000), if the schema was changed, or if SQLite put the file back to an
/// earlier state (`.restore` of `sqlite3`). If another file takes the place of this one, the feed
/// yields [`FeedEvent::Lost`]: restart the service.
///
/// The future of [`next`](Feed::next) is safe to drop: no event is lost.
///
/// # Example
///
/// ```
/// use tower_api_key::{
///     scope::Catalogue,
///     store::{Change, Directory, Feed, FeedEvent},
/// };
/// use tower_api_key_sqlx::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::in_memory(Catalogue::anyreach()).await?;
/// let mut feed = store.feed().await?;
/// store.create_user("alice").await?;
/// let event = feed.next().await;
/// assert_eq!(event, Some(FeedEvent::Changed(Change::User("alice".into()))));
/// # Ok(())
/// # }
/// ```
pub struct SqliteFeed {
    options: SqliteConnectOptions,
    file: Option<Arc<DatabaseFile>>,
    connection: Option<Connection>,
    poll_interval: Duration,
    next_poll: Instant,
    position: Position,
    lost: bool,
    pending: VecDeque<FeedEvent>,
}

impl SqliteFeed {
    pub(super) async fn start(
        options: &SqliteConnectOptions,
        file: Option<Arc<DatabaseFile>>,
    ) -> Result<Self, StoreError> {
        // A locked file is an outage to report, not to wait for, and a missing file must not be
        // created.
        let options = writer::options(options)
            .busy_timeout(READ_TIMEOUT / 2)
            .create_if_missing(false);
        let mut feed = Self {
            options,
            file,
            connection: None,
            poll_interval: POLL_INTERVAL,
            next_poll: Instant::now(),
            position: Position::default(),
            lost: false,
            pending: VecDeque::new(),
        };
        feed.position = feed.connection().await?.end().await?;
        Ok(feed)
    }

    /// Sets how often the feed polls the file; the default is 10 ms.
    #[must_use]
    pub fn with_poll_interval(self, interval: Duration) -> Self {
        Self {
            poll_interval: interval,
            ..self
        }
    }

    /// Returns the connection, and connects if there is none; never to another file than the
    /// store's.
    async fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            self.verify_files()?;
            let connection = Connection::open(&self.options).await?;
            self.connection = Some(connection);
        }
        self.verify_files()?;
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::unavailable(sqlx::Error::PoolClosed))
    }

    fn verify_files(&self) -> Result<(), StoreError> {
        Ok(self.file.as_deref().map_or(Ok(()), DatabaseFile::verify)?)
    }

    /// Reads what is new, at most one batch.
    ///
    /// Nothing has moved if this is dropped half-way: events and position change together, after
    /// the last `await`.
    async fn poll(&mut self) -> Result<(), StoreError> {
        let position = self.position;
        let connection = self.connection().await?;
        let Some(batch) = connection.read(position).await? else {
            return Ok(());
        };
        let caught_up = connection.is_caught_up();
        self.apply(batch);
        if self.lost && caught_up {
            self.lost = false;
            self.pending.push_back(FeedEvent::Restored);
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) {
        let Batch {
            newest,
            rows,
            schema,
        } = batch;
        let last = self.position;
        let (old, new): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.seq == last.seq);
        let at = old.first().map(|row| row.at);
        let replaced = at.zip(last.at).is_some_and(|(now, then)| now != then);
        let jumped = new.is_empty() && newest != last.seq;
        if replaced || jumped || schema != last.schema {
            self.push_change(Change::Everything);
        }
        self.position = match jumped {
            true => Position {
                seq: newest,
                at: None,
                schema,
            },
            false => Position {
                at: at.or(last.at),
                schema,
                ..last
            },
        };
        new.into_iter().for_each(|row| self.apply_row(row));
    }

    fn apply_row(&mut self, row: LogRow) {
        if row.seq != self.position.seq.wrapping_add(1) {
            self.push_change(Change::Everything); // a row in between is gone
        }
        self.position.seq = row.seq;
        self.position.at = Some(row.at);
        let lag = Duration::from_millis(row.age_millis.try_into().unwrap_or(0));
        backend::observe_revocation_lag(lag);
        self.push_change(row.change);
    }

    fn push_change(&mut self, change: Change) {
        self.pending.push_back(FeedEvent::Changed(change));
    }

    /// Leaves nothing beside the file's name that belongs to the file that had the name before.
    async fn leave_file(&mut self) {
        let has_left = self
            .file
            .as_deref()
            .is_some_and(DatabaseFile::has_left_its_log);
        if let Some(connection) = self.connection.as_mut().filter(|_| has_left) {
            _ = timeout(READ_TIMEOUT, connection.empty_log()).await;
        }
    }

    fn mark_lost(&mut self) {
        self.connection = None;
        if !self.lost {
            self.lost = true;
            self.pending.push_back(FeedEvent::Lost);
        }
    }

    fn pause(&self) -> Duration {
        match &self.connection {
            Some(connection) if connection.is_caught_up() => self.poll_interval,
            Some(_) => Duration::ZERO, // there is more to read
            None => self.poll_interval.max(RECONNECT_DELAY),
        }
    }
}

#[async_trait]
impl Feed for SqliteFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            sleep_until(self.next_poll).await;
            if !matches!(timeout(READ_TIMEOUT, self.poll()).await, Ok(Ok(()))) {
                self.leave_file().await;
                self.mark_lost();
            }
            self.next_poll = Instant::now() + self.pause();
        }
    }
}

impl fmt::Debug for SqliteFeed {
    /// Omits the connection's options: a pragma may be the key of an encrypted file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteFeed")
            .field("file", &self.file)
            .field("poll_interval", &self.poll_interval)
            .field("position", &self.position.seq)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tower_api_key::{scope::Catalogue, store::Directory};

    use super::*;
    use crate::SqliteStore;

    async fn feed() -> (SqliteStore, SqliteFeed) {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        store.create_user("alice").await.unwrap();
        let feed = store.feed().await.unwrap();
        (store, feed)
    }

    fn row(seq: i64, at: i64) -> LogRow {
        LogRow {
            seq,
            change: Change::User("alice".into()),
            age_millis: 0,
            at,
        }
    }

    #[tokio::test]
    async fn a_feed_remembers_the_row_where_it_begins() {
        let (_store, feed) = feed().await;
        assert_eq!((feed.position.seq, feed.position.at.is_some()), (1, true));
    }

    #[tokio::test]
    async fn a_row_that_replaces_the_one_after_a_gap_is_noticed() {
        let (_store, mut feed) = feed().await;
        let schema = feed.position.schema;
        let everything = FeedEvent::Changed(Change::Everything);
        for (rows, told) in [
            (vec![], Some(&everything)),
            (vec![row(5, 1)], None),
            (vec![row(5, 1)], None),
            (vec![row(5, 2)], Some(&everything)),
        ] {
            let newest = 5;
            feed.apply(Batch {
                newest,
                rows,
                schema,
            });
            assert_eq!(feed.pending.pop_front().as_ref(), told);
            assert!(feed.pending.is_empty());
        }
    }

    #[tokio::test]
    async fn a_feed_waits_unless_there_is_more_to_read() {
        let (_store, feed) = feed().await;
        let mut feed = feed.with_poll_interval(Duration::from_millis(7));
        assert_eq!(feed.pause(), Duration::ZERO);
        feed.poll().await.unwrap();
        assert_eq!(feed.pause(), Duration::from_millis(7));
        feed.mark_lost();
        assert_eq!(feed.pause(), RECONNECT_DELAY);
    }

    #[tokio::test]
    async fn a_feed_that_has_read_everything_waits_for_its_interval() {
        let (store, feed) = feed().await;
        let mut feed = feed.with_poll_interval(Duration::from_secs(3600));
        store.create_user("bob").await.unwrap();
        feed.next().await;
        assert!(feed.next_poll > Instant::now() + Duration::from_secs(1800));
    }
}
