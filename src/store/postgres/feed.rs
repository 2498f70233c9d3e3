//! Following the change log: notifications say *that* something changed, the log says *what*.
//!
//! A position in the log is a snapshot, not a number. Numbers are given out before the commit, so that a later one can
//! commit first; a reader that remembers the highest number skips the other. The cures known for that have a price:
//! waiting until every older transaction has ended lets one long report of anybody hold back every revocation, and a lock
//! that appends take turns at lets one long import do so. So the reader asks for exactly the rows whose transaction its
//! last snapshot did not see: each is told once, as soon as it can be seen, and no writer waits.

use std::{collections::VecDeque, fmt, time::Duration};

use async_trait::async_trait;
use sqlx::{
    PgPool, Row,
    postgres::{PgListener, PgPoolOptions, PgRow},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{PostgresStore, sql::Statements};
use crate::{
    credential::Kind,
    metrics,
    store::{Change, Feed, FeedEvent, StoreError},
};

/// How often the log is read when nothing is heard.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How long an answer may take before the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pauses between attempts to connect again: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// More changes than this at once are told as [`Change::Everything`].
const BATCH: usize = 10_000;

/// The changes of a database, whoever makes them. Made by [`PostgresStore::feed`].
///
/// Listens on a connection of its own, outside of the service's pool, which an exhausted pool cannot take from it. A lost
/// connection is told at once. One that has fallen silent (a stopped server, a dead link) is noticed by reading the log:
/// every 2 s, with 2 s for the answer, so that at most 4 s pass. Then it connects again, listens again *first*, reads
/// what it missed, and says [`FeedEvent::Restored`] after the last of that.
///
/// Says [`Change::Everything`] when rows that it had not read were removed from the log, when more than 10 000 are new at
/// once, and when it finds itself on another timeline (a standby took over, a backup was restored).
///
/// The future of [`next`](Feed::next) may be dropped and made again.
pub struct PostgresFeed {
    store: PostgresStore,
    channel: String,
    tail: Option<Tail>,
    position: Position,
    keep_alive: Duration,
    patience: Duration,
    lost: bool,
    retry: (Instant, Duration),
    told: VecDeque<FeedEvent>,
}

/// A connection that listens.
struct Tail {
    listener: PgListener,
    runtime: Handle,
    /// Something was heard, or may have been, and the log was not read since.
    due: bool,
    read_at: Instant,
}

/// Where the reader is in the log, and in which history.
#[derive(Clone)]
struct Position {
    snapshot: String,
    horizon: String,
    timeline: Option<String>,
}

type LogRow = (Option<String>, Option<String>, Option<String>, Option<f64>);

/// What one reading found.
struct Found {
    snapshot: String,
    horizon: String,
    pruned: bool,
    rows: Vec<LogRow>,
}

impl PostgresFeed {
    pub(super) async fn start(store: PostgresStore) -> Result<Self, StoreError> {
        let channel = store.schema.channel();
        let first = async {
            let mut listener = listen(&store.pool, &channel).await?;
            let timeline = timeline(&mut listener).await?;
            let row = store.statements.log_end.query().fetch_one(&mut listener).await?;
            let position = Position { snapshot: row.try_get(0)?, horizon: row.try_get(1)?, timeline };
            Ok::<_, sqlx::Error>((Tail::new(listener), position))
        };
        let (tail, position) = timeout(PATIENCE, first)
            .await
            .map_err(|_| StoreError::TimedOut(PATIENCE))?
            .map_err(StoreError::unavailable)?;
        Ok(Self {
            store,
            channel,
            tail: Some(tail),
            position,
            keep_alive: KEEP_ALIVE,
            patience: PATIENCE,
            lost: false,
            retry: (Instant::now(), RETRY.0),
            told: VecDeque::new(),
        })
    }

    /// Sets how often the log is read when nothing is heard, and how long an answer may take: 2 s each by default. A dead
    /// connection is noticed after the sum of both.
    #[must_use]
    pub fn with_keep_alive(mut self, every: Duration, patience: Duration) -> Self {
        (self.keep_alive, self.patience) = (every, patience);
        self
    }

    /// Waits until the log is to be read, and reads it. Dropped half-way, it reads again the next time.
    async fn follow(&mut self) -> Result<(), sqlx::Error> {
        let Some(tail) = &mut self.tail else { return Ok(()) };
        if !tail.due {
            tail.hear(self.keep_alive).await?;
        }
        let reading = tail.read(&self.store.statements, &self.position);
        let found = timeout(self.patience, reading).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        tail.due = false;
        tail.read_at = Instant::now();
        self.tell(found);
        Ok(())
    }

    /// Connects again. To listen comes first: what is committed after that is heard, what was before is in the log.
    async fn reconnect(&mut self) -> Result<(), sqlx::Error> {
        let mut tail = Tail::new(listen(&self.store.pool, &self.channel).await?);
        let timeline = timeline(&mut tail.listener).await?;
        let found = tail.read(&self.store.statements, &self.position).await?;
        if timeline.is_none() || timeline != self.position.timeline {
            self.position.timeline = timeline;
            self.told.push_back(FeedEvent::Changed(Change::Everything));
        }
        tail.due = false;
        self.tail = Some(tail);
        self.tell(found);
        self.lost = false;
        self.told.push_back(FeedEvent::Restored);
        Ok(())
    }

    fn tell(&mut self, found: Found) {
        let too_many = found.rows.len() >= BATCH;
        found.rows.iter().filter_map(|(.., lag)| *lag).for_each(metrics::lagged);
        if found.pruned || too_many {
            self.told.push_back(FeedEvent::Changed(Change::Everything));
        }
        if !too_many {
            self.told.extend(found.rows.into_iter().map(|row| FeedEvent::Changed(change(row))));
        }
        (self.position.snapshot, self.position.horizon) = (found.snapshot, found.horizon);
    }

    fn lose(&mut self) {
        self.tail = None;
        if !self.lost {
            self.lost = true;
            self.retry = (Instant::now(), RETRY.0);
            self.told.push_back(FeedEvent::Lost);
        }
    }

    fn back_off(&mut self) {
        let pause = self.retry.1;
        self.retry = (Instant::now() + pause, (pause * 2).min(RETRY.1));
    }
}

#[async_trait]
impl Feed for PostgresFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            if self.tail.is_some() {
                if self.follow().await.is_err() {
                    self.lose();
                }
                continue;
            }
            sleep_until(self.retry.0).await;
            if !matches!(timeout(self.patience, self.reconnect()).await, Ok(Ok(()))) {
                self.back_off();
            }
        }
    }
}

