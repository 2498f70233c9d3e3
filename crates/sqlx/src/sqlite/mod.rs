//! Credentials in a SQLite file, for one machine.
//!
//! Start with [`SqliteStore`]; the rest of this page is for operators and administrators. How to
//! restore a backup, and what else to know in operation, is in
//! [the guide](tower_api_key::guide::sqlite).
//!
//! # Revoking by hand
//!
//! Every program that can write the file can revoke a credential, if it has SQLite 3.37 or newer.
//! Prefer one with [3.51.3](MIN_SQLITE_VERSION) or newer while the service runs: older versions can
//! corrupt a file in write-ahead mode. The next lookup sees the change, and the change log contains
//! it:
//!
//! ```sql
//! UPDATE tower_api_key_credentials SET status = 'deleted' WHERE kind = 'org_key' AND id = '…';
//! ```
//!
//! # Schema
//!
//! [`SqliteStore::open`] creates it, or [`migration_sql`] returns it as a script to run by hand:
//!
//! ```sql
#![doc = include_str!("../../migrations/sqlite/0001_initial.sql")]
//! ```

// A lookup is one statement (`row`) over the pool (`reader`). A change is one transaction on a
// connection of its own (`writer`), which takes SQLite's write lock before it reads (`directory`,
// `managed`). The schema writes its own change log, which `feed` follows over the connection in
// `log`. `open` verifies the library, the file and the schema; `check` finds what can go wrong with
// them later; `file` knows whether the file is still the one that was opened.
mod check;
mod directory;
mod error;
mod feed;
mod file;
mod log;
mod managed;
mod migrate;
mod open;
mod reader;
mod row;
mod writer;

use std::{fmt, path::Path, sync::Arc};

