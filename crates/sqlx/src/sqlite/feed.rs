//! Following the change log of a file.
//!
//! `PRAGMA data_version` costs no read of the log: it moves when *another* connection has
//! committed, which is why the feed has one of its own that never writes. Numbers of committed rows
//! have no gaps, so that the feed notices when the log was pruned past it or emptied. It also
//! compares the last row that it read, since a file that went back to an older state may have come
//! to the same number by other changes. Whoever changes the schema may have switched triggers off
//! for a while, so after that everything may have changed.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    check,
    file::{self, DatabaseFile},
    writer,
};
use tower_api_key::{
    credential::Kind,
    store::{Change, Feed, FeedEvent, StoreError, backend},
};

/// How often the file is asked.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long an answer may take before the feed counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the feed rests before it connects again.
const RETRY: Duration = Duration::from_millis(100);

/// How many changes are read at once.
const BATCH: usize = 1000;

/// The newest number, and what comes after `?1`, seen at one moment, with its age in milliseconds;
/// and before that the row `?1` itself, if it is there.
const LOG: &str = "
    SELECT n.newest, c.seq, c.subject, c.kind, c.id, CAST(unixepoch('subsec') * 1000 AS INTEGER) - c.at, c.at
    FROM (SELECT coalesce(max(seq), 0) AS newest FROM sqlite_sequence WHERE name = 'tower_api_key_changes') n
    LEFT JOIN tower_api_key_changes c ON c.seq >= ?1
    ORDER BY c.seq LIMIT ?2";

/// The changes of a SQLite file, whoever made them. Made by
/// [`SqliteStore::feed`](super::SqliteStore::feed).
///
/// The future of [`next`](Feed::next) may be dropped and made again. Tells [`Change::Everything`]
/// when changes were removed from the log before it read them; the log keeps the last 10 000. Also
/// when the schema was changed, or the file put back to an earlier state by SQLite's own means
/// (`.restore` of `sqlite3`). A file that is replaced by another one under its name is
/// [`FeedEvent::Lost`]: restart the service then.
pub struct SqliteFeed {
    options: SqliteConnectOptions,
    file: Option<Arc<DatabaseFile>>,
    connection: Option<Followed>,
    interval: Duration,
    next_poll: Instant,
    seen: Seen,
    lost: bool,
    told: VecDeque<FeedEvent>,
}

/// Up to where the log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    seq: i64,
    /// When that row was logged; `None` when that is not known.
    at: Option<i64>,
    /// What `schema_version` was.
    schema: i64,
}

struct Followed {
    db: SqliteConnection,
    /// What `data_version` was before the log was last read to its end.
    read_at: Option<i64>,
    /// The `schema_version` that was found to write the log.
    checked: Option<i64>,
}

struct LogRow {
    newest: i64,
    /// `None` in the row that stands there when the log has none from the position on.
    logged: Option<Logged>,
}

struct Logged {
    seq: i64,
    change: Change,
    age_millis: i64,
    at: i64,
}

impl SqliteFeed {
    pub(super) async fn start(
        options: &SqliteConnectOptions,
        file: Option<Arc<DatabaseFile>>,
    ) -> Result<Self, StoreError> {
        // A locked file is an outage to tell, not to wait for; a file that is gone must not be made
        // anew.
        let options = writer::options(options)
            .busy_timeout(PATIENCE / 2)
            .create_if_missing(false);
        let mut feed = Self {
            options,
            file,
            connection: None,
            interval: INTERVAL,
            next_poll: Instant::now(),
            seen: Seen::default(),
            lost: false,
            told: VecDeque::new(),
        };
        let followed = feed.connect().await?;
        let schema = followed.schema().await?;
        let newest = followed
            .read(i64::MAX)
            .await?
            .first()
            .map_or(0, |row| row.newest);
        let last = followed
            .read(newest)
            .await?
            .into_iter()
            .next()
            .and_then(|row| row.logged);
        // What came in between is told.
        feed.seen = Seen {
            seq: newest,
            at: last.filter(|row| row.seq == newest).map(|row| row.at),
            schema,
        };
        Ok(feed)
    }

