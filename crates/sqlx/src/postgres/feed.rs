//! Following the change log: a notification means that *something* changed, and the log has *what*.
//!
//! A position in the log is a snapshot, not a number. Numbers are assigned before the commit, so a
//! later one can commit first, and a reader that remembers the highest number skips the other. The
//! known remedies have a price: waiting until every older transaction has ended lets one long
//! report of any role delay every revocation, and a lock that serializes writers lets one long
//! import do so. So the reader asks for exactly the rows whose transaction its last snapshot did
//! not see: each row is yielded once, as soon as it is visible, and no writer waits.

use std::{collections::VecDeque, error::Error, fmt, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    PostgresStore,
    log::{Batch, Connection, Position},
};
use tower_api_key::store::{Change, Feed, FeedEvent, StoreError, StoreFault, backend};

/// How often the log is read without a notification.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How long an answer may take before the connection counts as lost.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The delays between attempts to reconnect: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Follows the change log of a database, whichever client changes it.
///
/// [`PostgresStore::feed`] creates one. You normally pass it to
/// [`Cached`](tower_api_key::store::Cached), which forgets what has changed; read it yourself to
/// act on changes in another way.
///
/// The future of [`next`](Feed::next) is safe to drop: no event is lost.
///
/// **Connection.** The feed listens on a connection of its own, outside of the service's pool, so
/// an exhausted pool does not affect it; the pool's `after_connect` does not run there. It yields
/// [`FeedEvent::Lost`] as soon as the connection breaks. A connection that has fallen silent (a
/// stopped server, a dead link, a machine that was suspended) is noticed by reading the log every 2
/// s and waiting 2 s for the answer, so within 4 s while the machine runs. Then the feed
/// reconnects, listens again *before* it reads, and yields [`Change::Everything`], the changes that
/// it has missed, and [`FeedEvent::Restored`] after the last of them. It cannot trust its old
/// position: after a crash or a restore, transactions can have numbers that others had before.
/// Whenever it connects, it opens a second connection for a moment, and stays lost if a pooler
/// shares server connections.
///
/// **Everything.** It also yields [`Change::Everything`] if rows that it had not read were removed
/// from the log or altered, if more than 10 000 are new at once, and if the log's tables or
/// triggers were created again or altered, as the restore of a dump does.
///
/// **Verification.** Every 2 s it verifies that the log's triggers work and that no row is hidden
/// from it. While they do not, it is [lost](FeedEvent::Lost); [`fault`](Self::fault) returns the
/// reason, and so does an event of the feature `tracing`.
///
/// **Limits.** Every role that may connect to the database can notify its listeners. A notification
/// without a change costs one reading of the log, and the next reading waits for 20 ms, so there
/// are at most 50 of these per second.
///
/// # Example
///
/// ```no_run
/// use tower_api_key::store::{Change, Feed, FeedEvent};
/// use tower_api_key_sqlx::PostgresStore;
///
/// # async fn follow(store: PostgresStore) -> Result<(), Box<dyn std::error::Error>> {
/// let mut feed = store.feed().await?;
/// while let Some(event) = feed.next().await {
///     match event {
///         FeedEvent::Changed(Change::User(id)) => println!("{} changed", id.as_str()),
///         FeedEvent::Lost => eprintln!("cannot see changes: {:?}", feed.fault()),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct PostgresFeed {
    store: PostgresStore,
    connection: Option<Connection>,
    position: Position,
    keep_alive: Duration,
    read_timeout: Duration,
    fault: Option<StoreError>,
    retry: (Instant, Duration),
    pending: VecDeque<FeedEvent>,
}

impl PostgresFeed {
    pub(super) async fn start(store: PostgresStore) -> Result<Self, StoreError> {
        let first = Connection::begin(&store);
        let (connection, position) = timeout(READ_TIMEOUT, first)
            .await
            .map_err(|_| StoreFault::timed_out(READ_TIMEOUT))??;
        Ok(Self {
            store,
            connection: Some(connection),
            position,
            keep_alive: KEEP_ALIVE,
            read_timeout: READ_TIMEOUT,
            fault: None,
            retry: (Instant::now(), RETRY.0),
            pending: VecDeque::new(),
        })
    }

