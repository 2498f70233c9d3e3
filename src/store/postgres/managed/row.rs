//! The rows of management, in both directions. A row that makes no sense is [`StoreError::Corrupt`], and never a guess.

use sqlx::postgres::PgRow;

use crate::{
    clock::UnixMillis,
    manage::{Action, CredentialInfo, Event, Owner, Who},
    store::{
        StoreError,
        postgres::row::{expiry, get, own_standing},
    },
};

/// Reads a credential of `owner`.
pub(super) fn info(row: &PgRow, owner: &Owner) -> Result<CredentialInfo, StoreError> {
    let moment = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(UnixMillis));
    let id = |column| Ok::<_, StoreError>(get::<Option<&str>>(row, column)?.map(Into::into));
    let scopes: Option<Vec<String>> = get(row, "scopes")?;
    Ok(CredentialInfo {
        id: get::<&str>(row, "id")?.into(),
        owner: owner.clone(),
        name: get::<&str>(row, "name")?.into(),
        role: get::<Option<&str>>(row, "role")?.map(Into::into),
        scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        standing: own_standing(row)?,
        created_at: UnixMillis(get(row, "created_at")?),
        expires_at: expiry(row)?,
        last_used_at: moment("last_used_at")?,
        rotated_from: id("rotated_from")?,
        rotated_to: id("rotated_to")?,
        rotated_at: moment("rotated_at")?,
    })
}

/// Reads an event about a credential of `owner`.
pub(super) fn event(row: &PgRow, owner: &Owner) -> Result<Event, StoreError> {
    let by = Who::from_columns(get(row, "by_sort")?, get(row, "by_id")?, get(row, "by_user")?);
    Ok(Event {
        number: get(row, "number")?,
        at: UnixMillis(get(row, "at")?),
        action: Action::parse(get(row, "action")?).ok_or_else(|| StoreError::corrupt("unknown action"))?,
        owner: owner.clone(),
        credential: get::<&str>(row, "credential_id")?.into(),
        related: get::<Option<&str>>(row, "related_id")?.map(Into::into),
        by: by.ok_or_else(|| StoreError::corrupt("unknown kind of doer"))?,
        origin: get::<Option<&str>>(row, "origin")?.map(Into::into),
    })
}

/// Reads what [`Owner::columns`] gave.
pub(super) fn owner(row: &PgRow) -> Result<Owner, StoreError> {
    match (get::<Option<&str>>(row, "organization_id")?, get::<Option<&str>>(row, "user_id")?) {
        (Some(id), None) => Ok(Owner::Organization(id.into())),
        (None, Some(id)) => Ok(Owner::User(id.into())),
        _ => Err(StoreError::corrupt("not one owner")),
    }
}
