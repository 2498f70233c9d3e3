//! Following the change log of a file.
//!
//! `PRAGMA data_version` costs no read of the log: it moves when *another* connection has committed, which is why the
//! feed has one of its own that never writes. Numbers of committed rows have no gaps, so that the feed notices when the
//! log was pruned past it, emptied, or when the file went back to an older state.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    credential::Kind,
    metrics,
    store::{Change, Feed, FeedEvent, StoreError},
};

/// How often the file is asked.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long an answer may take before the feed counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the feed rests before it connects again.
const RETRY: Duration = Duration::from_millis(100);

/// How many changes are read at once.
const BATCH: usize = 1000;

/// The newest number, and what comes after `?1`, seen at one moment, with its age in milliseconds.
const LOG: &str = "
    SELECT n.newest, c.seq, c.subject, c.kind, c.id, CAST(unixepoch('subsec') * 1000 AS INTEGER) - c.at
    FROM (SELECT coalesce(max(seq), 0) AS newest FROM sqlite_sequence WHERE name = 'tower_api_key_changes') n
    LEFT JOIN tower_api_key_changes c ON c.seq > ?1
    ORDER BY c.seq LIMIT ?2";

/// The changes of a SQLite file, whoever made them. Made by [`SqliteStore::feed`](super::SqliteStore::feed).
///
/// The future of [`next`](Feed::next) may be dropped and made again. Tells [`Change::Everything`] when changes were removed
/// from the log before it read them; the log keeps the last 10 000. A file that is replaced by another one under its name
/// is not noticed: stop the service to restore a backup.
#[derive(Debug)]
pub struct SqliteFeed {
    options: SqliteConnectOptions,
    connection: Option<Followed>,
    interval: Duration,
    next_poll: Instant,
    seen: i64,
    lost: bool,
    told: VecDeque<FeedEvent>,
}

#[derive(Debug)]
struct Followed {
    db: SqliteConnection,
    /// What `data_version` was before the log was last read to its end.
    read_at: Option<i64>,
}

struct LogRow {
    newest: i64,
    /// `None` in the row that stands there when nothing is new.
    logged: Option<Logged>,
}

struct Logged {
    seq: i64,
    change: Change,
    /// `None` for what was logged before the log had dates.
    age_millis: Option<i64>,
}

impl SqliteFeed {
    pub(super) async fn start(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        // A locked file is an outage to tell, not to wait for; a file that is gone must not be made anew.
        let options = options.clone().busy_timeout(PATIENCE / 2).create_if_missing(false);
        let mut followed = Followed::connect(&options).await?;
        let rows = followed.read(i64::MAX).await?;
        let seen = rows.first().map_or(0, |row| row.newest);
        Ok(Self {
            options,
            connection: Some(followed),
            interval: INTERVAL,
            next_poll: Instant::now(),
            seen,
            lost: false,
            told: VecDeque::new(),
        })
    }

    /// Sets how often the file is asked, 10 ms by default.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Asks once, and reads what is new, at most a batch.
    ///
    /// Dropped half-way it has moved nothing: events and position change together, after the last wait.
    async fn poll(&mut self) -> Result<(), StoreError> {
        let followed = match &mut self.connection {
            Some(followed) => followed,
            none => none.insert(Followed::connect(&self.options).await?),
        };
        let version = followed.version().await?;
        if followed.read_at == Some(version) {
            return Ok(());
        }
        let rows = followed.read(self.seen).await?;
        followed.read_at = (rows.len() < BATCH).then_some(version);
        let caught_up = followed.read_at.is_some();
        rows.into_iter().for_each(|row| self.tell(row));
        if self.lost && caught_up {
            self.lost = false;
            self.told.push_back(FeedEvent::Restored);
        }
        Ok(())
    }

    fn tell(&mut self, LogRow { newest, logged }: LogRow) {
        let seq = logged.as_ref().map_or(newest, |logged| logged.seq);
        if logged.is_none() && seq == self.seen {
            return;
        }
        if logged.is_none() || seq != self.seen.wrapping_add(1) {
            self.told.push_back(FeedEvent::Changed(Change::Everything)); // something in between is gone
        }
        self.seen = seq;
        if let Some(Logged { change, age_millis, .. }) = logged {
            age_millis.into_iter().for_each(|age| metrics::lagged(age as f64 / 1000.0));
            self.told.push_back(FeedEvent::Changed(change));
        }
    }

    fn lose(&mut self) {
        self.connection = None;
        if !self.lost {
            self.lost = true;
            self.told.push_back(FeedEvent::Lost);
        }
    }

    fn pause(&self) -> Duration {
        match &self.connection {
            Some(Followed { read_at: Some(_), .. }) => self.interval,
            Some(_) => Duration::ZERO, // there is more to read
            None => self.interval.max(RETRY),
        }
    }
}

#[async_trait]
impl Feed for SqliteFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            sleep_until(self.next_poll).await;
            if !matches!(timeout(PATIENCE, self.poll()).await, Ok(Ok(()))) {
                self.lose();
            }
            self.next_poll = Instant::now() + self.pause();
        }
    }
}

impl Followed {
    async fn connect(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        let db = options.connect().await.map_err(StoreError::unavailable)?;
        Ok(Self { db, read_at: None })
    }

    async fn version(&mut self) -> Result<i64, StoreError> {
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.db).await.map_err(StoreError::unavailable)
    }

    async fn read(&mut self, after: i64) -> Result<Vec<LogRow>, StoreError> {
        let rows = sqlx::query(LOG).bind(after).bind(BATCH as i64).fetch_all(&mut self.db).await;
        rows.and_then(|rows| rows.iter().map(log_row).collect()).map_err(StoreError::unavailable)
    }
}

/// A word that is no UTF-8, which a person with `sqlite3` can write, counts as none: were it an error, the feed would stay
/// lost for as long as the log has that row.
fn log_row(row: &SqliteRow) -> Result<LogRow, sqlx::Error> {
    let word = |column| row.try_get::<Option<String>, _>(column).unwrap_or_default();
    let logged = match row.try_get(1)? {
        Some(seq) => Some(Logged { seq, change: change(word(2), word(3), word(4)), age_millis: row.try_get(5)? }),
        None => None,
    };
    Ok(LogRow { newest: row.try_get(0)?, logged })
}

/// A row that nobody of us wrote may mean anything.
fn change(subject: Option<String>, kind: Option<String>, id: Option<String>) -> Change {
    match (subject.as_deref(), kind.as_deref(), id) {
        (Some("credential"), Some("org_key"), Some(id)) => Change::Credential { kind: Kind::OrgKey, id: id.into() },
        (Some("credential"), Some("pat"), Some(id)) => Change::Credential { kind: Kind::PersonalToken, id: id.into() },
        (Some("user"), _, Some(id)) => Change::User(id.into()),
        (Some("organization"), _, Some(id)) => Change::Organization(id.into()),
        _ => Change::Everything,
    }
}
