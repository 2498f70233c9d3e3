//! Rehashing a digest with the current pepper.

use crate::postgres::{
    PostgresStore, contains_no_nul,
    pool::Purpose,
    row::{get, store_error},
};
use crate::shared::expect_rows;
use tower_api_key::{
    credential::Kind,
    secret::Digest,
    store::{StoreError, backend::read_digest},
};

impl PostgresStore {
    /// Rehashes the digest if it is out of date, and returns whether it was.
    pub(super) async fn rehash_in_tx(
        &self,
        kind: Kind,
        id: &str,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        if !contains_no_nul(id) {
            return Ok(false);
        }
        let (sql, digests) = (&self.statements, self.digests());
        self.transact(Purpose::Ordinary, async |db| {
            let query = sql.lock_digest.query().bind(kind.as_str()).bind(id);
            let Some(row) = query.fetch_optional(&mut *db).await.map_err(store_error)? else {
                return Ok(false);
            };
            let pepper = get(&row, "pepper")?;
            let kept = read_digest(get(&row, "digest")?)?;
            if !digests.verifies(&kept, pepper, presented)? || !digests.is_outdated(pepper) {
                return Ok(false);
            }
            let stored = digests.store(presented);
            let query = sql
                .rehash
                .query()
                .bind(kind.as_str())
                .bind(id)
                .bind(stored.digest.to_bytes().to_vec())
                .bind(stored.pepper.as_deref());
            let rehashed = query.execute(db).await.map_err(store_error)?;
            expect_rows(rehashed.rows_affected(), 1, "credentials")?;
            Ok(true)
        })
        .await
    }
}
