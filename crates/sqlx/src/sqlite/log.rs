//! The connection of a feed, and the statements that read the change log.

use sqlx::{
    ConnectOptions, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{check, file};
use crate::shared;
use tower_api_key::store::{Change, StoreError};

/// How many changes one statement reads.
const BATCH: usize = 1000;

/// The newest number, and the rows from number `?1` on, read at one moment: row `?1` itself, if it
/// is still there, and the rows after it. The sixth column is the age of the row in milliseconds,
/// as far as an integer can say: SQLite subtracts in floating point what is beyond.
const LOG: &str = "
    SELECT n.newest, c.seq, c.subject, c.kind, c.id,
        CAST(CAST(unixepoch('subsec') * 1000 AS INTEGER) - c.at AS INTEGER), c.at
    FROM (
        SELECT coalesce(max(seq), 0) AS newest FROM sqlite_sequence
        WHERE name = 'tower_api_key_changes'
    ) n
    LEFT JOIN tower_api_key_changes c ON c.seq >= ?1
    ORDER BY c.seq LIMIT ?2";

/// How far the log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the last row.
    pub(super) seq: i64,
    /// When that row was logged; `None` if that is not known.
    pub(super) at: Option<i64>,
    /// The `schema_version` at that time.
    pub(super) schema: i64,
}

/// A connection that only reads.
pub(super) struct Connection {
    db: SqliteConnection,
    /// The `data_version` before the log was last read to its end.
    read_version: Option<i64>,
    /// The `schema_version` under which the schema was found to write the log.
    checked_schema: Option<i64>,
}

/// What one reading of the log returned.
pub(super) struct Batch {
    /// The newest number that the log has given out.
    pub(super) newest: i64,
    /// The rows from the position on.
    pub(super) rows: Vec<LogRow>,
    pub(super) schema: i64,
}

/// A row of the change log.
pub(super) struct LogRow {
    pub(super) seq: i64,
    pub(super) change: Change,
    pub(super) age_millis: i64,
    pub(super) at: i64,
}

impl Connection {
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        Ok(Self {
            db: options.connect().await.map_err(StoreError::unavailable)?,
            read_version: None,
            checked_schema: None,
        })
    }

    /// Returns the end of the log.
    pub(super) async fn end(&mut self) -> Result<Position, StoreError> {
        let schema = self.schema().await?;
        let (newest, _) = self.read_from(i64::MAX).await?;
        let (_, rows) = self.read_from(newest).await?;
        let last = rows.first().filter(|row| row.seq == newest);
        Ok(Position {
            seq: newest,
            at: last.map(|row| row.at),
            schema,
        })
    }

    /// Reads what came after `position`; `None` if nothing was committed since the last reading.
    pub(super) async fn read(&mut self, position: Position) -> Result<Option<Batch>, StoreError> {
        let version = self.data_version().await?;
        if self.read_version == Some(version) {
            return Ok(None);
        }
        let schema = self.schema().await?;
        let (newest, rows) = self.read_from(position.seq).await?;
        self.read_version = (rows.len() < BATCH).then_some(version);
        Ok(Some(Batch {
            newest,
            rows,
            schema,
        }))
    }

    /// Whether the last reading reached the end of the log.
    pub(super) fn is_caught_up(&self) -> bool {
        self.read_version.is_some()
    }

    /// Moves the write-ahead log into the file that was opened. See [`file::empty_log`].
    pub(super) async fn empty_log(&mut self) {
        file::empty_log(&mut self.db).await;
    }

    async fn data_version(&mut self) -> Result<i64, StoreError> {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.db)
            .await
            .map_err(StoreError::unavailable)
    }

    /// Makes sure that the schema writes the log, and returns its version.
    async fn schema(&mut self) -> Result<i64, StoreError> {
        let version = sqlx::query_scalar("PRAGMA schema_version")
            .fetch_one(&mut self.db)
            .await
            .map_err(StoreError::unavailable)?;
        if self.checked_schema != Some(version) {
            let missing = check::missing_objects(&mut self.db)
                .await
                .map_err(StoreError::unavailable)?;
            if !missing.is_empty() {
                return Err(StoreError::unavailable(SchemaIncomplete(
                    missing.join(", "),
                )));
            }
            self.checked_schema = Some(version);
        }
        Ok(version)
    }

    async fn read_from(&mut self, seq: i64) -> Result<(i64, Vec<LogRow>), StoreError> {
        let rows = sqlx::query(LOG)
            .bind(seq)
            .bind(BATCH as i64)
            .fetch_all(&mut self.db)
            .await
            .map_err(StoreError::unavailable)?;
        read_rows(&rows).map_err(StoreError::unavailable)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the schema lacks {0}: create them as the migrations do")]
struct SchemaIncomplete(String);

fn read_rows(rows: &[SqliteRow]) -> Result<(i64, Vec<LogRow>), sqlx::Error> {
    let newest = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    let rows = rows.iter().map(log_row).filter_map(Result::transpose);
    Ok((newest, rows.collect::<Result<_, _>>()?))
}

/// Returns `None` for the row that stands there when the log has none from the position on.
///
/// Text that is not UTF-8, which a person with `sqlite3` can write, is treated as missing: if it
/// were an error, the feed would stay lost for as long as the log has that row.
fn log_row(row: &SqliteRow) -> Result<Option<LogRow>, sqlx::Error> {
    let text = |column| row.try_get::<Option<String>, _>(column).unwrap_or_default();
    let Some(seq) = row.try_get(1)? else {
        return Ok(None);
    };
    Ok(Some(LogRow {
        seq,
        change: shared::change(text(2).as_deref(), text(3).as_deref(), text(4)),
        age_millis: row.try_get(5)?,
        at: row.try_get(6)?,
    }))
}
