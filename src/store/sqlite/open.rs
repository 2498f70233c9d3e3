//! Opening: is the library new enough, is this our file, is its schema ours.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use crate::store::BoxError;

/// The oldest SQLite that a store works with: older ones can corrupt a file in write-ahead mode when two connections
/// check-point and write at the same moment (SQLite's documentation of the write-ahead log, "The WAL-reset bug").
pub const MINIMAL_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// How long SQLite waits for another connection's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = Migrator {
    // The default table is the service's own, when it shares the file.
    table_name: Cow::Borrowed("tower_api_key_migrations"),
    ..sqlx::migrate!("migrations/sqlite")
};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The SQLite that the program is linked with is too old.
    #[error("SQLite {0} is too old: the store needs 3.51.3 or newer")]
    SqliteTooOld(Box<str>),
    /// No such directory, a directory instead of a file, no permission, or no connection.
    #[error("the database cannot be opened")]
    CannotOpen(#[source] BoxError),
    /// The file is something else than a SQLite database, or is damaged.
    #[error("the file is not a SQLite database, or is damaged")]
    NotADatabase(#[source] BoxError),
    /// The file may be read but not written.
    #[error("the database is read-only")]
    ReadOnly(#[source] BoxError),
    /// Another connection did not give its lock back in time.
    #[error("the database is locked by another connection")]
    Locked(#[source] BoxError),
    /// The schema was made by another version of the crate than this one can read.
    #[error("the schema of the database is not one that this version knows")]
    UnknownSchema(#[source] BoxError),
    /// The schema could not be created or updated.
    #[error("the schema could not be created or updated")]
    Migration(#[source] BoxError),
}

impl OpenError {
    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(5 | 6) => Self::Locked(error.into()), // SQLITE_BUSY, SQLITE_LOCKED
            Some(8) => Self::ReadOnly(error.into()),
            Some(11 | 26) => Self::NotADatabase(error.into()), // SQLITE_CORRUPT, SQLITE_NOTADB
            _ => Self::CannotOpen(error.into()),
        }
    }

    fn from_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => {
                Self::UnknownSchema(error.into())
            }
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)
                if matches!(primary_code(&source), Some(5 | 6 | 8 | 11 | 26)) =>
            {
                Self::from_sqlx(source)
            }
            other => Self::Migration(other.into()),
        }
    }
}

/// SQLite's result code without the extension in its upper bytes.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<u32>().ok()? & 0xff)
}

/// The settings of every connection of ours.
pub(super) fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "ON") // macOS: its plain fsync leaves the data in the drive's cache
        .disable_statement_logging()
}

/// A database in memory that all connections of this process with these options share. SQLite's `memdb`, and not its
/// shared cache: locking there is that of a file, so that nothing behaves otherwise than it does on disk.
pub(super) fn in_memory() -> SqliteConnectOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    options().vfs("memdb").filename(format!("/tower-api-key-{number}")).create_if_missing(true)
}

/// Makes sure of everything that a store relies on.
pub(super) async fn prepare(pool: &SqlitePool) -> Result<(), OpenError> {
    // Not from the pool: its time-out would hide why a connection cannot be made.
    let mut connection = pool.connect_options().connect().await.map_err(OpenError::from_sqlx)?;
    check_version(&mut connection).await?;
    use_write_ahead_log(&mut connection).await?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(OpenError::from_sqlx)
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await.map_err(OpenError::from_sqlx)?;
    if parsed(&version).is_some_and(|version| version >= MINIMAL_SQLITE) {
        Ok(())
    } else {
        Err(OpenError::SqliteTooOld(version.into()))
    }
}

fn parsed(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// A property of the file, so not set on every connection. A database in memory keeps its own mode.
///
/// When several change the mode of a fresh file at once, SQLite refuses all but one at once and does not let them wait.
async fn use_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let give_up = Instant::now() + BUSY;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(primary_code(&error), Some(5 | 6)) && Instant::now() < give_up => {
                sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(OpenError::from_sqlx(error)),
        }
    }
}

/// All pending migrations in one transaction that holds the write lock from its beginning: of several processes that
/// open a fresh file at once, one migrates and the others then find it done.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(OpenError::from_sqlx)?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(OpenError::from_migration)?;
    // With nothing to migrate, a read-only file would pass so far.
    let probe = sqlx::query("DELETE FROM tower_api_key_migrations WHERE FALSE").execute(&mut *transaction).await;
    probe.map_err(OpenError::from_sqlx)?;
    transaction.commit().await.map_err(OpenError::from_sqlx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, good) in [
            ("3.51.3", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.9.9", false),
            ("3.51", false),
            ("", false),
            ("x.y.z", false),
        ] {
            assert_eq!(parsed(version).is_some_and(|v| v >= MINIMAL_SQLITE), good, "{version}");
        }
    }
}