use sqlx::{
    Sqlite, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::Semaphore;

use crate::{IntoPool, SetupError};
use file::DatabaseFile;
use open::Opened;
use reader::ACQUIRE_TIMEOUT;
use tower_api_key::{
    scope::Catalogue,
    secret::{Peppers, SaltedDigests},
    store::StoreError,
};
use writer::Writer;

pub use feed::SqliteFeed;
pub use migrate::migration_sql;
pub use open::MIN_SQLITE_VERSION;

/// Connections of the pool that [`SqliteStore::open`] creates. SQLite reads in parallel and writes
/// one transaction at a time.
const MAX_CONNECTIONS: u32 = 8;

/// A store in a SQLite file.
///
/// Use it if all processes that share the credentials run on one machine. A clone shares the
/// connections. Several processes may use one file, such as a server and a command-line tool: each
/// sees the other's changes in its next lookup.
///
/// An acknowledged change is on the disk (`synchronous = FULL`, write-ahead log), as far as SQLite
/// promises that for the file system; do not put the file on a network file system.
///
/// The store fails while its file, or the `-wal` or `-shm` beside it, is replaced, renamed or
/// deleted, and if more than one name (hard link) leads to the file. See
/// [the guide](tower_api_key::guide::sqlite).
///
/// An id that contains NUL is refused with
/// [`WriteError::Store`](tower_api_key::store::WriteError::Store).
///
/// # Example
///
/// ```
/// use tower_api_key::{
///     credential::{Kind, TokenFormat},
///     scope::Catalogue,
///     store::{Directory, ManageStore, Record},
/// };
/// use tower_api_key_sqlx::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::in_memory(Catalogue::anyreach()).await?; // or: open("keys.db", …)
/// store.create_organization("org_1", None).await?;
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let key = Record::org_key(&minted.id, minted.digest, "org_1")
///     .with_role("admin", store.catalogue())?;
/// store.insert(key).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    catalogue: Catalogue,
    peppers: Option<Peppers>,
    salted: Option<SaltedDigests>,
    /// The statement that finds a token, with as many candidates for its digest as peppers demand.
    token_query: Arc<str>,
    writer: Arc<Writer>,
    /// `None` in memory.
    file: Option<Arc<DatabaseFile>>,
    /// Permits for the connections of the pool that management may use at once.
    management: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it, and creates or updates the schema.
    ///
    /// A new file can be read and written only by the user of the process (mode 0600), and so can
    /// the files that SQLite keeps beside it; an existing file keeps its mode. If a missing file is
    /// a mistake, such as on a volume that may not be mounted, call
    /// [`open_existing`](Self::open_existing).
    ///
    /// Nothing of sqlx is in the signature, so this works whatever version of sqlx your service
    /// uses.
    ///
    /// # Errors
    /// [`SetupError`], which tells a wrong path, a locked, a read-only and a foreign file, and a
    /// newer schema apart.
    pub async fn open(path: impl AsRef<Path>, catalogue: Catalogue) -> Result<Self, SetupError> {
        Self::open_file(path.as_ref(), catalogue, false).await
    }

    /// Opens the file at `path`, in which a store was created before, and updates the schema. It
    /// creates nothing.
    ///
    /// # Errors
    /// [`SetupError::Missing`] if there is no file, or no store in it; otherwise as
    /// [`open`](Self::open).
    pub async fn open_existing(
        path: impl AsRef<Path>,
        catalogue: Catalogue,
    ) -> Result<Self, SetupError> {
        Self::open_file(path.as_ref(), catalogue, true).await
    }

    async fn open_file(
        path: &Path,
        catalogue: Catalogue,
        must_exist: bool,
    ) -> Result<Self, SetupError> {
        let name = path.to_string_lossy();
        // SQLite takes `:memory:`, an empty name and `file:…` for something else than a file name.
        let path = std::path::absolute(path)
            .map_err(|error| SetupError::cannot_connect(error).in_database(&name))?;
        let pool = pool(Self::options(path));
        let opened = open::prepare(&pool, must_exist).await;
        let opened = opened.map_err(|error| error.in_database(&name))?;
        Ok(Self::with_parts(pool, opened, catalogue))
    }

    /// Creates a store in memory. Its database belongs to it alone, and is gone with the last
    /// clone.
    ///
    /// # Errors
    /// [`SetupError::SqliteTooOld`], or another [`SetupError`] if SQLite fails.
    pub async fn in_memory(catalogue: Catalogue) -> Result<Self, SetupError> {
        let pool = pool(open::in_memory());
        let opened = open::prepare_in_memory(&pool).await;
        let opened = opened.map_err(|error| error.in_database("memory"))?;
        Ok(Self::with_parts(pool, opened, catalogue))
    }

    /// Creates a store over the service's own pool, and creates or updates the schema, whose names
    /// all begin with `tower_api_key_`.
    ///
    /// Use it to keep credentials in the service's own file. The pool is one of **sqlx 0.9**, which
    /// this crate re-exports as [`tower_api_key_sqlx::sqlx`](crate::sqlx). A pool of another
    /// version of sqlx is another type, and does not compile; call [`open`](Self::open) with the
    /// path then.
    ///
    /// Lookups and lists use the pool; a lookup waits 500 ms for a connection, whatever the pool
    /// allows. Changes use a connection of their own with the pool's options, except that
    /// `synchronous` is `FULL` and `foreign_keys` is on. If the pool's connections are
    /// `query_only`, so is that one.
    ///
    /// If the options allow it (as [`options`](Self::options) do) and there is no file yet, it is
    /// created as by [`open`](Self::open), unless the pool has already connected and created it.
    /// Afterwards the pool creates no file any more.
    ///
    /// # Errors
    /// [`SetupError`]; [`SetupError::InMemory`] for a pool over a database in memory, or a
    /// temporary one.
    pub async fn from_pool(
        pool: impl IntoPool<Sqlite>,
        catalogue: Catalogue,
    ) -> Result<Self, SetupError> {
        let pool = pool.into_pool();
        let name = pool.connect_options().get_filename().to_path_buf();
        let opened = open_pool(&pool).await;
        let opened = opened.map_err(|error| error.in_database(&name.to_string_lossy()))?;
        Ok(Self::with_parts(pool, opened, catalogue))
    }

    /// Returns the options that [`open`](Self::open) connects with: create if missing, a busy
    /// timeout of 5 s, foreign keys, `synchronous = FULL`. The write-ahead log is a property of the
    /// file and is enabled when a store is opened.
    #[must_use]
    pub fn options(path: impl AsRef<Path>) -> SqliteConnectOptions {
        open::options().filename(path).create_if_missing(true)
    }

    fn with_parts(pool: SqlitePool, opened: Opened, catalogue: Catalogue) -> Self {
        let connections = pool.options().get_max_connections() as usize;
        Self {
            pool,
            catalogue,
            peppers: None,
            salted: None,
            token_query: row::token_query(1).into(),
            writer: Arc::new(Writer::new(opened.options, opened.connection)),
            file: opened.file.map(Arc::new),
            management: Arc::new(Semaphore::new((connections / 2).max(1))),
        }
    }

    /// Stores the digests of new credentials under the current pepper, and verifies the others
    /// under theirs. Give every store over the same file the same peppers.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        let candidates = peppers.all().count() + usize::from(peppers.accepts_plain());
        Self {
            peppers: Some(peppers),
            token_query: row::token_query(candidates).into(),
            ..self
        }
    }

    /// Accepts keys with these salted digests, which another system issued: import them with
    /// [`Import::with_salt`](tower_api_key::manage::Import::with_salt). Give every store over the same file the
    /// same ones: without them it answers 503 for such keys.
    ///
    /// Peppers are not applied to them, and a store whose peppers
    /// [exclude plain digests](Peppers::without_plain_digests) refuses them.
    #[must_use]
    pub fn with_salted_digests(self, salted: SaltedDigests) -> Self {
        Self {
            salted: Some(salted),
            ..self
        }
    }

    /// Starts to follow the change log, on a connection of its own that polls the file every 10 ms.
    /// The feed yields every change that is made after this has returned, whoever makes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the log cannot be read, or the schema no longer writes it.
    pub async fn feed(&self) -> Result<SqliteFeed, StoreError> {
        SqliteFeed::start(&self.pool.connect_options(), self.file.clone()).await
    }

    /// Closes all connections except those of feeds, after the calls that use them.
    pub async fn close(&self) {
        _ = self.verify_files().await; // leaves no log beside a file that it does not belong to
        self.pool.close().await;
        _ = self.writer.close().await; // if that fails, the connection is dropped
    }
}

impl fmt::Debug for SqliteStore {
    /// Omits the options of the connections: a pragma may be the key of an encrypted file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("catalogue", &self.catalogue)
            .field("peppers", &self.peppers)
            .field("file", &self.file)
            .field("connections", &self.pool.size())
            .finish_non_exhaustive()
    }
}

async fn open_pool(pool: &SqlitePool) -> Result<Opened, SetupError> {
    let mut opened = open::prepare(pool, false).await?;
    let adopted = opened.adopt_query_only(pool).await;
    adopted.map_err(SetupError::from_sqlite)?;
    Ok(opened)
}

fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // There is no network in between: a lookup is spared a round trip to its connection's
        // thread.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}
