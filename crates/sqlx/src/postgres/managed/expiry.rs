//! What ends by itself: telling of it before, and what nobody uses.
//!
//! Those who tell take turns, so the numbers of these events are in the order of the commits: who has
//! read one of them has read all before it.

use sqlx::{PgConnection, postgres::PgRow};

use super::{info, uses::owner_of};
use crate::postgres::{
    PostgresStore,
    pool::Purpose,
    row::{PgColumns, get, store_error},
};
use tower_api_key::{
    clock::UnixMillis,
    store::{
        AuditEvent, ExpiryWatch, StoreError,
        backend::{ExpiryWindow, UnusedPage, UnusedQuery, audit_event},
    },
};

/// A place in the order of expiry, kind and id.
type Place = (i64, String, String);

impl PostgresStore {
    pub(super) async fn tell_of_expiry(
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
                events.extend(self.tell(db, window, now, limit).await?);
            }
            self.insert_numbered_events(db, events).await
        })
        .await
    }

    /// Returns the events of one window, and moves on to where it has looked.
    ///
    /// The users among the owners are locked, as where uses are recorded, so that no event names a
    /// user who is erased meanwhile.
    async fn tell(
        &self,
        db: &mut PgConnection,
        window: ExpiryWindow,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let sql = &self.statements;
        let watched = sql.watched.query().bind(window.threshold);
        let watched = watched
            .fetch_optional(&mut *db)
            .await
            .map_err(store_error)?;
        let place = |row: PgRow| {
            Ok::<Place, StoreError>((get(&row, "through")?, get(&row, "kind")?, get(&row, "id")?))
        };
        let place = watched.map(place).transpose()?;
        let (through, kind, id) = place.unwrap_or((i64::MIN, String::new(), String::new()));
        let ending = sql
            .ending
            .query()
            .bind(through)
            .bind(kind)
            .bind(id)
            .bind(window.after.0)
            .bind(window.through.0)
            .bind(window.threshold)
            .bind(i64::from(limit));
        let rows = ending.fetch_all(&mut *db).await.map_err(store_error)?;
        let texts = |column| {
            rows.iter()
                .map(|row| get(row, column))
                .collect::<Result<Vec<String>, _>>()
        };
        let (kinds, ids) = (texts("kind")?, texts("id")?);
        let lock = sql.lock_users.query().bind(&kinds).bind(&ids);
        lock.execute(&mut *db).await.map_err(store_error)?;
        let active = sql.still_active.query().bind(&kinds).bind(&ids);
        let active = active.fetch_all(&mut *db).await.map_err(store_error)?;
        let names = active.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let mut reached = (window.through.0, "~".to_owned(), String::new());
        let mut events = Vec::new();
        for row in &rows {
            let (kind, id) = name(row)?;
            let expires_at = get(row, "expires_at")?;
            if names.contains(&(kind, id)) {
                let successor = get::<Option<&str>>(row, "rotated_to")?.map(Into::into);
                events.push(window.event(
                    now,
                    owner_of(row)?,
                    id,
                    UnixMillis(expires_at),
                    successor,
                ));
            }
            if rows.len() as u64 >= u64::from(limit) {
                reached = (expires_at, kind.to_owned(), id.to_owned());
            }
        }
        let (through, kind, id) = reached;
        let moved = sql.watch.query().bind(window.threshold).bind(through);
        let moved = moved.bind(kind).bind(id).execute(db).await;
        moved.map(|_| events).map_err(store_error)
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

fn name(row: &PgRow) -> Result<(&str, &str), StoreError> {
    Ok((get(row, "kind")?, get(row, "id")?))
}
