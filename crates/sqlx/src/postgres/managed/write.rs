//! Writing several rows at once, with an array for each column.

use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};

use super::{end::expect_ended, sql::Owned};
use crate::postgres::{
    row::{get, store_error},
    sql::Statement,
};
use crate::shared::{AttributeColumns, expect_rows, skipped};
use tower_api_key::{
    clock::UnixMillis,
    id::CredentialId,
    store::{
        AuditEvent, Owner, Status, StoreError,
        WriteError::{self, Changed},
        backend::Update,
    },
};

/// Makes updates of credentials that are still as they were read.
pub(super) async fn alter(
    db: &mut PgConnection,
    sql: &Owned,
    owner: &Owner,
    changes: &[Update],
) -> Result<(), WriteError> {
    if changes.is_empty() {
        return Ok(());
    }
    let alter = sql
        .alter
        .query()
        .bind(owner.id())
        .bind(column(changes, |change| change.before.id.as_str()))
        .bind(column(changes, |change| &*change.before.name))
        .bind(column(changes, |change| change.before.status.as_str()))
        .bind(column(changes, |change| millis(change.before.expires_at)))
        .bind(column(changes, |change| text(&change.before.rotated_to)))
        .bind(column(changes, |change| &*change.after.name))
        .bind(column(changes, |change| change.after.status.as_str()))
        .bind(column(changes, |change| millis(change.after.expires_at)))
        .bind(column(changes, |change| text(&change.after.rotated_to)))
        .bind(column(changes, |change| millis(change.after.rotated_at)));
    let [before, after] = [
        column(changes, |change| {
            AttributeColumns::of(&change.before.attributes)
        }),
        column(changes, |change| {
            AttributeColumns::of(&change.after.attributes)
        }),
    ];
    let alter = bind_attributes(bind_attributes(alter, before), after)
        .bind(column(changes, |change| millis(change.after.deleted_at)));
    let altered = alter.fetch_all(&mut *db).await.map_err(store_error)?;
    if altered.len() != changes.len() {
        return Err(Changed);
    }
    for row in &altered {
        if !get::<bool>(row, "made")? {
            return Err(skipped("credentials").into());
        }
    }
    let deleted: Vec<_> = changes
        .iter()
        .filter(|change| change.after.status == Status::Deleted)
        .map(|change| change.before.id.as_str())
        .collect();
    Ok(expect_ended(db, sql, &deleted, Status::Deleted).await?)
}

/// Inserts events in their order, and returns the numbers that they were given.
pub(super) async fn insert_events(
    db: &mut PgConnection,
    sql: &Statement,
    events: &[AuditEvent],
) -> Result<Vec<i64>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let actors = || events.iter().map(|event| event.by.columns());
    let insert = sql
        .query()
        .bind(column(events, |event| event.at.0))
        .bind(column(events, |event| event.action.as_str()))
        .bind(column(events, |event| event.owner.organization()))
        .bind(column(events, |event| event.owner.user()))
        .bind(column(events, |event| event.credential.as_str()))
        .bind(column(events, |event| text(&event.related)))
        .bind(actors().map(|actor| actor.kind).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.id).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.user).collect::<Vec<_>>())
        .bind(column(events, |event| event.origin.as_deref()));
    let attributes = column(events, |event| AttributeColumns::of(&event.attributes));
    let insert =
        bind_attributes(insert, attributes).bind(column(events, |event| millis(event.expires_at)));
    let rows = insert.fetch_all(db).await.map_err(store_error)?;
    expect_rows(rows.len() as u64, events.len(), "events")?;
    rows.iter().map(|row| get(row, "number")).collect()
}

/// Binds four arrays: description, metadata, networks and environment.
fn bind_attributes<'q>(
    query: Query<'q, Postgres, PgArguments>,
    items: Vec<AttributeColumns<'q>>,
) -> Query<'q, Postgres, PgArguments> {
    let (mut descriptions, mut metadata) = (Vec::new(), Vec::new());
    let (mut networks, mut environments) = (Vec::new(), Vec::new());
    for item in items {
        descriptions.push(item.description);
        metadata.push(item.metadata);
        networks.push(item.networks);
        environments.push(item.environment);
    }
    query
        .bind(descriptions)
        .bind(metadata)
        .bind(networks)
        .bind(environments)
}

/// Returns one value of each item, as an array to bind.
fn column<'a, T, V>(items: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    items.iter().map(value).collect()
}

pub(super) fn millis(moment: Option<UnixMillis>) -> Option<i64> {
    moment.map(|moment| moment.0)
}

pub(super) fn text(id: &Option<CredentialId>) -> Option<&str> {
    id.as_ref().map(CredentialId::as_str)
}
