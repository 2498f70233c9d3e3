//! The audit trail: written with the change that it tells, read by page.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::row::{failed, there},
    ByOwner,
};
use crate::{
    clock::UnixMillis,
    store::{Action, Event, Owner, StoreError, Who},
};

macro_rules! page {
    ($owner:literal) => {
        concat!(
            "SELECT number, at, action, credential_id, related_id, by_sort, by_id, by_user, origin
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
        (at, action, organization_id, user_id, credential_id, related_id, by_sort, by_id, by_user, origin)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Reads an event about a credential of `owner`. Words that are none of ours, and text that is not UTF-8, leave the rest of
/// it, and of the trail, readable.
fn event(row: &SqliteRow, owner: &Owner) -> Result<Event, StoreError> {
    let text = |column| text(row, column);
    let (by, by_id, by_user) = (text("by_sort")?, text("by_id")?, text("by_user")?);
    let by = Who::from_columns(
        &by.unwrap_or_default(),
        by_id.as_deref(),
        by_user.as_deref(),
    );
    Ok(Event {
        number: row.try_get("number").map_err(failed)?,
        at: UnixMillis(row.try_get("at").map_err(failed)?),
        action: text("action")?
            .and_then(|word| Action::parse(&word))
            .unwrap_or(Action::Unknown),
        owner: owner.clone(),
        credential: there(text("credential_id")?)?.into(),
        related: text("related_id")?.map(Into::into),
        by: by.unwrap_or(Who::Unknown),
        origin: text("origin")?.map(Into::into),
    })
}

/// Reads text, whatever its bytes are.
fn text(row: &SqliteRow, column: &str) -> Result<Option<String>, StoreError> {
    match row.try_get(column) {
        Ok(text) => Ok(text),
        Err(_) => {
            let bytes: Vec<u8> = row.try_get(column).map_err(failed)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

pub(super) async fn of(
    db: &mut SqliteConnection,
    owner: &Owner,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let last = before.map_or(i64::MAX, |before| before.saturating_sub(1));
    let rows = sqlx::query(PAGE.of(owner))
        .bind(owner.id())
        .bind(last)
        .bind(i64::from(limit));
    rows.fetch_all(db)
        .await
        .map_err(failed)?
        .iter()
        .map(|row| event(row, owner))
        .collect()
}

/// Writes an event and returns its number.
pub(super) async fn insert(db: &mut SqliteConnection, event: &Event) -> Result<i64, StoreError> {
    let (organization, user) = event.owner.columns();
    let (by, by_id, by_user) = event.by.columns();
    let insert = sqlx::query(INSERT)
        .bind(event.at.0)
        .bind(event.action.as_str())
        .bind(organization)
        .bind(user);
    let insert = insert
        .bind(event.credential.as_str())
        .bind(event.related.as_ref().map(|id| id.as_str()));
    let insert = insert
        .bind(by)
        .bind(by_id)
        .bind(by_user)
        .bind(event.origin.as_deref());
    Ok(insert
        .execute(db)
        .await
        .map_err(failed)?
        .last_insert_rowid())
}
