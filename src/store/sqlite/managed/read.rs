//! One credential, the one that an idempotency key led to, and pages of them.

use sqlx::{FromRow, SqliteConnection};

use super::{
    super::row::{failed, there},
    ByOwner, of_owner,
};
use crate::{
    clock::UnixMillis,
    manage::{CredentialInfo, Owner, State},
    store::{ListQuery, Standing, StoreError},
};

macro_rules! infos {
    () => {
        "SELECT c.id, c.name, c.role, c.scopes, c.standing, c.created_at, c.expires_at, u.at AS last_used_at,
            c.rotated_from, c.rotated_to, c.rotated_at, c.request
        FROM tower_api_key_credentials c
        LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
        WHERE"
    };
}

pub(super) const ONE: &str =
    concat!(infos!(), " c.kind = ?1 AND c.id = ?2 AND c.organization_id IS ?3 AND c.user_id IS ?4");

pub(super) const ISSUED: ByOwner = of_owner!(infos!(), "AND c.idempotency_key = ?2");

/// As [`Filter::shows`](crate::manage::Filter::shows) says. A standing that is none of ours is in every list, so that it
/// is found out. Without a first one to leave behind, a moment and a blob stand for it, which come after everything.
pub(super) const PAGE: ByOwner = of_owner!(
    infos!(),
    "AND CASE c.standing
        WHEN 'active' THEN CASE WHEN c.expires_at <= ?2 THEN 'expired' ELSE 'active' END = ?3 OR ?3 IS NULL
        WHEN 'disabled' THEN ?3 = 'disabled' OR ?3 IS NULL
        WHEN 'deleted' THEN ?3 = 'deleted'
        ELSE 1
    END
    AND (?4 IS NULL OR c.expires_at < ?4)
    AND (?5 IS NULL OR coalesce(u.at, c.created_at) < ?5)
    AND (c.created_at, c.id) < (coalesce(?6, 9223372036854775807), coalesce(?7, x''))
    ORDER BY c.created_at DESC, c.id DESC LIMIT ?8"
);

// Names are optional although the schema says that they are there: the driver reads NULL into a `String` as "".
#[derive(FromRow)]
struct InfoRow {
    id: Option<String>,
    name: String,
    role: Option<String>,
    scopes: Option<String>,
    standing: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    rotated_from: Option<String>,
    rotated_to: Option<String>,
    rotated_at: Option<i64>,
    request: Option<Vec<u8>>,
}

impl InfoRow {
    fn info(self, owner: &Owner) -> Result<CredentialInfo, StoreError> {
        let scopes = self.scopes.as_deref().map(serde_json::from_str).transpose().map_err(StoreError::corrupt)?;
        Ok(CredentialInfo {
            id: there(self.id)?.into(),
            owner: owner.clone(),
            name: self.name.into(),
            role: self.role.map(Into::into),
            scopes,
            standing: Standing::of_word(&self.standing)?,
            created_at: UnixMillis(self.created_at),
            expires_at: self.expires_at.map(UnixMillis),
            last_used_at: self.last_used_at.map(UnixMillis),
            rotated_from: self.rotated_from.map(Into::into),
            rotated_to: self.rotated_to.map(Into::into),
            rotated_at: self.rotated_at.map(UnixMillis),
        })
    }
}

pub(super) async fn credential(
    db: &mut SqliteConnection,
    owner: &Owner,
    id: &str,
) -> Result<Option<CredentialInfo>, StoreError> {
    let (organization, user) = owner.columns();
    let query = sqlx::query_as(ONE).bind(owner.kind().as_str()).bind(id).bind(organization).bind(user);
    let row: Option<InfoRow> = query.fetch_optional(db).await.map_err(failed)?;
    row.map(|row| row.info(owner)).transpose()
}

pub(super) async fn issued_under(
    db: &mut SqliteConnection,
    owner: &Owner,
    key: &str,
) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
    let query = sqlx::query_as(ISSUED.of(owner)).bind(owner.id()).bind(key);
    let row: Option<InfoRow> = query.fetch_optional(db).await.map_err(failed)?;
    let Some(mut row) = row else { return Ok(None) };
    let request = row.request.take().and_then(|bytes| bytes.try_into().ok());
    let request = request.ok_or_else(|| StoreError::corrupt("the request does not have 32 bytes"))?;
    Ok(Some((row.info(owner)?, request)))
}

pub(super) async fn credentials(
    db: &mut SqliteConnection,
    owner: &Owner,
    query: &ListQuery,
) -> Result<Vec<CredentialInfo>, StoreError> {
    let state = query.filter.state.map(State::as_str);
    let (created_at, id) = query.after.as_ref().map(|(created_at, id)| (created_at.0, id.as_str())).unzip();
    let rows = sqlx::query_as(PAGE.of(owner)).bind(owner.id()).bind(query.now.0).bind(state);
    let rows = rows.bind(query.filter.expiring_before.map(|moment| moment.0));
    let rows = rows.bind(query.filter.unused_since.map(|moment| moment.0));
    let rows = rows.bind(created_at).bind(id).bind(i64::from(query.limit));
    let rows: Vec<InfoRow> = rows.fetch_all(db).await.map_err(failed)?;
    rows.into_iter().map(|row| row.info(owner)).collect()
}