impl Tail {
    fn new(listener: PgListener) -> Self {
        Self { listener, runtime: Handle::current(), due: true, read_at: Instant::now() }
    }

    /// Waits for a notification, or until the log was not read for `keep_alive`.
    async fn hear(&mut self, keep_alive: Duration) -> Result<(), sqlx::Error> {
        match timeout_at(self.read_at + keep_alive, self.listener.try_recv()).await {
            Ok(Ok(None)) => return Err(sqlx::Error::PoolClosed), // the connection is gone
            Ok(heard) => drop(heard?),
            Err(_) => {}
        }
        while self.listener.next_buffered().is_some() {}
        self.due = true;
        Ok(())
    }

    async fn read(&mut self, statements: &Statements, from: &Position) -> Result<Found, sqlx::Error> {
        let query = statements.log_since.query().bind(from.snapshot.clone()).bind(from.horizon.clone());
        let rows = query.bind(BATCH as i64).fetch_all(&mut self.listener).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?; // the horizon has one row, always
        Ok(Found {
            snapshot: first.try_get(0)?,
            horizon: first.try_get(1)?,
            pruned: first.try_get(2)?,
            rows: rows.iter().map(log_row).filter_map(Result::transpose).collect::<Result<_, _>>()?,
        })
    }
}

// A listener says farewell in a task that it spawns when it is dropped, which needs a runtime.
impl Drop for PostgresFeed {
    fn drop(&mut self) {
        if let Some(tail) = self.tail.take() {
            let runtime = tail.runtime.clone();
            let _entered = runtime.enter();
            drop(tail);
        }
    }
}

/// A pool of one, since a listener wants a pool: with the options that the service's pool has now.
async fn listen(pool: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let options = (*pool.connect_options()).clone().application_name(channel);
    let own = PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&own).await?;
    listener.eager_reconnect(false); // to notice is our work
    listener.listen(channel).await?;
    Ok(listener)
}

/// Which history the server writes: a cluster has a number, and each promotion or recovery begins another timeline, in which
/// numbers of transactions may come again. `None` where the server does not say.
async fn timeline(listener: &mut PgListener) -> Result<Option<String>, sqlx::Error> {
    let sql = "SELECT system_identifier::text || ':' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
        FROM pg_control_system()";
    match sqlx::query_scalar(sql).fetch_one(listener).await {
        Ok(name) => Ok(Some(name)),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None` for the row that stands there when nothing is new.
fn log_row(row: &PgRow) -> Result<Option<LogRow>, sqlx::Error> {
    match row.try_get::<Option<i64>, _>(3)? {
        Some(_) => Ok(Some((row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?))),
        None => Ok(None),
    }
}

/// A row that none of our triggers wrote may mean anything.
fn change((subject, kind, id, _): LogRow) -> Change {
    match (subject.as_deref(), kind.as_deref(), id) {
        (Some("credential"), Some("org_key"), Some(id)) => Change::Credential { kind: Kind::OrgKey, id: id.into() },
        (Some("credential"), Some("pat"), Some(id)) => Change::Credential { kind: Kind::PersonalToken, id: id.into() },
        (Some("user"), _, Some(id)) => Change::User(id.into()),
        (Some("organization"), _, Some(id)) => Change::Organization(id.into()),
        _ => Change::Everything,
    }
}

impl fmt::Debug for PostgresFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresFeed").field("channel", &self.channel).field("lost", &self.lost).finish_non_exhaustive()
    }
}
