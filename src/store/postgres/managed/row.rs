//! The rows of management. What cannot be read of a credential is marked; an event that makes no sense is
//! [`StoreError::Corrupt`]. Neither is ever a guess.

use sqlx::postgres::PgRow;

use crate::{
    clock::UnixMillis,
    store::{
        Action, CredentialInfo, Event, Owner, Standing, StoreError, Who,
        postgres::row::{get, own_standing, scopes},
    },
};

/// Reads a credential of `owner`. What cannot be read of it is left out, and it is marked as damaged.
pub(super) fn info(row: &PgRow, owner: &Owner) -> Result<CredentialInfo, StoreError> {
    let mut damaged = false;
    let name = or_none(get::<&str>(row, "name").map(Some), &mut damaged);
    let role = or_none(get::<Option<&str>>(row, "role"), &mut damaged);
    let standing = or_none(own_standing(row).map(Some), &mut damaged);
    let scopes = scopes(row).unwrap_or_else(|_| {
        damaged = true;
        Some(Vec::new()) // none at all, rather than those of the role
    });
    let mut moment =
        |column| or_none(get::<Option<i64>>(row, column), &mut damaged).map(UnixMillis);
    let (created_at, expires_at) = (moment("created_at"), moment("expires_at"));
    let (last_used_at, rotated_at) = (moment("last_used_at"), moment("rotated_at"));
    let mut id = |column| or_none(get::<Option<&str>>(row, column), &mut damaged).map(Into::into);
    let (rotated_from, rotated_to) = (id("rotated_from"), id("rotated_to"));
    Ok(CredentialInfo {
        id: get::<&str>(row, "id")?.into(),
        owner: owner.clone(),
        name: name.unwrap_or_default().into(),
        role: role.map(Into::into),
        scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        standing: standing.unwrap_or(Standing::Disabled),
        created_at: created_at.unwrap_or(UnixMillis(0)),
        expires_at,
        last_used_at,
        rotated_from,
        rotated_to,
        rotated_at,
        damaged,
    })
}

fn or_none<T>(read: Result<Option<T>, StoreError>, damaged: &mut bool) -> Option<T> {
    read.unwrap_or_else(|_| {
        *damaged = true;
        None
    })
}

/// Reads an event about a credential of `owner`. Words that are none of ours leave the rest of it, and of the trail, readable.
pub(super) fn event(row: &PgRow, owner: &Owner) -> Result<Event, StoreError> {
    let by = Who::from_columns(
        get(row, "by_sort")?,
        get(row, "by_id")?,
        get(row, "by_user")?,
    );
    Ok(Event {
        number: get(row, "number")?,
        at: UnixMillis(get(row, "at")?),
        action: Action::parse(get(row, "action")?).unwrap_or(Action::Unknown),
        owner: owner.clone(),
        credential: get::<&str>(row, "credential_id")?.into(),
        related: get::<Option<&str>>(row, "related_id")?.map(Into::into),
        by: by.unwrap_or(Who::Unknown),
        origin: get::<Option<&str>>(row, "origin")?.map(Into::into),
    })
}

/// Reads what [`Owner::columns`] gave.
pub(super) fn owner(row: &PgRow) -> Result<Owner, StoreError> {
    match (
        get::<Option<&str>>(row, "organization_id")?,
        get::<Option<&str>>(row, "user_id")?,
    ) {
        (Some(id), None) => Ok(Owner::Organization(id.into())),
        (None, Some(id)) => Ok(Owner::User(id.into())),
        _ => Err(StoreError::corrupt("not one owner")),
    }
}
