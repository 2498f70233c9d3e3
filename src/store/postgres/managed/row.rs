//! The rows of management.
//!
//! A row that makes no sense is [`StoreError::Corrupt`] for the question that meets it, and never a guess.

use sqlx::{Row, postgres::PgRow};

use super::super::row::{get, own_standing};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Action, CredentialInfo, Event, Owner, Who},
    principal::CredentialId,
    store::{StoreError, Use, managed::Used},
};

pub(super) fn info(owner: &Owner, row: &PgRow) -> Result<CredentialInfo, StoreError> {
    let id_in = |column| Ok::<_, StoreError>(get::<Option<&str>>(row, column)?.map(CredentialId::from));
    let moment_in = |column| Ok::<_, StoreError>(get::<Option<i64>>(row, column)?.map(UnixMillis));
    let scopes: Option<Vec<String>> = get(row, "scopes")?;
    Ok(CredentialInfo {
        id: get::<&str>(row, "id")?.into(),
        owner: owner.clone(),
        name: get::<&str>(row, "name")?.into(),
        role: get::<Option<&str>>(row, "role")?.map(Into::into),
        scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        standing: own_standing(row)?,
        created_at: UnixMillis(get(row, "created_at")?),
        expires_at: moment_in("expires_at")?,
        last_used_at: moment_in("used_at")?,
        rotated_from: id_in("rotated_from")?,
        rotated_to: id_in("rotated_to")?,
        rotated_at: moment_in("rotated_at")?,
    })
}

/// The fingerprint of the request that an idempotency key came with.
pub(super) fn request(row: &PgRow) -> Result<[u8; 32], StoreError> {
    let bytes: Option<&[u8]> = get(row, "request")?;
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| StoreError::corrupt("the fingerprint does not have 32 bytes"))
}

pub(super) fn event(owner: &Owner, row: &PgRow) -> Result<Event, StoreError> {
    let by = Who::from_columns(get(row, "by_sort")?, get(row, "by_id")?, get(row, "by_user")?);
    Ok(Event {
        number: get(row, "number")?,
        at: UnixMillis(get(row, "at")?),
        action: Action::parse(get(row, "action")?).ok_or_else(|| StoreError::corrupt("unknown action"))?,
        owner: owner.clone(),
        credential: get::<&str>(row, "credential_id")?.into(),
        related: get::<Option<&str>>(row, "related_id")?.map(Into::into),
        by: by.ok_or_else(|| StoreError::corrupt("unknown actor"))?,
        origin: get::<Option<&str>>(row, "origin")?.map(Into::into),
    })
}

/// A use, and what is known of the credential.
pub(super) fn used(row: &PgRow) -> Result<(Use, Used), StoreError> {
    let (kind, owner) = match get::<&str>(row, "kind")? {
        "org_key" => (Kind::OrgKey, "organization_id"),
        _ => (Kind::PersonalToken, "user_id"),
    };
    let rotated_to = get::<Option<&str>>(row, "rotated_to")?.map(CredentialId::from);
    let known = Used {
        owner: Owner::of(kind, get(row, owner)?),
        recorded: get::<Option<i64>>(row, "recorded")?.map(UnixMillis),
        rotated: rotated_to.zip(get::<Option<i64>>(row, "rotated_at")?.map(UnixMillis)),
    };
    Ok((Use { kind, id: get::<&str>(row, "id")?.into(), at: UnixMillis(get(row, "at")?) }, known))
}

/// Reads the only column of the only row.
pub(super) fn number(row: &PgRow) -> Result<i64, StoreError> {
    row.try_get(0).map_err(super::super::row::failed)
}
