//! Rehashing a digest with the current pepper.

use sqlx::SqliteConnection;

use super::super::row::store_error;
use crate::shared::expect_rows;
use tower_api_key::{
    credential::Kind,
    secret::Digest,
    store::{
        StoreError,
        backend::{DigestPolicy, read_digest},
    },
};

const KEPT: &str =
    "SELECT digest, pepper FROM tower_api_key_credentials WHERE kind = ?1 AND id = ?2";

const REHASH: &str =
    "UPDATE tower_api_key_credentials SET digest = ?3, pepper = ?4 WHERE kind = ?1 AND id = ?2";

/// Rehashes the digest if it is out of date, and returns whether it was.
pub(super) async fn rehash(
    db: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    presented: &Digest,
    digests: DigestPolicy<'_>,
) -> Result<bool, StoreError> {
    let row = sqlx::query_as(KEPT)
        .bind(kind.as_str())
        .bind(id)
        .fetch_optional(&mut *db)
        .await;
    let row: Option<(Vec<u8>, Option<String>)> = row.map_err(store_error)?;
    let Some((kept, pepper)) = row else {
        return Ok(false);
    };
    let verified = digests.verifies(&read_digest(kept)?, pepper.as_deref(), presented)?;
    if !verified || !digests.is_outdated(pepper.as_deref()) {
        return Ok(false);
    }
    let stored = digests.store(presented);
    let query = sqlx::query(REHASH)
        .bind(kind.as_str())
        .bind(id)
        .bind(stored.digest.to_bytes().to_vec())
        .bind(stored.pepper.as_deref());
    let rehashed = query.execute(db).await.map_err(store_error)?;
    expect_rows(rehashed.rows_affected(), 1, "tower_api_key_credentials")?;
    Ok(true)
}
