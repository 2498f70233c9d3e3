//! The connections that management takes from the pool: how many at once, and for how long.
//!
//! Lookups share the pool with management. So management takes at most half of it, and every call
//! has a deadline.

use std::{mem, sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::{
    runtime::Handle,
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{PostgresStore, row::store_error};
use tower_api_key::store::{StoreError, StoreFault};

/// How a transaction begins, whatever the database's defaults are.
///
/// A statement must see what was committed while it waited, and neither another session's lock nor
/// a statement of the store may block a call for ever.
///
/// Bitmap scans read and sort everything that an owner has; the planner prefers them where it
/// expects few rows. Without them the rows come in the order of an index, and only as many as the
/// statement asks for.
///
/// Names without a schema are looked up in `pg_catalog` only: in `public`, which is in the path of
/// most roles, another role may have created a function or an operator whose argument types fit
/// better.
///
/// A row that row-level security would hide is an error: a change that does not find it would
/// otherwise be reported as made.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off; \
    SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '8s'; \
    SET LOCAL enable_bitmapscan = off";

/// Longer than one statement may take, so that usually the server gives up first, with a reason.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What a call of management waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A revocation. It has a connection even if all other calls wait for locks, and waits for a
    /// bounded number of other calls, however many are waiting.
    Prompt,
    /// Reading a single row. It has a connection even if all changes wait for locks.
    Read,
    /// Everything else.
    Ordinary,
}

/// The permits for connections of management.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    all: Arc<Semaphore>,
    ordinary: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Permits {
    pub(super) fn of(pool: &PgPool) -> Self {
        let all = usize::try_from(pool.options().get_max_connections() / 2)
            .unwrap_or(1)
            .max(1);
        let some = all.saturating_sub(1).max(1);
        Self {
            all: Arc::new(Semaphore::new(all)),
            ordinary: Arc::new(Semaphore::new(some)),
            reads: Arc::new(Semaphore::new(some)),
        }
    }

    async fn acquire(&self, purpose: Purpose) -> Result<Vec<OwnedSemaphorePermit>, AcquireError> {
        let mut permits = Vec::new();
        let of_its_kind = match purpose {
            Purpose::Prompt => None,
            Purpose::Read => Some(&self.reads),
            Purpose::Ordinary => Some(&self.ordinary),
        };
        if let Some(of_its_kind) = of_its_kind {
            permits.push(Arc::clone(of_its_kind).acquire_owned().await?);
        }
        permits.push(Arc::clone(&self.all).acquire_owned().await?);
        Ok(permits)
    }
}

/// A connection with its permits. If it is dropped before its work is done, it keeps them until the
/// server has answered, so that cancelled calls do not occupy the whole pool.
struct Held {
    connection: Option<PoolConnection<Postgres>>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Held {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.connection
            .as_deref_mut()
            .ok_or_else(|| StoreError::unavailable(sqlx::Error::PoolClosed))
    }

    /// Returns a connection that waits for nothing to the pool.
    fn release(mut self) {
        self.connection = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(mut connection), Ok(runtime)) = (self.connection.take(), Handle::try_current())
        else {
            return;
        };
        let permits = mem::take(&mut self.permits);
        runtime.spawn(async move {
            // Waits for the end of the statement that was begun, and rolls it back.
            if !matches!(timeout(DEADLINE, connection.ping()).await, Ok(Ok(()))) {
                connection.close_on_drop();
            }
            drop((connection, permits));
        });
    }
}

impl PostgresStore {
    /// Runs statements as one transaction; an error rolls it back before it is returned.
    pub(super) async fn transact<T, E: From<StoreError>>(
        &self,
        purpose: Purpose,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        in_time(async {
            let mut held = self.connection(purpose).await?;
            let mut transaction = held
                .connection()?
                .begin_with(BEGIN)
                .await
                .map_err(store_error)?;
            let done = work(&mut transaction).await;
            let ended = match done.is_ok() {
                true => transaction.commit().await,
                // Awaited, so that nothing is locked any more when the caller goes on.
                false => transaction.rollback().await,
            };
            if ended.is_ok() {
                held.release();
            }
            let done = done?;
            ended.map_err(store_error)?;
            Ok(done)
        })
        .await
    }

    /// Reads several rows in the order of an index, as [`BEGIN`] makes sure.
    pub(super) async fn scan(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.transact(Purpose::Ordinary, async |db| {
            query.fetch_all(db).await.map_err(store_error)
        })
        .await
    }

    /// Reads rows that are found by a unique name.
    pub(super) async fn read(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.transact(Purpose::Read, async |db| {
            query.fetch_all(db).await.map_err(store_error)
        })
        .await
    }

    async fn connection(&self, purpose: Purpose) -> Result<Held, StoreError> {
        let permits = self
            .permits
            .acquire(purpose)
            .await
            .map_err(StoreError::unavailable)?;
        let connection = self.pool.acquire().await.map_err(store_error)?;
        Ok(Held {
            connection: Some(connection),
            permits,
        })
    }
}

/// Runs `work` within the deadline. On the heap, since the state of a transaction would otherwise
/// be a part of each caller's future, and of their callers'.
async fn in_time<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    timeout(DEADLINE, Box::pin(work))
        .await
        .unwrap_or_else(|_| Err(StoreError::from(StoreFault::timed_out(DEADLINE)).into()))
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll},
    };

    use sqlx::postgres::PgPoolOptions;

    use super::*;

    #[tokio::test]
    async fn a_revocation_does_not_wait_for_a_flood_of_other_calls() {
        let pool = PgPoolOptions::new().max_connections(8);
        let pool = pool.connect_lazy("postgres://localhost/unused").unwrap();
        for purpose in [Purpose::Read, Purpose::Ordinary] {
            let permits = Permits::of(&pool);
            let mut flood: Vec<_> = (0..100)
                .map(|_| Box::pin(permits.acquire(purpose)))
                .collect();
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut held = Vec::new();
            for call in &mut flood {
                if let Poll::Ready(permit) = call.as_mut().poll(&mut context) {
                    held.push(permit.unwrap());
                }
            }
            assert_eq!(held.len(), 3, "{purpose:?}");
            let mut revocation = pin!(permits.acquire(Purpose::Prompt));
            assert!(
                revocation.as_mut().poll(&mut context).is_ready(),
                "{purpose:?}"
            );
        }
    }
}
