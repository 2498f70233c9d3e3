//! The audit trail: each event is written with its change, and read page by page.

use sqlx::SqliteConnection;

use super::{
    super::row::{SqliteColumns, store_error},
    ByOwner,
    write::bind_attributes,
};
use crate::shared::expect_rows;
use tower_api_key::store::{AuditEvent, Owner, StoreError, backend::audit_event};

macro_rules! page {
    ($owner:literal) => {
        concat!(
            "SELECT number, at, action, credential_id, related_id, actor_kind, actor_id,
                actor_user_id, origin, expires_at, description, metadata, allowed_networks, environment
            FROM tower_api_key_events WHERE ",
            $owner,
            " = ?1 AND number <= ?2 ORDER BY number DESC LIMIT ?3"
        )
    };
}

pub(super) const PAGE: ByOwner = ByOwner {
    organization: page!("organization_id"),
    user: page!("user_id"),
};

const INSERT: &str = "
    INSERT INTO tower_api_key_events
        (at, action, organization_id, user_id, credential_id, related_id, actor_kind, actor_id,
         actor_user_id, origin, description, metadata, allowed_networks, environment, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

pub(super) async fn of(
    db: &mut SqliteConnection,
    owner: &Owner,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEvent>, StoreError> {
    let last = before.map_or(i64::MAX, |before| before.saturating_sub(1));
    let page = sqlx::query(PAGE.of(owner))
        .bind(owner.id())
        .bind(last)
        .bind(i64::from(limit));
    page.fetch_all(db)
        .await
        .map_err(store_error)?
        .iter()
        .map(|row| audit_event(&SqliteColumns(row), owner))
        .collect()
}

/// Inserts an event and returns its number.
pub(super) async fn insert(
    db: &mut SqliteConnection,
    event: &AuditEvent,
) -> Result<i64, StoreError> {
    let (organization, user) = (event.owner.organization(), event.owner.user());
    let actor = event.by.columns();
    let insert = sqlx::query(INSERT)
        .bind(event.at.0)
        .bind(event.action.as_str())
        .bind(organization)
        .bind(user);
    let insert = insert
        .bind(event.credential.as_str())
        .bind(event.related.as_ref().map(|id| id.as_str()));
    let insert = insert
        .bind(actor.kind)
        .bind(actor.id)
        .bind(actor.user)
        .bind(event.origin.as_deref());
    let insert =
        bind_attributes(insert, &event.attributes).bind(event.expires_at.map(|moment| moment.0));
    let inserted = insert.execute(db).await.map_err(store_error)?;
    expect_rows(inserted.rows_affected(), 1, "tower_api_key_events")?;
    Ok(inserted.last_insert_rowid())
}
