//! A digest made anew under the current pepper.

use sqlx::SqliteConnection;

use super::super::row::failed;
use crate::{
    credential::Kind,
    secret::{Digest, Peppers},
    store::{StoreError, rows::digest_of},
};

const KEPT: &str =
    "SELECT digest, pepper FROM tower_api_key_credentials WHERE kind = ?1 AND id = ?2";

const REHASH: &str =
    "UPDATE tower_api_key_credentials SET digest = ?3, pepper = ?4 WHERE kind = ?1 AND id = ?2";

/// Returns whether there was something to make anew.
pub(super) async fn rehash(
    db: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    presented: &Digest,
    peppers: Option<&Peppers>,
) -> Result<bool, StoreError> {
    let row = sqlx::query_as(KEPT)
        .bind(kind.as_str())
        .bind(id)
        .fetch_optional(&mut *db)
        .await;
    let row: Option<(Vec<u8>, Option<String>)> = row.map_err(failed)?;
    let Some((kept, pepper)) = row else {
        return Ok(false);
    };
    let verified = Peppers::verifies(peppers, &digest_of(kept)?, pepper.as_deref(), presented)?;
    if !verified || !Peppers::is_outdated(peppers, pepper.as_deref()) {
        return Ok(false);
    }
    let (kept, pepper) = Peppers::keep(peppers, presented);
    let query = sqlx::query(REHASH)
        .bind(kind.as_str())
        .bind(id)
        .bind(kept.to_bytes().to_vec())
        .bind(pepper);
    query.execute(db).await.map_err(failed)?;
    Ok(true)
}
