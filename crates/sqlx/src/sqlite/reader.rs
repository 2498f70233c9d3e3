//! Reading over the pool, as long as the database's files are those that were opened.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::time::timeout;

use super::SqliteStore;
use tower_api_key::{
    secret::{Pepper, Peppers, SaltedDigests},
    store::{CredentialStore, Lookup, LookupKey, Record, StoreError},
};

/// How long a lookup waits for a connection of the pool. Half of the layer's default deadline, so
/// that the operator reads "the pool timed out" and not that the store did.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a list waits for the lists before it.
const MANAGEMENT_TIMEOUT: Duration = Duration::from_secs(2);

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let find = async |db: &mut SqliteConnection| match lookup.key() {
            LookupKey::OrgKey { id } => self.key(db, id).await,
            LookupKey::PersonalToken { digest } => {
                self.token(db, digest, lookup.organization()).await
            }
        };
        Ok(self.read(find).await?.map(Arc::new))
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.salted.as_ref()
    }
}

impl SqliteStore {
    /// Takes a connection from the pool, which may have to open one.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        if self.pool.num_idle() == 0 {
            self.verify_files().await?;
        }
        timeout(ACQUIRE_TIMEOUT, self.pool.acquire())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(StoreError::unavailable)
    }

    /// Runs `work`, and returns its answer only if the names still lead to the files that were
    /// opened.
    ///
    /// The names are looked up while SQLite works on the statement, so that costs no time.
    pub(super) async fn read<T>(
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

    /// Does the same for lists and the like, which leave half of the connections to lookups.
    pub(super) async fn read_for_management<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let permit = timeout(MANAGEMENT_TIMEOUT, self.management.acquire()).await;
        let _permit = permit.map_err(|_| StoreError::unavailable(sqlx::Error::PoolTimedOut))?;
        self.read(work).await
    }
}
