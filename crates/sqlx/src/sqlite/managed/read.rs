//! Reading one credential, by its id or by the idempotency key that it was issued under.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::row::{SqliteColumns, store_error},
    ByOwner, of_owner,
};
use crate::shared::fingerprint;
use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    store::{
        CredentialInfo, Owner, StoreError,
        backend::{EarlierIssue, credential_info},
    },
};

/// The columns that [`info_of`] reads, from the credentials `c`.
macro_rules! columns {
    () => {
        "c.id, c.name, c.role, c.scopes, c.own_scopes, c.own_organizations, c.description, c.metadata,
            c.allowed_networks, c.environment, c.status, c.created_at, c.expires_at,
            coalesce(u.first_at, u.at) AS first_used_at, u.at AS last_used_at, u.last_address, u.last_user_agent,
            c.rotated_from, c.rotated_to, c.rotated_at, c.deleted_at, c.created_by_kind, c.created_by_id,
            c.created_by_user_id, c.request_hash"
    };
}
pub(super) use columns;

macro_rules! infos {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM tower_api_key_credentials c
            LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
            WHERE"
        )
    };
}

pub(super) const ONE: &str = concat!(
    infos!(),
    " c.kind = ?1 AND c.id = ?2 AND c.organization_id IS ?3 AND c.user_id IS ?4"
);

pub(super) const ISSUED: ByOwner = of_owner!(infos!(), "AND c.idempotency_key = ?2");

/// Reads the column `id`, and returns whether all of it could be read: an id that is not UTF-8 can
/// still be shown.
pub(super) fn id_of(row: &SqliteRow) -> Result<(CredentialId, bool), StoreError> {
    if let Ok(Some(id)) = row.try_get::<Option<String>, _>("id") {
        return Ok((id.into(), true));
    }
    let bytes: Vec<u8> = row.try_get("id").map_err(store_error)?;
    Ok((CredentialId::from(&*String::from_utf8_lossy(&bytes)), false))
}

pub(super) fn info_of(row: &SqliteRow, owner: &Owner) -> Result<CredentialInfo, StoreError> {
    let (id, whole) = id_of(row)?;
    let mut info = credential_info(&SqliteColumns(row), id, owner);
    // The schema refuses such a row, so it could not be written again.
    let lacks_rights = info.kind() == Kind::OrgKey && info.role.is_none() && info.scopes.is_none();
    info.damaged |= !whole || lacks_rights;
    Ok(info)
}

pub(super) async fn credential(
    db: &mut SqliteConnection,
    owner: &Owner,
    id: &str,
) -> Result<Option<CredentialInfo>, StoreError> {
    let (organization, user) = (owner.organization(), owner.user());
    let query = sqlx::query(ONE)
        .bind(owner.kind().as_str())
        .bind(id)
        .bind(organization)
        .bind(user);
    let row = query.fetch_optional(db).await.map_err(store_error)?;
    row.map(|row| info_of(&row, owner)).transpose()
}

pub(super) async fn issued_under(
    db: &mut SqliteConnection,
    owner: &Owner,
    key: &str,
) -> Result<Option<EarlierIssue>, StoreError> {
    let query = sqlx::query(ISSUED.of(owner)).bind(owner.id()).bind(key);
    let Some(row) = query.fetch_optional(db).await.map_err(store_error)? else {
        return Ok(None);
    };
    let fingerprint = fingerprint(row.try_get("request_hash").map_err(store_error)?)?;
    Ok(Some(EarlierIssue::new(info_of(&row, owner)?, fingerprint)))
}
