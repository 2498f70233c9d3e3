//! The one connection that writes.
//!
//! It is not one of the pool's: changes that wait inside SQLite would each occupy a connection that
//! lookups need, and the settings of the pool's connections are the service's choice. It stays open
//! as long as the store, and so do the files beside the database.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::{SqliteStore, file, row::store_error};
use tower_api_key::store::{StoreError, WriteError};

/// How long a change waits for earlier changes of this process.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a change waits for other processes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("timed out after {QUEUE_TIMEOUT:?} waiting for the write lock")]
struct QueueTimeout;

/// Returns the options of a connection that the store opens itself, whatever the pool's are.
pub(super) fn options(pool: &SqliteConnectOptions) -> SqliteConnectOptions {
    let options = pool
        .clone()
        .busy_timeout(LOCK_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full);
    options
        .pragma("fullfsync", "ON")
        .disable_statement_logging()
}

pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// Held by the one ordinary change that waits for the connection or has it.
    ordinary: Mutex<()>,
    state: Mutex<State>,
}

/// What a change waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It takes a right away. It waits for the change that is being made, at most one ordinary one,
    /// and others of its kind, however many ordinary ones are waiting.
    Prompt,
    /// Everything else.
    Ordinary,
}

struct State {
    connection: Option<SqliteConnection>,
    /// The last change failed or was dropped. After some errors SQLite ends the transaction by
    /// itself, which the driver does not notice.
    suspect: bool,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self {
            options,
            ordinary: Mutex::new(()),
            state: Mutex::new(State {
                connection: Some(connection),
                suspect: false,
            }),
        }
    }

    /// Waits for the changes before this one.
    async fn turn(&self, purpose: Purpose) -> (Option<MutexGuard<'_, ()>>, MutexGuard<'_, State>) {
        let ordinary = match purpose {
            Purpose::Prompt => None,
            Purpose::Ordinary => Some(self.ordinary.lock().await),
        };
        (ordinary, self.state.lock().await)
    }

    pub(super) async fn close(&self) -> Result<(), sqlx::Error> {
        match self.state.lock().await.connection.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }
}

/// An error of a change: either the store refused it, or the database failed.
pub(super) trait Refusal {
    fn is_refusal(&self) -> bool;
}

impl Refusal for WriteError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store(_))
    }
}

impl Refusal for StoreError {
    fn is_refusal(&self) -> bool {
        false
    }
}

impl SqliteStore {
    /// Runs `work` as one transaction; an error rolls it back.
    pub(super) async fn write<T, E: From<StoreError> + Refusal>(
        &self,
        purpose: Purpose,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let turn = timeout(QUEUE_TIMEOUT, self.writer.turn(purpose)).await;
        let (_ordinary, mut state) = turn.map_err(|_| StoreError::unavailable(QueueTimeout))?;
        self.verify_files_of(&mut state).await?;
        let connection = self.write_connection(&mut state).await?;
        let outcome = transact(connection, work).await;
        state.suspect = outcome.as_ref().is_err_and(|error| !error.is_refusal());
        // A change in a file that no program will open again does not count as made.
        self.verify_files_of(&mut state).await?;
        outcome
    }

    /// Returns the connection. It counts as suspect until its change has succeeded.
    async fn write_connection<'s>(
        &self,
        state: &'s mut State,
    ) -> Result<&'s mut SqliteConnection, StoreError> {
        if self.pool.is_closed() {
            return Err(StoreError::unavailable(sqlx::Error::PoolClosed));
        }
        if state.suspect || state.connection.is_none() {
            let fresh = self
                .writer
                .options
                .connect()
                .await
                .map_err(StoreError::unavailable)?;
            self.verify_files_of(state).await?;
            state.connection = Some(fresh);
        }
        state.suspect = true;
        state
            .connection
            .as_mut()
            .ok_or_else(|| StoreError::unavailable(sqlx::Error::PoolClosed))
    }

    /// Verifies that the database's files are those that were opened.
    async fn verify_files_of(&self, state: &mut State) -> Result<(), StoreError> {
        let Some(Err(error)) = self.file.as_deref().map(file::DatabaseFile::verify) else {
            return Ok(());
        };
        self.rescue(state).await;
        Err(error.into())
    }

    /// Does the same for a call that only reads, without waiting for a change.
    pub(super) async fn verify_files(&self) -> Result<(), StoreError> {
        let Some(Err(error)) = self.file.as_deref().map(file::DatabaseFile::verify) else {
            return Ok(());
        };
        if let Ok(mut state) = self.writer.state.try_lock() {
            self.rescue(&mut state).await;
        }
        Err(error.into())
    }

    async fn rescue(&self, state: &mut State) {
        let has_left = self
            .file
            .as_deref()
            .is_some_and(file::DatabaseFile::has_left_its_log);
        if let Some(connection) = state.connection.as_mut().filter(|_| has_left) {
            file::empty_log(connection).await;
        }
    }
}

async fn transact<T, E: From<StoreError>>(
    connection: &mut SqliteConnection,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> Result<T, E> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(store_error)?;
    let done = work(&mut transaction).await?;
    transaction.commit().await.map_err(store_error)?;
    Ok(done)
}
