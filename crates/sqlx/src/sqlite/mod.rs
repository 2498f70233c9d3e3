//! Credentials in a SQLite file: the durable embedded default.
//!
//! Every lookup is one query (`row`). Changes are transactions on a connection of their own
//! (`writer`), which take SQLite's write lock before they read (`directory`, `managed`). The schema
//! writes its own change log, which `feed` follows. `open` verifies the library, the file and the
//! schema, `check` what can go wrong with them later; `file` knows whether the file is still the one
//! that was opened.
//!
//! Anyone who can write the file can revoke a credential, with any program that has SQLite 3.37 or
//! newer. Prefer one with [3.51.3](MIN_SQLITE_VERSION) or newer while the service runs: older
//! versions can corrupt a file in write-ahead mode. The next lookup sees the change, and the change
//! log contains it:
//!
//! ```sql
//! UPDATE tower_api_key_credentials SET status = 'deleted' WHERE kind = 'org_key' AND id = '…';
//! ```
//!
//! # Schema
//!
//! ```sql
#![doc = include_str!("../../migrations/sqlite/0001_initial.sql")]
//! ```

mod check;
mod directory;
mod error;
mod feed;
mod file;
mod log;
mod managed;
mod migrate;
mod open;
mod row;
mod writer;

use std::{
    fmt,
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{IntoPool, SetupError};
use file::DatabaseFile;
use open::Opened;
use tower_api_key::store::{Credential, CredentialStore, Lookup, Record, StoreError};
use tower_api_key::{
    scope::Catalogue,
    secret::{Pepper, Peppers},
};
use writer::Writer;

pub use feed::SqliteFeed;
pub use migrate::migration_sql;
pub use open::MIN_SQLITE_VERSION;

/// How long a lookup waits for a connection of the pool. Half of the layer's default deadline, so that the operator
/// reads "the pool is exhausted" and not "timed out".
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a list waits for those before it.
const MANAGEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections of the pool that [`SqliteStore::open`] makes. SQLite reads in parallel and writes one at a time.
const CONNECTIONS: u32 = 8;

/// A store in a SQLite file. A clone shares its connections.
///
/// Several processes may use one file, such as a server and a tool: a change of one shows in the next lookup of the
/// other. An acknowledged change is on the disk (`synchronous = FULL`, write-ahead log) as far as SQLite promises that for
/// the file system; network file systems are not for SQLite.
///
/// A file that is replaced, renamed or deleted while it is open is an outage, and so is one whose `-wal` or `-shm` is, and one
/// that more than one name (hard link) leads to, which is not opened either. How to restore a backup, and what else to know
/// in operation, is in [the guide](tower_api_key::guide::stores#sqlite-in-operation).
///
/// An id that contains NUL is refused with [`WriteError::Store`](super::WriteError::Store).
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
/// let store = SqliteStore::in_memory(Catalogue::anyreach()).await?; // or: open("credentials.db", …)
/// store.create_organization("org_1", None).await?;
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let key = Record::org_key(&minted.id, minted.digest, "org_1").with_role("admin", store.catalogue())?;
/// store.insert(key).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    catalogue: Catalogue,
    peppers: Option<Peppers>,
    /// What finds a token: with as many candidates for its digest as there are peppers and one.
    token_query: Arc<str>,
    writer: Arc<Writer>,
    /// `None` in memory.
    file: Option<Arc<DatabaseFile>>,
    /// How many connections of the pool management may use at once.
    management: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it; creates or updates the schema.
    ///
    /// A file that is created can be read and written by the user of the process alone (mode 0600), and so can the files that
    /// SQLite keeps beside it; the mode of a file that is there already is left as it is. Where a missing file is a
    /// mistake, such as on a volume that may not be mounted, use [`open_existing`](Self::open_existing).
    ///
    /// # Errors
    /// [`SetupError`], which tells a wrong path from a locked, a read-only or a foreign file and from a newer schema.
    pub async fn open(path: impl AsRef<Path>, catalogue: Catalogue) -> Result<Self, SetupError> {
        Self::open_file(path.as_ref(), catalogue, false).await
    }

    /// Opens the file at `path`, which a store has been made in before; updates the schema. Creates nothing.
    ///
    /// # Errors
    /// [`SetupError::Missing`] when there is no file, or no store in it; otherwise as [`open`](Self::open).
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

    /// Makes a store in memory, with a database of its own that is gone with the last clone.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn in_memory(catalogue: Catalogue) -> Result<Self, SetupError> {
        let pool = pool(open::in_memory());
        let opened = open::prepare_in_memory(&pool).await;
        let opened = opened.map_err(|error| error.in_database("memory"))?;
        Ok(Self::with_parts(pool, opened, catalogue))
    }

    /// Makes a store over the service's own pool; creates or updates the schema, whose names all begin with
    /// `tower_api_key_`.
    ///
    /// Lookups and lists use the pool; a lookup waits 500 ms for a connection, whatever the pool says. Changes use a connection of
    /// their own, made with the pool's options, on which `synchronous` is `FULL` and `foreign_keys` is on. Where the pool's are
    /// `query_only`, so is that one.
    ///
    /// If the options say so (as [`options`](Self::options) do) and there is no file yet, it is created as
    /// [`open`](Self::open) does; a pool that has connected before this has created it in its own way. From then on the pool
    /// creates no file any more.
    ///
    /// # Errors
    /// [`SetupError`]; [`SetupError::InMemory`] for a pool over a database in memory, or a temporary one.
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

    /// Returns the options that [`open`](Self::open) connects with: create if missing, busy timeout 5 s, foreign keys,
    /// `synchronous = FULL`. The write-ahead log is a property of the file and is set when a store is made.
    #[must_use]
    pub fn options(path: impl AsRef<Path>) -> SqliteConnectOptions {
        open::options().filename(path).create_if_missing(true)
    }

    fn with_parts(pool: SqlitePool, opened: Opened, catalogue: Catalogue) -> Self {
        let writer = Arc::new(Writer::new(opened.options, opened.connection));
        let file = opened.file.map(Arc::new);
        let management = Arc::new(Semaphore::new(
            (pool.options().get_max_connections() as usize / 2).max(1),
        ));
        let token_query = row::token_query(1).into();
        Self {
            pool,
            catalogue,
            peppers: None,
            token_query,
            writer,
            file,
            management,
        }
    }

    /// Keeps the digests of new credentials under a pepper, and verifies those under others. Every store over the same file
    /// has to be given the same.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        let candidates = peppers.all().count() + usize::from(peppers.accepts_plain());
        Self {
            peppers: Some(peppers),
            token_query: row::token_query(candidates).into(),
            ..self
        }
    }

    /// Starts to follow the change log, on a connection of its own, which asks every 10 ms. Every change that is made after
    /// this has returned is told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the log cannot be read, or the schema no longer writes it.
    pub async fn feed(&self) -> Result<SqliteFeed, StoreError> {
        SqliteFeed::start(&self.pool.connect_options(), self.file.clone()).await
    }

    /// Closes all connections but those of feeds, after what runs on them.
    pub async fn close(&self) {
        _ = self.verify_files().await; // what belongs to another file by now is put in order
        self.pool.close().await;
        _ = self.writer.close().await; // it is dropped if not
    }

    /// Takes a connection of the pool, which may have to open one.
    async fn acquire(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        if self.pool.num_idle() == 0 {
            self.verify_files().await?;
        }
        let connection = timeout(ACQUIRE_TIMEOUT, self.pool.acquire())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut));
        connection.map_err(StoreError::unavailable)
    }

    /// Answers from the files that were opened, as long as they are those under their names: an answer of others is none.
    ///
    /// The names are looked up while SQLite works, after the question was asked, so that it costs no time.
    async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.acquire().await?;
        let mut answer = pin!(work(&mut connection));
        let early = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        self.verify_files().await?;
        match early {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        }
    }

    /// The same for lists and the like, of which no more run at once than leave connections for lookups.
    async fn read_for_management<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let permit = timeout(MANAGEMENT_TIMEOUT, self.management.acquire()).await;
        let _permit = permit.map_err(|_| StoreError::unavailable(sqlx::Error::PoolTimedOut))?;
        self.read(work).await
    }
}

impl fmt::Debug for SqliteStore {
    /// Without the options of connections: a pragma may be the key of an encrypted file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pool,
            catalogue,
            peppers,
            file,
            ..
        } = self;
        let mut debug = f.debug_struct("SqliteStore");
        debug
            .field("catalogue", catalogue)
            .field("peppers", peppers)
            .field("file", file);
        debug
            .field("connections", &pool.size())
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
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false) // no network between: a lookup is spared a round trip to its connection's thread
        .connect_lazy_with(options)
}

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let find = async |db: &mut SqliteConnection| match lookup.credential() {
            Credential::OrgKey { id } => self.key(db, id).await,
            Credential::PersonalToken { digest } => {
                self.token(db, digest, lookup.organization()).await
            }
        };
        Ok(self.read(find).await?.map(Arc::new))
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }
}
