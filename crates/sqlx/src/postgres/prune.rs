//! Removing old rows from the change log.

use std::time::Duration;

use sqlx::PgConnection;

use super::{PostgresStore, pool::Purpose, row::store_error};
use tower_api_key::store::StoreError;

/// How many rows of the log one transaction removes.
const PRUNE_BATCH: i64 = 10_000;

impl PostgresStore {
    /// Removes rows older than `age` from the change log, and returns how many.
    ///
    /// Call it from time to time, on any node or on several at once. Every 10 000 rows are a
    /// transaction of their own. A follower that has not read what is removed notices, and yields
    /// [`Change::Everything`](tower_api_key::store::Change::Everything); one that has is not
    /// disturbed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn prune(&self, age: Duration) -> Result<u64, StoreError> {
        const OLDEST: f64 = 1e11; // seconds: 3000 years, which PostgreSQL's timestamps reach back
        let mut pruned = 0;
        loop {
            let prune = self
                .statements
                .prune
                .query()
                .bind(age.as_secs_f64().min(OLDEST))
                .bind(PRUNE_BATCH);
            let run = async |db: &mut PgConnection| prune.execute(db).await.map_err(store_error);
            let removed = self.transact(Purpose::Ordinary, run).await?.rows_affected();
            pruned += removed;
            if removed < PRUNE_BATCH.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }
}
