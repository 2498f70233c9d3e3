//! Reporting credentials that expire, and finding those that are no longer used.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::row::{SqliteColumns, store_error},
    events,
    read::{columns, id_of, info_of},
};
use crate::shared::{Place, first_place, place_after};
use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    store::{
        AuditEvent, ExpiryWatch, Owner, StoreError,
        backend::{ExpiryWindow, UnusedPage, UnusedQuery, audit_event},
    },
};

/// How far was searched.
const PLACE: &str = "
    SELECT through, kind, id FROM tower_api_key_expiry_watch WHERE threshold = ?1";

/// Stores it, unless another search came further before the clock went back.
const MOVE: &str = "
    INSERT INTO tower_api_key_expiry_watch (threshold, through, kind, id) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (threshold) DO UPDATE
        SET through = excluded.through, kind = excluded.kind, id = excluded.id
        WHERE (through, kind, id) < (excluded.through, excluded.kind, excluded.id)";

/// The accepted credentials after the place `?1` to `?3` that expire by `?4`, with the threshold
/// `?5`. As `ExpiryWindow::includes`.
pub(super) const ENDING: &str = "
    SELECT c.kind, c.id, c.expires_at, c.organization_id, c.user_id, c.rotated_to
    FROM tower_api_key_credentials c INDEXED BY tower_api_key_credentials_ending
    LEFT JOIN tower_api_key_organizations o ON o.id = c.organization_id
    LEFT JOIN tower_api_key_users u ON u.id = c.user_id
    WHERE c.expires_at IS NOT NULL AND c.status <> 'deleted' AND c.status = 'active'
        AND (c.expires_at, c.kind, c.id) > (?1, ?2, ?3)
        AND c.expires_at <= ?4
        AND iif(?5 = 0, c.rotated_at < c.expires_at,
            c.rotated_at IS NULL AND c.created_at <= c.expires_at - ?5)
        AND coalesce(o.deleted, 0) = 0 AND coalesce(u.enabled, 1) = 1
    ORDER BY c.expires_at, c.kind, c.id LIMIT ?6";

pub(super) const EVENTS: &str = "
    SELECT organization_id, user_id, number, at, action, credential_id, related_id, actor_kind,
        actor_id, actor_user_id, origin, expires_at, description, metadata, allowed_networks,
        environment
    FROM tower_api_key_events
    WHERE action IN ('expires_soon', 'overlap_ended') AND number > ?1 ORDER BY number LIMIT ?2";

const IS_RECORDED: &str = "SELECT 1 FROM tower_api_key_uses WHERE at >= ?1 LIMIT 1";

/// Credentials in the order of their ids.
pub(super) const SOME: &str = concat!(
    "SELECT c.organization_id, c.user_id, ",
    columns!(),
    " FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
    WHERE c.kind = ?1 AND c.id > ?2 ORDER BY c.id LIMIT ?3"
);

pub(super) async fn watch(
    db: &mut SqliteConnection,
    watch: &ExpiryWatch,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<AuditEvent>, StoreError> {
    let now = now.min(SystemClock::default().now());
    let mut reported = Vec::new();
    for window in watch.windows(now) {
        for mut event in report(db, window, now, limit).await? {
            event.number = Some(events::insert(db, &event).await?);
            reported.push(event);
        }
    }
    Ok(reported)
}

/// Returns the events of one window, and stores how far it was searched.
async fn report(
    db: &mut SqliteConnection,
    window: ExpiryWindow,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<AuditEvent>, StoreError> {
    let rows = search(db, window, limit).await?;
    let mut events = Vec::new();
    let mut reached = place_after(window.through);
    for row in &rows {
        let (id, _) = id_of(row)?;
        let expires_at: i64 = row.try_get("expires_at").map_err(store_error)?;
        if rows.len() as u64 >= u64::from(limit) {
            let kind = row.try_get("kind").map_err(store_error)?;
            reached = (expires_at, kind, id.as_str().to_owned());
        }
        let successor: Option<String> = row.try_get("rotated_to").unwrap_or_default();
        let successor = successor.map(Into::into);
        let event = |owner| window.event(now, owner, id, UnixMillis(expires_at), successor);
        events.extend(owner_of(row).map(event));
    }
    let (through, kind, id) = reached;
    let moved = sqlx::query(MOVE).bind(window.threshold).bind(through);
    let moved = moved.bind(kind).bind(id).execute(db).await;
    moved.map(|_| events).map_err(store_error)
}

/// Returns the credentials of a window that are not yet reported.
async fn search(
    db: &mut SqliteConnection,
    window: ExpiryWindow,
    limit: u32,
) -> Result<Vec<SqliteRow>, StoreError> {
    let reached = sqlx::query_as(PLACE).bind(window.threshold);
    let reached: Option<Place> = reached
        .fetch_optional(&mut *db)
        .await
        .map_err(store_error)?;
    let (through, kind, id) = first_place(window, reached);
    let ending = sqlx::query(ENDING).bind(through).bind(kind).bind(id);
    let ending = ending.bind(window.through.0).bind(window.threshold);
    let ending = ending.bind(limit).fetch_all(db).await;
    ending.map_err(store_error)
}

pub(super) async fn events(
    db: &mut SqliteConnection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEvent>, StoreError> {
    let page = sqlx::query(EVENTS)
        .bind(after.unwrap_or(i64::MIN))
        .bind(limit);
    let rows = page.fetch_all(db).await.map_err(store_error)?;
    let event = |row| Some(audit_event(&SqliteColumns(row), &owner_of(row)?));
    rows.iter().filter_map(event).collect()
}

pub(super) async fn unused(
    db: &mut SqliteConnection,
    query: &UnusedQuery,
) -> Result<UnusedPage, StoreError> {
    let is_recorded = sqlx::query(IS_RECORDED).bind(query.recorded_since.0);
    let is_recorded = is_recorded.fetch_optional(&mut *db).await;
    if is_recorded.map_err(store_error)?.is_none() {
        return Ok(UnusedPage::default());
    }
    let after = query.after.as_ref().map_or("", |id| id.as_str());
    let some = sqlx::query(SOME)
        .bind(query.kind.as_str())
        .bind(after)
        .bind(query.limit);
    let rows = some.fetch_all(db).await.map_err(store_error)?;
    let mut page = UnusedPage::default();
    for row in &rows {
        if rows.len() as u64 >= u64::from(query.limit) {
            page.through = Some(id_of(row)?.0);
        }
        if let Some(owner) = owner_of(row) {
            let info = info_of(row, &owner)?;
            page.unused
                .extend(Some(info).filter(|info| !info.damaged && query.selects(info)));
        }
    }
    Ok(page)
}

/// Returns the owner in a row; `None` if it is damaged.
fn owner_of(row: &SqliteRow) -> Option<Owner> {
    let id = |column| row.try_get::<Option<String>, _>(column).ok()?;
    let key = id("organization_id").map(|id| Owner::of(Kind::OrgKey, &id));
    key.or_else(|| Some(Owner::of(Kind::PersonalToken, &id("user_id")?)))
}