    /// Sets how often the file is asked, 10 ms by default.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Connects if there is no connection; never to another file than the store has.
    async fn connect(&mut self) -> Result<&mut Followed, StoreError> {
        if self.connection.is_none() {
            self.verify_files()?;
            let followed = Followed::connect(&self.options).await?;
            self.connection = Some(followed);
        }
        self.verify_files()?;
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::unavailable(sqlx::Error::PoolClosed))
    }

    fn verify_files(&self) -> Result<(), StoreError> {
        Ok(self.file.as_deref().map_or(Ok(()), DatabaseFile::verify)?)
    }

    /// Asks once, and reads what is new, at most a batch.
    ///
    /// Dropped half-way it has moved nothing: events and position change together, after the last
    /// wait.
    async fn poll(&mut self) -> Result<(), StoreError> {
        let seen = self.seen;
        let followed = self.connect().await?;
        let version = followed.version().await?;
        if followed.read_at == Some(version) {
            return Ok(());
        }
        let schema = followed.schema().await?;
        let rows = followed.read(seen.seq).await?;
        followed.read_at = (rows.len() < BATCH).then_some(version);
        let caught_up = followed.read_at.is_some();
        self.tell_all(rows, schema);
        if self.lost && caught_up {
            self.lost = false;
            self.told.push_back(FeedEvent::Restored);
        }
        Ok(())
    }

    fn tell_all(&mut self, rows: Vec<LogRow>, schema: i64) {
        let newest = rows.first().map_or(0, |row| row.newest);
        let logged = rows.into_iter().filter_map(|row| row.logged);
        let (known, new): (Vec<_>, Vec<_>) = logged.partition(|row| row.seq == self.seen.seq);
        let at = known.first().map(|row| row.at);
        let other = at.zip(self.seen.at).is_some_and(|(now, then)| now != then);
        let jumped = new.is_empty() && newest != self.seen.seq;
        if other || jumped || schema != self.seen.schema {
            self.told.push_back(FeedEvent::Changed(Change::Everything));
        }
        self.seen = Seen {
            at: at.or(self.seen.at),
            schema,
            ..self.seen
        };
        if jumped {
            self.seen = Seen {
                seq: newest,
                at: None,
                ..self.seen
            };
        }
        new.into_iter().for_each(|row| self.tell(row));
    }

    fn tell(
        &mut self,
        Logged {
            seq,
            change,
            age_millis,
            at,
        }: Logged,
    ) {
        if seq != self.seen.seq.wrapping_add(1) {
            self.told.push_back(FeedEvent::Changed(Change::Everything)); // something in between is gone
        }
        self.seen = Seen {
            seq,
            at: Some(at),
            ..self.seen
        };
        backend::observe_revocation_lag(Duration::from_millis(age_millis.try_into().unwrap_or(0)));
        self.told.push_back(FeedEvent::Changed(change));
    }

    /// Leaves nothing beside the name that belongs to the file that had it.
    async fn leave_file(&mut self) {
        let has_left = self
            .file
            .as_deref()
            .is_some_and(DatabaseFile::has_left_its_log);
        if let Some(followed) = self.connection.as_mut().filter(|_| has_left) {
            _ = timeout(PATIENCE, file::empty_log(&mut followed.db)).await;
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
            Some(Followed {
                read_at: Some(_), ..
            }) => self.interval,
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
                self.leave_file().await;
                self.lose();
            }
            self.next_poll = Instant::now() + self.pause();
        }
    }
}

impl fmt::Debug for SqliteFeed {
    /// Without the options of the connection: a pragma may be the key of an encrypted file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            interval,
            seen,
            lost,
            ..
        } = self;
        let mut debug = f.debug_struct("SqliteFeed");
        debug
            .field("file", file)
            .field("interval", interval)
            .field("seen", &seen.seq)
            .field("lost", lost);
        debug.finish_non_exhaustive()
    }
}

impl Followed {
    async fn connect(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        let db = options.connect().await.map_err(StoreError::unavailable)?;
        Ok(Self {
            db,
            read_at: None,
            checked: None,
        })
    }

    async fn version(&mut self) -> Result<i64, StoreError> {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.db)
            .await
            .map_err(StoreError::unavailable)
    }

    /// Makes sure that the schema writes the log, and returns its version.
    async fn schema(&mut self) -> Result<i64, StoreError> {
        let version = sqlx::query_scalar("PRAGMA schema_version")
            .fetch_one(&mut self.db)
            .await;
        let version = version.map_err(StoreError::unavailable)?;
        if self.checked != Some(version) {
            let missing = check::missing_objects(&mut self.db)
                .await
                .map_err(StoreError::unavailable)?;
            if !missing.is_empty() {
                return Err(StoreError::unavailable(SchemaIncomplete(
                    missing.join(", "),
                )));
            }
            self.checked = Some(version);
        }
        Ok(version)
    }

    async fn read(&mut self, after: i64) -> Result<Vec<LogRow>, StoreError> {
        let rows = sqlx::query(LOG)
            .bind(after)
            .bind(BATCH as i64)
            .fetch_all(&mut self.db)
            .await;
        rows.and_then(|rows| rows.iter().map(log_row).collect())
            .map_err(StoreError::unavailable)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("missing in the schema: {0}")]
struct SchemaIncomplete(String);

/// A word that is no UTF-8, which a person with `sqlite3` can write, counts as none: were it an
/// error, the feed would stay lost for as long as the log has that row.
fn log_row(row: &SqliteRow) -> Result<LogRow, sqlx::Error> {
    let word = |column| row.try_get::<Option<String>, _>(column).unwrap_or_default();
    let logged = match row.try_get(1)? {
        Some(seq) => Some(Logged {
            seq,
            change: change(word(2), word(3), word(4)),
            age_millis: row.try_get(5)?,
            at: row.try_get(6)?,
        }),
        None => None,
    };
    Ok(LogRow {
        newest: row.try_get(0)?,
        logged,
    })
}

/// A row that nobody of us wrote may mean anything.
fn change(subject: Option<String>, kind: Option<String>, id: Option<String>) -> Change {
    match (subject.as_deref(), kind.as_deref(), id) {
        (Some("credential"), Some("org_key"), Some(id)) => Change::Credential {
            kind: Kind::OrgKey,
            id: id.into(),
        },
        (Some("credential"), Some("pat"), Some(id)) => Change::Credential {
            kind: Kind::PersonalToken,
            id: id.into(),
        },
        (Some("user"), _, Some(id)) => Change::User(id.into()),
        (Some("organization"), _, Some(id)) => Change::Organization(id.into()),
        _ => Change::Everything,
    }
}
