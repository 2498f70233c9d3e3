//! Removing old rows, each part in a transaction of its own.
//!
//! A lookup waits for none of it. Credentials are locked after the users who own them, as where
//! uses are recorded and users are removed.

use sqlx::PgConnection;

use crate::postgres::{
    PostgresStore,
    pool::Purpose,
    row::{get, names, store_error},
    sql::Statement,
};
use crate::shared;
use tower_api_key::{
    clock::UnixMillis,
    store::{
        StoreError,
        backend::{Sweep, SweptBatch},
    },
};

impl PostgresStore {
    pub(super) async fn sweep_all(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        let now = self
            .transact(Purpose::Ordinary, async |db| self.now(db).await)
            .await?;
        let sweep = &sweep.clipped(now);
        let (sql, limit) = (&self.statements, sweep.limit);
        let mut batch = SweptBatch::default();
        let dated = self
            .change(&sql.date_deletions, Some(sweep.now), limit)
            .await;
        let credentials = self.bury(sweep, &mut batch).await;
        let keys = self.change(&sql.forget_keys, sweep.idempotency_keys, limit);
        let keys = keys.await;
        let events = self.change(&sql.sweep_events, sweep.events, limit).await;
        let uses = self.sweep_uses(sweep, &mut batch).await;
        let changes = self.change(&sql.sweep_changes, sweep.changes, limit).await;
        let most = [dated, credentials, keys, events, changes].map(|part| batch.count(part));
        let [_, credentials, keys, events, changes] = most;
        let swept = &mut batch.swept;
        (swept.credentials, swept.idempotency_keys) = (credentials, keys);
        (swept.events, swept.changes) = (events, changes);
        batch.swept.uses = batch.count(uses);
        batch.more = most.iter().any(|count| *count >= u64::from(limit));
        Ok(batch)
    }

    /// Changes what is older than `last`, and returns how many rows.
    async fn change(
        &self,
        sql: &Statement,
        last: Option<UnixMillis>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Some(last) = last else { return Ok(0) };
        self.transact(Purpose::Ordinary, async |db| {
            let change = sql.query().bind(last.0).bind(i64::from(limit)).execute(db);
            Ok(change.await.map_err(store_error)?.rows_affected())
        })
        .await
    }

    async fn bury(&self, sweep: &Sweep, batch: &mut SweptBatch) -> Result<u64, StoreError> {
        let sql = &self.statements;
        let millis = |moment: Option<UnixMillis>| moment.map(|moment| moment.0);
        let (deleted, expired) = (millis(sweep.deleted), millis(sweep.expired));
        let removed = self.transact(Purpose::Ordinary, async |db: &mut PgConnection| {
            let over = sql.over.query().bind(deleted).bind(expired);
            let over = over.bind(i64::from(sweep.limit)).fetch_all(&mut *db).await;
            let (kinds, ids) = names(&over.map_err(store_error)?)?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let lock = sql.lock_users.query().bind(&kinds).bind(&ids);
            lock.execute(&mut *db).await.map_err(store_error)?;
            let hold = sql.hold_over.query().bind(deleted).bind(expired);
            let held = hold.bind(kinds).bind(ids).fetch_all(&mut *db).await;
            let (kinds, ids) = names(&held.map_err(store_error)?)?;
            let bury = sql.bury.query().bind(kinds).bind(ids);
            bury.fetch_all(db).await.map_err(store_error)
        });
        let removed = removed.await?;
        for row in &removed {
            let (kind, deleted): (&str, bool) = (get(row, "kind")?, get(row, "deleted")?);
            let kind = shared::kind(kind).filter(|_| !deleted);
            let id: &str = get(row, "id")?;
            batch.expired.extend(kind.map(|kind| (kind, id.into())));
        }
        Ok(removed.len() as u64)
    }

    async fn sweep_uses(&self, sweep: &Sweep, batch: &mut SweptBatch) -> Result<u64, StoreError> {
        let Some(last) = sweep.uses else { return Ok(0) };
        let (kind, id) = match &sweep.uses_after {
            Some((kind, id)) => (kind.as_str(), id.as_str()),
            None => ("", ""),
        };
        let row = self.transact(Purpose::Ordinary, async |db: &mut PgConnection| {
            let sweep_uses = self.statements.sweep_uses.query().bind(kind).bind(id);
            let sweep_uses = sweep_uses.bind(last.0).bind(i64::from(sweep.limit));
            sweep_uses.fetch_one(db).await.map_err(store_error)
        });
        let row = row.await?;
        let last: Option<(String, String)> =
            get::<Option<String>>(&row, "kind")?.zip(get(&row, "id")?);
        batch.uses_through = last.and_then(|(kind, id)| Some((shared::kind(&kind)?, id.into())));
        let removed: i64 = get(&row, "removed")?;
        Ok(removed.unsigned_abs())
    }
}
