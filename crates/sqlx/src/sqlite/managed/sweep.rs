//! Removing old rows, each part in a transaction of its own.

use serde_json::json;
use sqlx::SqliteConnection;

use super::super::{SqliteStore, row::store_error, writer::Purpose};
use crate::shared;
use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    store::{
        StoreError,
        backend::{Sweep, SweptBatch},
    },
};

/// Credentials that were deleted by an older program, or by hand: from now on.
pub(super) const MARK: &str = "
    UPDATE tower_api_key_credentials SET deleted_at = ?1 WHERE (kind, id) IN (
        SELECT kind, id FROM tower_api_key_credentials
        WHERE status = 'deleted' AND deleted_at IS NULL LIMIT ?2
    )";

/// What was deleted by `?1`, and what expired by `?2`.
pub(super) const OVER: &str = "
    SELECT * FROM (
        SELECT kind, id, 1 AS deleted FROM tower_api_key_credentials
        WHERE status = 'deleted' AND deleted_at <= ?1 ORDER BY deleted_at LIMIT ?3
    ) UNION ALL SELECT * FROM (
        SELECT kind, id, 0 FROM tower_api_key_credentials
        WHERE expires_at IS NOT NULL AND status <> 'deleted' AND expires_at <= ?2
        ORDER BY expires_at LIMIT ?3
    )";

/// What is done with the credentials of a list.
const BURY: [&str; 3] = [
    "INSERT OR IGNORE INTO tower_api_key_tombstones (kind, id, digest)
        SELECT kind, id, iif(kind = 'pat', digest, NULL) FROM tower_api_key_credentials
        WHERE (kind, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
    "DELETE FROM tower_api_key_uses
        WHERE (kind, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
    "DELETE FROM tower_api_key_credentials
        WHERE (kind, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
];

pub(super) const FORGET_KEYS: &str = "
    UPDATE tower_api_key_credentials SET idempotency_key = NULL, request_hash = NULL
    WHERE (kind, id) IN (
        SELECT kind, id FROM tower_api_key_credentials
        WHERE idempotency_key IS NOT NULL AND created_at <= ?1 ORDER BY created_at LIMIT ?2
    )";

pub(super) const EVENTS: &str = "
    DELETE FROM tower_api_key_events WHERE number IN (
        SELECT number FROM tower_api_key_events WHERE at <= ?1 ORDER BY at LIMIT ?2
    )";

/// The last of the uses after `?1` and `?2`, if there are as many as `?3`.
pub(super) const USES_THROUGH: &str = "
    SELECT kind, id FROM tower_api_key_uses WHERE (kind, id) > (?1, ?2)
    ORDER BY kind, id LIMIT 1 OFFSET ?3 - 1";

/// Up to `?4` and `?5`, or to the end.
const USES: &str = "
    DELETE FROM tower_api_key_uses
    WHERE (kind, id) > (?1, ?2) AND at <= ?3
        AND (?4 IS NULL OR (kind, id) <= (?4, ?5))";

impl SqliteStore {
    /// The change log is not swept: it keeps a number of rows.
    pub(super) async fn sweep_all(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        let sweep = &sweep.clipped(SystemClock::default().now());
        let mut batch = SweptBatch::default();
        let marked = self.change(MARK, Some(sweep.now), sweep.limit).await;
        let credentials = self.bury(sweep, &mut batch).await;
        let keys = self.change(FORGET_KEYS, sweep.idempotency_keys, sweep.limit);
        let keys = keys.await;
        let events = self.change(EVENTS, sweep.events, sweep.limit).await;
        let uses = self.sweep_uses(sweep, &mut batch).await;
        let most = [marked, credentials, keys, events].map(|part| batch.count(part));
        let [_, credentials, keys, events] = most;
        let swept = &mut batch.swept;
        (swept.credentials, swept.idempotency_keys, swept.events) = (credentials, keys, events);
        batch.swept.uses = batch.count(uses);
        batch.more = most.iter().any(|count| *count >= u64::from(sweep.limit));
        Ok(batch)
    }

    /// Changes what is older than `last`, and returns how many rows.
    async fn change(
        &self,
        sql: &'static str,
        last: Option<UnixMillis>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Some(last) = last else { return Ok(0) };
        self.write(Purpose::Ordinary, async |db| {
            let change = sqlx::query(sql).bind(last.0).bind(limit).execute(db).await;
            Ok(change.map_err(store_error)?.rows_affected())
        })
        .await
    }

    async fn bury(&self, sweep: &Sweep, batch: &mut SweptBatch) -> Result<u64, StoreError> {
        if sweep.deleted.is_none() && sweep.expired.is_none() {
            return Ok(0);
        }
        let millis = |moment: Option<UnixMillis>| moment.map(|moment| moment.0);
        let over = self.write(Purpose::Ordinary, async |db| {
            let over = sqlx::query_as(OVER)
                .bind(millis(sweep.deleted))
                .bind(millis(sweep.expired))
                .bind(sweep.limit);
            let over: Vec<(String, String, bool)> =
                over.fetch_all(&mut *db).await.map_err(store_error)?;
            let names = over.iter().map(|(kind, id, _)| json!([kind, id]));
            let names = names.collect::<serde_json::Value>().to_string();
            for sql in BURY {
                let done = sqlx::query(sql).bind(&names).execute(&mut *db).await;
                done.map_err(store_error)?;
            }
            Ok::<_, StoreError>(over)
        });
        let over = over.await?;
        let expired = over.iter().filter(|(.., deleted)| !deleted);
        let name = |(kind, id, _): &(String, String, bool)| {
            Some((shared::kind(kind)?, id.as_str().into()))
        };
        batch.expired.extend(expired.filter_map(name));
        Ok(over.len() as u64)
    }

    async fn sweep_uses(&self, sweep: &Sweep, batch: &mut SweptBatch) -> Result<u64, StoreError> {
        let Some(last) = sweep.uses else { return Ok(0) };
        let (kind, id) = match &sweep.uses_after {
            Some((kind, id)) => (kind.as_str(), id.as_str()),
            None => ("", ""),
        };
        let run = async |db: &mut SqliteConnection| {
            let through = sqlx::query_as(USES_THROUGH)
                .bind(kind)
                .bind(id)
                .bind(sweep.limit);
            let through: Option<(String, String)> = through
                .fetch_optional(&mut *db)
                .await
                .map_err(store_error)?;
            let (to_kind, to_id) = through.clone().unzip();
            let uses = sqlx::query(USES).bind(kind).bind(id).bind(last.0);
            let removed = uses.bind(to_kind).bind(to_id).execute(db).await;
            Ok::<_, StoreError>((removed.map_err(store_error)?.rows_affected(), through))
        };
        let (removed, through) = self.write(Purpose::Ordinary, run).await?;
        batch.uses_through = through.and_then(|(kind, id)| Some((shared::kind(&kind)?, id.into())));
        Ok(removed)
    }
}
