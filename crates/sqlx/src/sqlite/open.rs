//! Opening a database: is the library new enough, is this our file, is its schema ours.

use std::{
    borrow::Cow,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::{
    check,
    file::{self, DatabaseFile, FileError},
    writer,
};
use tower_api_key::store::backend::BoxError;

/// The oldest SQLite that a store works with: older ones can corrupt a file in write-ahead mode
/// when two connections checkpoint and write at the same moment (SQLite's documentation of the
/// write-ahead log, "The WAL-reset bug").
pub const MIN_SQLITE_VERSION: (u32, u32, u32) = (3, 51, 3);

/// How long SQLite waits for another connection's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

fn migrations(ignore_missing: bool) -> Migrator {
    Migrator {
        // The default table is the service's own, when it shares the file.
        table_name: Cow::Borrowed("tower_api_key_migrations"),
        ignore_missing,
        ..sqlx::migrate!("migrations/sqlite")
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The SQLite that the program is linked with is too old.
    #[error("SQLite {0} is too old: the store needs 3.51.3 or newer")]
    SqliteTooOld(Box<str>),
    /// No such directory, a directory instead of a file, no permission, or no connection.
    #[error("the database cannot be opened")]
    CannotOpen(#[source] BoxError),
    /// There is no such file, or no store in it, and none was to be created.
    #[error("there is no store at {0:?}: is its volume mounted?")]
    Missing(PathBuf),
    /// A database in memory, or a temporary one, which each connection of a pool would have for
    /// itself: [`SqliteStore::in_memory`](super::SqliteStore::in_memory) makes a store in memory.
    #[error(
        "a pool over a database in memory loses it with its connections: use SqliteStore::in_memory"
    )]
    InMemory,
    /// The database does not do what the store relies on.
    #[error("the database cannot be relied on: {0}")]
    Unsound(Box<str>),
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

impl SetupError {
    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(5 | 6) => Self::Locked(error.into()), // SQLITE_BUSY, SQLITE_LOCKED
            Some(8) => Self::ReadOnly(error.into()),
            Some(11 | 26) => Self::NotADatabase(error.into()), // SQLITE_CORRUPT, SQLITE_NOTADB
            _ => Self::CannotOpen(error.into()),
        }
    }

    fn from_file(error: FileError) -> Self {
        match error {
            FileError::Linked(_) => Self::Unsound(error.to_string().into()),
            other => Self::CannotOpen(other.into()),
        }
    }

    fn from_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::Dirty(_) => Self::UnknownSchema(error.into()),
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

/// A database in memory that all connections of this process with these options share. SQLite's
/// `memdb`, and not its shared cache: locking there is that of a file, so that nothing behaves
/// otherwise than it does on disk.
pub(super) fn in_memory() -> SqliteConnectOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    options()
        .vfs("memdb")
        .filename(format!("/tower-api-key-{number}"))
        .create_if_missing(true)
}

/// A database that can be relied on.
pub(super) struct Opened {
    /// What was opened it with, and writes from now on.
    pub(super) options: SqliteConnectOptions,
    pub(super) connection: SqliteConnection,
    /// `None` in memory.
    pub(super) file: Option<DatabaseFile>,
}

/// Makes sure of everything that a store relies on, in a file that the pool's options name; creates
/// one if they say so.
pub(super) async fn prepare(pool: &SqlitePool, must_exist: bool) -> Result<Opened, SetupError> {
    let options = pool.connect_options();
    let name = plain_name(&options)?;
    let given = name
        .as_deref()
        .map(|path| find(path, !must_exist && creates(&options)))
        .transpose()?;
    let mut later = (*options).clone();
    if let Some(path) = &name {
        // Whoever changes the working directory changes nothing, and a file that is gone is not
        // made anew.
        later = later.filename(path).create_if_missing(false);
        pool.set_connect_options(later.clone());
    }
    // Not from the pool: its timeout would hide why a connection cannot be made.
    let options = writer::options(&later);
    let mut connection = options.connect().await.map_err(SetupError::from_sqlx)?;
    let resolved = resolved(&mut connection)
        .await?
        .ok_or(SetupError::InMemory)?;
    let given = given.map_or_else(|| DatabaseFile::new(PathBuf::from(&resolved)), Ok);
    let given = given.map_err(|error| SetupError::CannotOpen(error.into()))?;
    given.verify().map_err(SetupError::from_file)?;
    if must_exist && !has_schema(&mut connection).await? {
        return Err(SetupError::Missing(resolved.into()));
    }
    establish(&mut connection).await?;
    check::at_opening(&mut connection, true).await?;
    let file = given
        .with_files_beside(&resolved)
        .map_err(|error| SetupError::CannotOpen(error.into()))?;
    file.verify().map_err(SetupError::from_file)?;
    Ok(Opened {
        options,
        connection,
        file: Some(file),
    })
}

/// The same for a database in memory that nobody else has.
pub(super) async fn prepare_in_memory(pool: &SqlitePool) -> Result<Opened, SetupError> {
    let options = writer::options(&pool.connect_options());
    let mut connection = options.connect().await.map_err(SetupError::from_sqlx)?;
    establish(&mut connection).await?;
    check::at_opening(&mut connection, false).await?;
    Ok(Opened {
        options,
        connection,
        file: None,
    })
}

