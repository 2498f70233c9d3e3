//! Opening a database: is the library new enough, is this the right file, is its schema known.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::{
    check,
    error::primary_code,
    file::{self, DatabaseFile},
    migrate::{has_schema, migrate},
    writer,
};
use crate::SetupError;

/// The oldest SQLite that a store works with.
///
/// Older ones can corrupt a file in write-ahead mode when two connections checkpoint and write at
/// the same moment (SQLite's documentation of the write-ahead log, "The WAL-reset bug").
pub const MIN_SQLITE_VERSION: (u32, u32, u32) = (3, 51, 3);

/// How long SQLite waits for another connection's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before trying again to switch the journal mode.
const JOURNAL_MODE_RETRY: Duration = Duration::from_millis(10);

/// Returns the settings of every connection that the store opens.
pub(super) fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "ON") // macOS: its plain fsync leaves the data in the drive's cache
        .disable_statement_logging()
}

/// Returns the options of a database in memory, which all connections of this process with these
/// options share.
///
/// It is SQLite's `memdb` and not its shared cache: it locks as a file does, so nothing behaves
/// differently from a database on disk.
pub(super) fn in_memory() -> SqliteConnectOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    options()
        .vfs("memdb")
        .filename(format!("/tower-api-key-{number}"))
        .create_if_missing(true)
}

/// A database that was verified.
pub(super) struct Opened {
    /// The options of `connection`, for every later connection that writes.
    pub(super) options: SqliteConnectOptions,
    pub(super) connection: SqliteConnection,
    /// `None` in memory.
    pub(super) file: Option<DatabaseFile>,
}

/// Verifies everything that a store relies on, in the file that the pool's options name. Creates
/// the file if they say so, unless it must exist.
pub(super) async fn prepare(pool: &SqlitePool, must_exist: bool) -> Result<Opened, SetupError> {
    let options = pool.connect_options();
    let name = file_name(&options)?;
    let given = name
        .as_deref()
        .map(|path| find(path, !must_exist && creates(&options)))
        .transpose()?;
    let mut later = (*options).clone();
    if let Some(path) = &name {
        // A later change of the working directory has no effect, and a file that is gone is not
        // created again.
        later = later.filename(path).create_if_missing(false);
        pool.set_connect_options(later.clone());
    }
    // Not from the pool: its timeout would hide why no connection can be made.
    let options = writer::options(&later);
    let connected = options.connect().await;
    let mut connection = connected.map_err(SetupError::from_sqlite)?;
    let resolved = resolved_path(&mut connection).await?;
    let resolved = resolved.ok_or_else(|| SetupError::InMemory {
        database: later.get_filename().to_string_lossy().into(),
    })?;
    let given = given.map_or_else(|| DatabaseFile::new(PathBuf::from(&resolved)), Ok);
    let given = given.map_err(SetupError::cannot_connect)?;
    given.verify().map_err(SetupError::from_file)?;
    if must_exist && !has_schema(&mut connection).await? {
        return Err(SetupError::Missing {
            database: resolved.into(),
        });
    }
    establish(&mut connection).await?;
    check::at_opening(&mut connection, true).await?;
    let file = given
        .with_files_beside(&resolved)
        .map_err(SetupError::cannot_connect)?;
    file.verify().map_err(SetupError::from_file)?;
    Ok(Opened {
        options,
        connection,
        file: Some(file),
    })
}

/// Does the same for a database in memory that is the store's alone.
pub(super) async fn prepare_in_memory(pool: &SqlitePool) -> Result<Opened, SetupError> {
    let options = writer::options(&pool.connect_options());
    let connected = options.connect().await;
    let mut connection = connected.map_err(SetupError::from_sqlite)?;
    establish(&mut connection).await?;
    check::at_opening(&mut connection, false).await?;
    Ok(Opened {
        options,
        connection,
        file: None,
    })
}

impl Opened {
    /// Makes the writing connection refuse changes if the pool's connections do. A pool may set
    /// them up after they are opened, which its options do not show.
    pub(super) async fn adopt_query_only(&mut self, pool: &SqlitePool) -> Result<(), sqlx::Error> {
        let mut pooled = pool.acquire().await?;
        let query_only: bool = sqlx::query_scalar("PRAGMA query_only")
            .fetch_one(&mut *pooled)
            .await?;
        if query_only {
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

/// Returns the path of the file, unless SQLite takes the name for something else.
fn file_name(options: &SqliteConnectOptions) -> Result<Option<PathBuf>, SetupError> {
    let name = options.get_filename();
    let text = name.to_string_lossy();
    if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
        return Ok(None);
    }
    std::path::absolute(name)
        .map(Some)
        .map_err(SetupError::cannot_connect)
}

/// Whether a connection creates the file, which the driver shows only in a URL.
fn creates(options: &SqliteConnectOptions) -> bool {
    let url = options.clone().filename("x").to_url_lossy();
    url.query_pairs()
        .any(|(key, value)| key == "mode" && value == "rwc")
}

fn find(path: &Path, create: bool) -> Result<DatabaseFile, SetupError> {
    if create {
        file::create(path).map_err(SetupError::cannot_connect)?;
    }
    let file = DatabaseFile::new(path.to_owned()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => SetupError::Missing {
            database: path.to_string_lossy().into(),
        },
        _ => SetupError::cannot_connect(error),
    })?;
    // Before SQLite opens it, so that a log beside another name is not touched.
    file.verify().map_err(SetupError::from_file)?;
    Ok(file)
}

/// Returns where SQLite has found the file; `None` for a database in memory or a temporary one.
async fn resolved_path(connection: &mut SqliteConnection) -> Result<Option<String>, SetupError> {
    let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let file: Option<String> = sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlite)?;
    Ok(file.filter(|file| !file.is_empty()))
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlite)?;
    if parse_version(&version).is_some_and(|version| version >= MIN_SQLITE_VERSION) {
        Ok(())
    } else {
        Err(SetupError::SqliteTooOld {
            found: version.into(),
        })
    }
}

fn parse_version(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Switches the file to write-ahead mode. That is a property of the file, so it is not set on every
/// connection. A database in memory keeps its own mode.
///
/// When several connections switch a new file at the same time, SQLite refuses all but one of them
/// immediately instead of letting them wait.
async fn use_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let switched = sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await;
        match switched {
            Ok(_) => return Ok(()),
            Err(error)
                if matches!(primary_code(&error), Some(5 | 6)) && Instant::now() < deadline =>
            {
                sleep(JOURNAL_MODE_RETRY).await;
            }
            Err(error) => return Err(SetupError::from_sqlite(error)),
        }
    }
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
                parse_version(version).is_some_and(|v| v >= MIN_SQLITE_VERSION),
                good,
                "{version}"
            );
        }
    }
}
