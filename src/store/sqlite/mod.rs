//! Credentials in a SQLite file: the durable embedded default.
//!
//! Every look-up is one query. Changes are transactions that take SQLite's write lock before they read (`admin`). The
//! schema writes its own change log, which `feed` follows. Rows become records in `row`; `open` makes sure of the
//! library, the file and the schema.
//!
//! Whoever can write the file can revoke, with any program; the next look-up sees it, and the change log tells it:
//!
//! ```sql
//! UPDATE tower_api_key_credentials SET standing = 'deleted' WHERE kind = 'org_key' AND id = '…';
//! ```
//!
//! # Schema
//!
//! ```sql
#![doc = include_str!("../../../migrations/sqlite/0001_credentials.sql")]
#![doc = include_str!("../../../migrations/sqlite/0002_management.sql")]
//! ```

mod admin;
mod feed;
mod managed;
mod open;
mod row;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::{sync::Semaphore, time::timeout};

use super::{CredentialStore, Key, Lookup, OrgTree, Record, StoreError};
use crate::{
    principal::Catalogue,
    secret::{Pepper, Peppers},
};

pub use feed::SqliteFeed;
pub use open::{MINIMAL_SQLITE, OpenError};

/// How long a look-up waits for a connection of the pool. Half of the layer's default deadline, so that the operator
/// reads "the pool is exhausted" and not "timed out".
const PATIENCE: Duration = Duration::from_millis(500);

/// Connections of the pool that [`SqliteStore::open`] makes. SQLite reads in parallel and writes one at a time.
const CONNECTIONS: u32 = 8;

/// A store in a SQLite file. A clone shares its connections.
///
/// Several processes may use one file, such as a server and a tool: a change of one shows in the next look-up of the
/// other. An acknowledged change is on the disk (`synchronous = FULL`, write-ahead log) as far as SQLite promises that for
/// the file system; network file systems are not for SQLite.
///
/// An id that contains NUL is refused with [`WriteError::Store`](super::WriteError::Store).
///
/// ```
/// use tower_api_key::{
///     credential::{Kind, TokenFormat},
///     principal::Catalogue,
///     store::{Record, SqliteStore, StoreAdmin},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::in_memory(Catalogue::documented()).await?; // or: open("credentials.db", …)
/// store.create_organization("org_1", None).await?;
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let key = Record::org_key(&minted.id, minted.digest, "org_1").with_role("admin", store.catalogue())?;
/// store.insert(key).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    catalogue: Catalogue,
    peppers: Option<Peppers>,
    /// What finds a token: with as many candidates for its digest as there are peppers and one.
    find_token: Arc<str>,
    /// One writer at a time, in the order of their arrival: writers that queue inside of SQLite would each hold a
    /// connection that readers need.
    turn: Arc<Semaphore>,
    /// A database in memory lasts as long as a connection to it. Never locked: the mutex is there to make it `Sync`.
    _keeper: Option<Arc<std::sync::Mutex<SqliteConnection>>>,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it; creates or updates the schema.
    ///
    /// # Errors
    /// [`OpenError`], which tells a wrong path from a locked, a read-only or a foreign file and from a newer schema.
    pub async fn open(path: impl AsRef<Path>, catalogue: Catalogue) -> Result<Self, OpenError> {
        let path = path.as_ref();
        // SQLite reads `:memory:`, an empty name and `file:…` as something else than a file of that name.
        let path = std::path::absolute(path).map_err(|source| OpenError::CannotOpen(source.into()))?;
        Self::make(pool(Self::options(path)), catalogue, None).await
    }

    /// Makes a store in memory, with a database of its own that is gone with the last clone.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn in_memory(catalogue: Catalogue) -> Result<Self, OpenError> {
        let options = open::in_memory();
        let keeper = sqlx::ConnectOptions::connect(&options).await.map_err(OpenError::from_sqlx)?;
        Self::make(pool(options), catalogue, Some(Arc::new(keeper.into()))).await
    }

    /// Makes a store over the service's own pool; creates or updates the schema, whose names all begin with
    /// `tower_api_key_`.
    ///
    /// What the pool's connections are set to counts: begin with [`options`](Self::options), or at least set
    /// `synchronous` to `FULL` and leave `foreign_keys` on. A look-up waits 500 ms for a connection, whatever the pool says.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn from_pool(pool: SqlitePool, catalogue: Catalogue) -> Result<Self, OpenError> {
        Self::make(pool, catalogue, None).await
    }

    /// Returns the options that [`open`](Self::open) connects with: create if missing, busy time-out 5 s, foreign keys,
    /// `synchronous = FULL`. The write-ahead log is a property of the file and is set when a store is made.
    #[must_use]
    pub fn options(path: impl AsRef<Path>) -> SqliteConnectOptions {
        open::options().filename(path).create_if_missing(true)
    }

    async fn make(
        pool: SqlitePool,
        catalogue: Catalogue,
        keeper: Option<Arc<std::sync::Mutex<SqliteConnection>>>,
    ) -> Result<Self, OpenError> {
        open::prepare(&pool).await?;
        let turn = Arc::new(Semaphore::new(1));
        Ok(Self { pool, catalogue, peppers: None, find_token: row::find_token(1).into(), turn, _keeper: keeper })
    }

    /// Keeps the digests of new credentials under a pepper, and verifies those under others. Every store over the same file
    /// has to be given the same.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        let candidates = peppers.all().count() + usize::from(peppers.accepts_plain());
        Self { peppers: Some(peppers), find_token: row::find_token(candidates).into(), ..self }
    }

    /// Returns the roles.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Starts to follow the change log, on a connection of its own, which asks every 10 ms. Every change that is made after
    /// this has returned is told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the log cannot be read.
    pub async fn feed(&self) -> Result<SqliteFeed, StoreError> {
        SqliteFeed::start(&self.pool.connect_options()).await
    }

    /// Closes all connections, after what runs on them.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn acquire(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        let connection = timeout(PATIENCE, self.pool.acquire()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        connection.map_err(StoreError::unavailable)
    }
}

fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false) // no network between: a look-up is spared a round trip to its connection's thread
        .connect_lazy_with(options)
}

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let mut connection = self.acquire().await?;
        let found = match lookup.key() {
            Key::Id(id) => self.key(&mut connection, id).await,
            Key::Digest(digest) => self.token(&mut connection, digest, lookup.organization()).await,
        };
        Ok(found?.map(Arc::new))
    }

    fn decoy(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }
}

#[async_trait]
impl OrgTree for SqliteStore {
    async fn is_descendant_of(&self, organization: &str, ancestor: &str) -> Result<bool, StoreError> {
        let mut connection = self.acquire().await?;
        row::is_descendant_of(&mut connection, organization, ancestor).await
    }
}
