//! The audit trail: written with the change that it tells, read by page.

use sqlx::{FromRow, SqliteConnection};

use super::{
    super::row::{failed, there},
    ByOwner,
};
use crate::{
    clock::UnixMillis,
    manage::{Action, Event, Owner, Who},
    store::StoreError,
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

pub(super) const PAGE: ByOwner = ByOwner { organization: page!("organization_id"), user: page!("user_id") };

const INSERT: &str = "
    INSERT INTO tower_api_key_events
        (at, action, organization_id, user_id, credential_id, related_id, by_sort, by_id, by_user, origin)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

// Names are optional although the schema says that they are there: the driver reads NULL into a `String` as "".
#[derive(FromRow)]
struct EventRow {
    number: i64,
    at: i64,
    action: String,
    credential_id: Option<String>,
    related_id: Option<String>,
    by_sort: String,
    by_id: Option<String>,
    by_user: Option<String>,
    origin: Option<String>,
}

impl EventRow {
    fn event(self, owner: &Owner) -> Result<Event, StoreError> {
        let by = Who::from_columns(&self.by_sort, self.by_id.as_deref(), self.by_user.as_deref());
        Ok(Event {
            number: self.number,
            at: UnixMillis(self.at),
            action: Action::parse(&self.action).ok_or_else(|| StoreError::corrupt("unknown action"))?,
            owner: owner.clone(),
            credential: there(self.credential_id)?.into(),
            related: self.related_id.map(Into::into),
            by: by.ok_or_else(|| StoreError::corrupt("nobody known did it"))?,
            origin: self.origin.map(Into::into),
        })
    }
}

pub(super) async fn of(
    db: &mut SqliteConnection,
    owner: &Owner,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let last = before.map_or(i64::MAX, |before| before.saturating_sub(1));
    let rows = sqlx::query_as(PAGE.of(owner)).bind(owner.id()).bind(last).bind(i64::from(limit));
    let rows: Vec<EventRow> = rows.fetch_all(db).await.map_err(failed)?;
    rows.into_iter().map(|row| row.event(owner)).collect()
}

/// Writes an event and returns its number.
pub(super) async fn insert(db: &mut SqliteConnection, event: &Event) -> Result<i64, StoreError> {
    let (organization, user) = event.owner.columns();
    let (by, by_id, by_user) = event.by.columns();
    let insert = sqlx::query(INSERT).bind(event.at.0).bind(event.action.as_str()).bind(organization).bind(user);
    let insert = insert.bind(event.credential.as_str()).bind(event.related.as_ref().map(|id| id.as_str()));
    let insert = insert.bind(by).bind(by_id).bind(by_user).bind(event.origin.as_deref());
    Ok(insert.execute(db).await.map_err(failed)?.last_insert_rowid())
}
