//! The connection over which a feed listens and reads the change log.

use std::time::Duration;

use sqlx::{
    Connection as _, Executor, PgConnection, PgPool, Row,
    postgres::{PgListener, PgPoolOptions, PgRow},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{PostgresStore, check::Report, migrate::newest, pooler};
use crate::{BrokenAssumption, shared};
use tower_api_key::store::{Change, StoreError};

/// The limit of one reading. After more changes than this, the follower starts again.
const BATCH: usize = 10_000;

/// How long the next notification waits after a reading that found nothing.
const QUIET: Duration = Duration::from_millis(20);

/// Has the effect of [`BEGIN`](super::pool::BEGIN) on names, for a connection that nothing else
/// uses.
const SET_SEARCH_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// A connection that listens.
pub(super) struct Connection {
    listener: PgListener,
    runtime: Handle,
    /// A notification came, or may have come, since the log was last read.
    needs_read: bool,
    /// When the assumptions were last verified; `None` before the first time.
    checked_at: Option<Instant>,
    quiet_until: Instant,
    /// The server's process at the first verification.
    backend: Option<i32>,
}

/// A position in the log.
pub(super) struct Position {
    /// What was read, as a snapshot of the database.
    pub(super) snapshot: String,
    /// How many prunes that snapshot saw.
    pub(super) prunes: i64,
    /// The tables and triggers that the log consists of.
    pub(super) fingerprint: String,
}

/// A row of the change log.
pub(super) struct LogRow {
    pub(super) change: Change,
    /// The seconds since the change; `None` if the row does not say when it was made.
    pub(super) lag: Option<f64>,
}

/// The result of one reading.
pub(super) struct Batch {
    pub(super) snapshot: String,
    pub(super) prunes: i64,
    /// Rows were removed that the follower may not have read.
    pub(super) missed: bool,
    pub(super) rows: Vec<LogRow>,
    /// The fingerprint of the log's tables and triggers, if they were verified.
    pub(super) fingerprint: Option<String>,
}

impl Batch {
    /// Whether there may be more rows.
    pub(super) fn is_cut(&self) -> bool {
        self.rows.len() >= BATCH
    }
}

impl Connection {
    /// Connects and finds the end of the log.
    pub(super) async fn begin(store: &PostgresStore) -> Result<(Self, Position), StoreError> {
        let mut connection = Self::open(store, true).await?;
        let fingerprint = connection.check(store).await?;
        connection.checked_at = Some(Instant::now());
        let end = store
            .statements
            .log_end
            .query()
            .fetch_one(&mut connection.listener)
            .await
            .map_err(unavailable)?;
        let snapshot = end.try_get(0).map_err(unavailable)?;
        let prunes = end.try_get(1).map_err(unavailable)?;
        Ok((
            connection,
            Position {
                snapshot,
                prunes,
                fingerprint,
            },
        ))
    }

    /// Connects and listens, but to no server connection that a pooler shares: its other clients
    /// would receive the notifications, which the driver does not expect there.
    ///
    /// `must_know` makes it an error if a second connection, which finding that out takes, cannot
    /// be opened: after an outage the service's pool may have taken the last one.
    pub(super) async fn open(store: &PostgresStore, must_know: bool) -> Result<Self, StoreError> {
        let channel = store.schema.channel();
        let listener = connect(&store.pool, &channel).await;
        let mut connection = Self {
            listener: listener.map_err(unavailable)?,
            runtime: Handle::current(),
            needs_read: true,
            checked_at: None,
            quiet_until: Instant::now(),
            backend: None,
        };
        connection.refuse_pooler(store, must_know).await?;
        let listening = connection.listener.listen(&channel).await;
        listening.map_err(unavailable)?;
        Ok(connection)
    }

    /// Waits for a notification, or until `keep_alive` after the last verification. Safe to drop.
    pub(super) async fn wait(&mut self, keep_alive: Duration) -> Result<(), StoreError> {
        if !self.needs_read {
            let until = self.checked_at.unwrap_or_else(Instant::now) + keep_alive;
            if let Ok(heard) = timeout_at(until, self.listener.try_recv()).await {
                heard
                    .and_then(|heard| heard.ok_or(sqlx::Error::PoolClosed))
                    .map_err(unavailable)?;
            }
            self.needs_read = true;
        }
        // Keeps receiving, so that nothing piles up at the server.
        while Instant::now() < self.quiet_until {
            if let Ok(heard) = timeout_at(self.quiet_until, self.listener.try_recv()).await {
                heard
                    .and_then(|heard| heard.ok_or(sqlx::Error::PoolClosed))
                    .map_err(unavailable)?;
            }
        }
        while self.listener.next_buffered().is_some() {}
        Ok(())
    }

    /// Reads what `from` has not seen. Verifies the assumptions first, if that was `keep_alive`
    /// ago.
    pub(super) async fn read(
        &mut self,
        store: &PostgresStore,
        from: &Position,
        keep_alive: Duration,
    ) -> Result<Batch, StoreError> {
        let is_due = self
            .checked_at
            .is_none_or(|checked| checked.elapsed() >= keep_alive);
        let fingerprint = if is_due {
            Some(self.check(store).await?)
        } else {
            None
        };
        let query = store
            .statements
            .log_since
            .query()
            .bind(from.snapshot.clone())
            .bind(from.prunes);
        let rows = query
            .bind(BATCH as i64)
            .fetch_all(&mut self.listener)
            .await
            .map_err(unavailable)?;
        batch(&rows, fingerprint).map_err(unavailable)
    }

    /// Records that the log was read.
    pub(super) fn mark_read(&mut self, batch: &Batch) {
        let now = Instant::now();
        self.needs_read = false;
        if batch.fingerprint.is_some() {
            self.checked_at = Some(now);
        }
        if batch.rows.is_empty() {
            self.quiet_until = now + QUIET;
        }
    }

    /// Closes the connection. A listener sends its goodbye in a task that it spawns when it is
    /// dropped, which needs a runtime.
    pub(super) fn close(self) {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        drop(self);
    }

    /// Returns the fingerprint of the log's tables and triggers, if they do what the feed relies
    /// on.
    async fn check(&mut self, store: &PostgresStore) -> Result<String, StoreError> {
        let report = store
            .report(&mut self.listener)
            .await
            .map_err(unavailable)?;
        let Report {
            fingerprint,
            backend,
            broken,
            ..
        } = report;
        if *self.backend.get_or_insert(backend) != backend {
            return Err(StoreError::unavailable(BrokenAssumption::TransactionPooler));
        }
        for broken in broken.into_iter().filter(BrokenAssumption::silences_feed) {
            let is_function = matches!(broken, BrokenAssumption::Function { .. });
            if !(is_function && self.is_newer(store).await?) {
                return Err(StoreError::unavailable(broken));
            }
        }
        Ok(fingerprint)
    }

    /// Whether the schema is newer than this version, and may have other functions.
    async fn is_newer(&mut self, store: &PostgresStore) -> Result<bool, StoreError> {
        let version = store
            .version_in(&mut self.listener)
            .await
            .map_err(StoreError::unavailable)?;
        Ok(version > Some(newest()))
    }

    async fn refuse_pooler(
        &mut self,
        store: &PostgresStore,
        must_know: bool,
    ) -> Result<(), StoreError> {
        let other = PgConnection::connect_with(&store.pool.connect_options()).await;
        let mut other = match other {
            Err(_) if !must_know => return Ok(()),
            other => other.map_err(unavailable)?,
        };
        let shared = pooler::is_shared(&mut self.listener, &mut other).await;
        other.close().await.map_err(unavailable)?;
        match shared.map_err(unavailable)? {
            true => Err(StoreError::unavailable(BrokenAssumption::TransactionPooler)),
            false => Ok(()),
        }
    }
}

/// Connects a listener, which does not listen yet. It needs a pool, so it gets one of its own with
/// a single connection, with the options that the service's pool has now.
async fn connect(pool: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let options = (*pool.connect_options()).clone().application_name(channel);
    let own = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false);
    let own = own.after_connect(|connection, _| {
        Box::pin(async move { connection.execute(SET_SEARCH_PATH).await.map(drop) })
    });
    let own = own.connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&own).await?;
    listener.eager_reconnect(false); // to notice is our work
    Ok(listener)
}

fn batch(rows: &[PgRow], fingerprint: Option<String>) -> Result<Batch, sqlx::Error> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?; // the horizon has one row, always
    Ok(Batch {
        snapshot: first.try_get(0)?,
        prunes: first.try_get(1)?,
        missed: first.try_get(2)?,
        rows: rows
            .iter()
            .map(log_row)
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
        fingerprint,
    })
}

/// Returns `None` for the row that stands there if nothing is new.
fn log_row(row: &PgRow) -> Result<Option<LogRow>, sqlx::Error> {
    match row.try_get::<Option<i64>, _>(3)? {
        Some(_) => Ok(Some(LogRow {
            change: shared::change(row.try_get(4)?, row.try_get(5)?, row.try_get(6)?),
            lag: row.try_get(7)?,
        })),
        None => Ok(None),
    }
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::unavailable(error)
}