impl Opened {
    /// A pool may set its connections up after they were made, which its options do not tell.
    pub(super) async fn refuse_what_is_refused_by(
        &mut self,
        db: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if sqlx::query_scalar::<_, bool>("PRAGMA query_only")
            .fetch_one(db)
            .await?
        {
            self.options = self.options.clone().pragma("query_only", "ON");
            sqlx::query("PRAGMA query_only = ON")
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}

async fn establish(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    check_version(connection).await?;
    use_write_ahead_log(connection).await?;
    migrate(connection).await
}

/// The path of the file, unless SQLite reads the name as something else.
fn plain_name(options: &SqliteConnectOptions) -> Result<Option<PathBuf>, SetupError> {
    let name = options.get_filename();
    let text = name.to_string_lossy();
    if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
        return Ok(None);
    }
    std::path::absolute(name)
        .map(Some)
        .map_err(|error| SetupError::CannotOpen(error.into()))
}

/// Whether a connection creates the file. The driver tells it only as a part of a URL.
fn creates(options: &SqliteConnectOptions) -> bool {
    let url = options.clone().filename("x").to_url_lossy();
    url.query_pairs()
        .any(|(key, value)| key == "mode" && value == "rwc")
}

fn find(path: &Path, create: bool) -> Result<DatabaseFile, SetupError> {
    if create {
        file::create(path).map_err(|error| SetupError::CannotOpen(error.into()))?;
    }
    let file = DatabaseFile::new(path.to_owned()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => SetupError::Missing(path.to_owned()),
        _ => SetupError::CannotOpen(error.into()),
    })?;
    file.verify().map_err(SetupError::from_file)?; // a log beside another name is not even touched
    Ok(file)
}

/// Where SQLite has found the file; `None` for a database in memory and for a temporary one.
async fn resolved(connection: &mut SqliteConnection) -> Result<Option<String>, SetupError> {
    let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let file: Option<String> = sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlx)?;
    Ok(file.filter(|file| !file.is_empty()))
}

async fn has_schema(connection: &mut SqliteConnection) -> Result<bool, SetupError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tower_api_key_migrations')";
    sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlx)
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlx)?;
    if parsed(&version).is_some_and(|version| version >= MIN_SQLITE_VERSION) {
        Ok(())
    } else {
        Err(SetupError::SqliteTooOld(version.into()))
    }
}

fn parsed(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// A property of the file, so not set on every connection. A database in memory keeps its own mode.
///
/// When several change the mode of a fresh file at once, SQLite refuses all but one at once and
/// does not let them wait.
async fn use_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let give_up = Instant::now() + BUSY;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
        {
            Ok(_) => return Ok(()),
            Err(error)
                if matches!(primary_code(&error), Some(5 | 6)) && Instant::now() < give_up =>
            {
                sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(SetupError::from_sqlx(error)),
        }
    }
}

/// All pending migrations in one transaction that holds the write lock from its beginning: of
/// several processes that open a fresh file at once, one migrates and the others then find it done.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(SetupError::from_sqlx)?;
    let ignore_missing = works_with_later(&mut transaction).await?;
    let run = migrations(ignore_missing)
        .run_direct(None, &mut *transaction, false)
        .await;
    run.map_err(SetupError::from_migration)?;
    // With nothing to migrate, a read-only file would pass so far.
    let probe = sqlx::query("DELETE FROM tower_api_key_migrations WHERE FALSE")
        .execute(&mut *transaction)
        .await;
    probe.map_err(SetupError::from_sqlx)?;
    transaction.commit().await.map_err(SetupError::from_sqlx)
}

const COMPATIBILITY: &str = "
    SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tower_api_key_compatibility')";

/// Later migrations each of which says that programs of this version can work with it.
const INCOMPATIBLE: &str = "
    SELECT EXISTS (
        SELECT 1 FROM tower_api_key_migrations m
            LEFT JOIN tower_api_key_compatibility c ON c.migration = m.version
        WHERE m.version > ?1 AND (c.oldest IS NULL OR c.oldest > ?1)
    )";

/// Whether the schema was made by a later version that this one can work with nevertheless.
async fn works_with_later(connection: &mut SqliteConnection) -> Result<bool, SetupError> {
    let known: bool = sqlx::query_scalar(COMPATIBILITY)
        .fetch_one(&mut *connection)
        .await
        .map_err(SetupError::from_sqlx)?;
    if !known {
        return Ok(false);
    }
    let newest = migrations(false)
        .iter()
        .map(|migration| migration.version)
        .max();
    let incompatible = sqlx::query_scalar(INCOMPATIBLE)
        .bind(newest)
        .fetch_one(connection)
        .await;
    incompatible
        .map(|incompatible: bool| !incompatible)
        .map_err(SetupError::from_sqlx)
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
            assert_eq!(
                parsed(version).is_some_and(|v| v >= MIN_SQLITE_VERSION),
                good,
                "{version}"
            );
        }
    }
}