    /// Sets how often the log is read without a notification, and how long an answer may take; 2 s
    /// each by default. A dead connection is noticed after the sum of both.
    #[must_use]
    pub fn with_keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.keep_alive, self.read_timeout) = (interval, timeout);
        self
    }

    /// Returns why the feed is lost; `None` while it is not. The [source](Error::source) of
    /// [`StoreError::Unavailable`] is the driver's error, a [`StoreFault`] for an answer that took
    /// too long, or a [`BrokenAssumption`](crate::BrokenAssumption).
    #[must_use]
    pub fn fault(&self) -> Option<&StoreError> {
        self.fault.as_ref()
    }

    /// Waits until the log must be read, and reads it. If this is dropped half-way, the next call
    /// reads again.
    async fn follow(&mut self) -> Result<(), StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        connection.wait(self.keep_alive).await?;
        let reading = connection.read(&self.store, &self.position, self.keep_alive);
        let batch = timeout(self.read_timeout, reading)
            .await
            .map_err(|_| StoreFault::timed_out(self.read_timeout))??;
        connection.mark_read(&batch);
        let was_altered = batch
            .fingerprint
            .as_ref()
            .is_some_and(|found| *found != self.position.fingerprint);
        self.apply(batch, was_altered);
        Ok(())
    }

    /// Reconnects. It listens first and reads then: later changes notify, and earlier ones are in
    /// the log.
    async fn reconnect(&mut self) -> Result<(), StoreError> {
        let mut connection = Connection::open(&self.store, false).await?;
        let batch = connection
            .read(&self.store, &self.position, Duration::ZERO)
            .await?;
        connection.mark_read(&batch);
        self.connection = Some(connection);
        self.apply(batch, true);
        self.fault = None;
        self.pending.push_back(FeedEvent::Restored);
        Ok(())
    }

    fn apply(&mut self, batch: Batch, everything: bool) {
        batch
            .rows
            .iter()
            .filter_map(|row| row.lag)
            // Negative if the server's clock was stepped back.
            .map(|lag| Duration::try_from_secs_f64(lag).unwrap_or_default())
            .for_each(backend::observe_revocation_lag);
        if everything || batch.missed || batch.is_cut() {
            self.pending
                .push_back(FeedEvent::Changed(Change::Everything));
        }
        if !batch.is_cut() {
            self.pending.extend(
                batch
                    .rows
                    .into_iter()
                    .map(|row| FeedEvent::Changed(row.change)),
            );
        }
        self.position.snapshot = batch.snapshot;
        self.position.prunes = batch.prunes;
        if let Some(fingerprint) = batch.fingerprint {
            self.position.fingerprint = fingerprint;
        }
    }

    fn mark_lost(&mut self, fault: StoreError) {
        backend::report_feed_lost(&fault);
        self.connection = None;
        self.fault = Some(fault);
        self.retry = (Instant::now(), RETRY.0);
        self.pending.push_back(FeedEvent::Lost);
    }

    fn back_off(&mut self, fault: StoreError) {
        if self
            .fault
            .as_ref()
            .is_none_or(|last| text(last) != text(&fault))
        {
            backend::report_feed_lost(&fault);
        }
        self.fault = Some(fault);
        let pause = self.retry.1;
        self.retry = (Instant::now() + pause, (pause * 2).min(RETRY.1));
    }
}

#[async_trait]
impl Feed for PostgresFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.connection.is_some() {
                if let Err(fault) = self.follow().await {
                    self.mark_lost(fault);
                }
                continue;
            }
            sleep_until(self.retry.0).await;
            let read_timeout = self.read_timeout;
            let again = timeout(read_timeout, self.reconnect()).await;
            if let Err(fault) =
                again.unwrap_or_else(|_| Err(StoreFault::timed_out(read_timeout).into()))
            {
                self.back_off(fault);
            }
        }
    }
}

// A listener sends its goodbye in a task that it spawns when it is dropped, which needs a runtime.
impl Drop for PostgresFeed {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

/// Returns the text of an error with its source.
fn text(error: &StoreError) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl fmt::Debug for PostgresFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = self.store.schema.channel();
        f.debug_struct("PostgresFeed")
            .field("channel", &channel)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgPoolOptions;
    use tower_api_key::scope::Catalogue;

    use super::*;

    /// A feed without a connection.
    fn lost() -> PostgresFeed {
        let pool = PgPoolOptions::new().connect_lazy("postgres://localhost/unused");
        PostgresFeed {
            store: PostgresStore::new(pool.unwrap(), Catalogue::anyreach()),
            connection: None,
            position: Position {
                snapshot: String::new(),
                prunes: 0,
                fingerprint: String::new(),
            },
            keep_alive: KEEP_ALIVE,
            read_timeout: READ_TIMEOUT,
            fault: None,
            retry: (Instant::now(), RETRY.0),
            pending: VecDeque::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_attempt_to_reconnect_waits_twice_as_long_up_to_a_second() {
        let mut feed = lost();
        for millis in [50, 100, 200, 400, 800, 1000, 1000] {
            feed.back_off(StoreError::unavailable("refused"));
            let pause = feed.retry.0.duration_since(Instant::now());
            assert_eq!(pause, Duration::from_millis(millis));
        }
        feed.mark_lost(StoreError::unavailable("lost again"));
        assert_eq!(feed.retry, (Instant::now(), RETRY.0));
    }

    #[tokio::test]
    async fn a_fault_is_shown_with_its_source() {
        let mut feed = lost();
        assert!(feed.fault().is_none());
        feed.back_off(StoreError::unavailable("refused"));
        let fault = feed.fault().unwrap();
        assert_eq!(text(fault), "the store failed: refused");
        assert_eq!(
            text(&StoreError::PlainDigest),
            StoreError::PlainDigest.to_string()
        );
        let shown = format!("{feed:?}");
        let start = format!(
            "PostgresFeed {{ channel: {:?}, fault: Some(",
            feed.store.schema.channel()
        );
        assert!(
            shown.starts_with(&start) && shown.contains("refused"),
            "{shown}"
        );
    }
}
