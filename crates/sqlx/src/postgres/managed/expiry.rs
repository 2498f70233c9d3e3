//! Reporting credentials that expire, and finding those that are no longer used.
//!
//! Reporting is serialized, so the numbers of these events are in the order of the commits: a reader
//! that has seen one of them has seen all before it.

use std::collections::HashSet;

use sqlx::{PgConnection, postgres::PgRow};

use super::{info, uses::owner_of};
use crate::postgres::{
    PostgresStore,
    pool::Purpose,
    row::{PgColumns, get, names, store_error},
};
use crate::shared::{Place, first_place, place_after};
use tower_api_key::{
    clock::UnixMillis,
    store::{
        AuditEvent, ExpiryWatch, StoreError,
        backend::{ExpiryWindow, UnusedPage, UnusedQuery, audit_event},
    },
};

impl PostgresStore {
    pub(super) async fn report_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.transact(Purpose::Ordinary, async |db| {
            let lock = self.statements.lock_watch.query();
            lock.execute(&mut *db).await.map_err(store_error)?;
            let now = now.min(self.now(db).await?);
            let mut events = Vec::new();
            for window in watch.windows(now) {
                events.extend(self.report_window(db, window, now, limit).await?);
            }
            self.insert_numbered_events(db, events).await
        })
        .await
    }

    /// Returns the events of one window, and stores how far it was searched.
    async fn report_window(
        &self,
        db: &mut PgConnection,
        window: ExpiryWindow,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = self.search(db, window, limit).await?;
        let active = self.lock_active(db, &rows).await?;
        let mut reached = place_after(window.through);
        let mut events = Vec::new();
        for row in &rows {
            let name: (String, String) = (get(row, "kind")?, get(row, "id")?);
            let expires_at = UnixMillis(get(row, "expires_at")?);
            if active.contains(&name) {
                let successor = get::<Option<&str>>(row, "rotated_to")?.map(Into::into);
                let (owner, id) = (owner_of(row)?, name.1.as_str());
                events.push(window.event(now, owner, id, expires_at, successor));
            }
            if rows.len() as u64 >= u64::from(limit) {
                reached = (expires_at.0, name.0, name.1);
            }
        }
        let (through, kind, id) = reached;
        let sql = &self.statements;
        let moved = sql.move_watch.query().bind(window.threshold).bind(through);
        let moved = moved.bind(kind).bind(id).execute(db).await;
        moved.map(|_| events).map_err(store_error)
    }

    /// Returns the credentials of a window that are not yet reported.
    async fn search(
        &self,
        db: &mut PgConnection,
        window: ExpiryWindow,
        limit: u32,
    ) -> Result<Vec<PgRow>, StoreError> {
        let sql = &self.statements;
        let watched = sql.watched.query().bind(window.threshold);
        let watched = watched.fetch_optional(&mut *db).await;
        let place = |row: PgRow| {
            Ok::<Place, StoreError>((get(&row, "through")?, get(&row, "kind")?, get(&row, "id")?))
        };
        let reached = watched.map_err(store_error)?.map(place).transpose()?;
        let (through, kind, id) = first_place(window, reached);
        let ending = sql.ending.query().bind(through).bind(kind).bind(id);
        let ending = ending.bind(window.through.0).bind(window.threshold);
        let ending = ending.bind(i64::from(limit)).fetch_all(db).await;
        ending.map_err(store_error)
    }

    /// Locks the users among the owners, as where uses are recorded, so that no event names a user
    /// who is erased meanwhile. Returns which credentials are then still active.
    async fn lock_active(
        &self,
        db: &mut PgConnection,
        rows: &[PgRow],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let (sql, (kinds, ids)) = (&self.statements, names(rows)?);
        let lock = sql.lock_users.query().bind(&kinds).bind(&ids);
        lock.execute(&mut *db).await.map_err(store_error)?;
        let active = sql.still_active.query().bind(&kinds).bind(&ids);
        let (kinds, ids) = names(&active.fetch_all(db).await.map_err(store_error)?)?;
        Ok(kinds.into_iter().zip(ids).collect())
    }

    pub(super) async fn read_expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let page = self.statements.expiry_events.query();
        let page = page.bind(after.unwrap_or(i64::MIN)).bind(i64::from(limit));
        let rows = self.scan(page).await?;
        rows.iter()
            .map(|row| audit_event(&PgColumns(row), &owner_of(row)?))
            .collect()
    }

    pub(super) async fn find_unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        let sql = &self.statements;
        let used = sql.has_use_since.query().bind(query.recorded_since.0);
        if self.scan(used).await?.is_empty() {
            return Ok(UnusedPage::default());
        }
        let after = query.after.as_ref().map_or("", |id| id.as_str());
        let in_order = sql.in_order.query().bind(query.kind.as_str());
        let in_order = in_order.bind(after.to_owned()).bind(i64::from(query.limit));
        let rows = self.scan(in_order).await?;
        let mut page = UnusedPage::default();
        if rows.len() as u64 >= u64::from(query.limit) {
            let last = rows.last().map(|row| get::<&str>(row, "id")).transpose()?;
            page.through = last.map(Into::into);
        }
        for row in &rows {
            let info = info(row, &owner_of(row)?)?;
            page.unused
                .extend(Some(info).filter(|info| !info.damaged && query.selects(info)));
        }
        Ok(page)
    }

    /// Returns the time of the database.
    pub(super) async fn now(&self, db: &mut PgConnection) -> Result<UnixMillis, StoreError> {
        let row = self.statements.now.query().fetch_one(db).await;
        get(&row.map_err(store_error)?, "now").map(UnixMillis)
    }
}
