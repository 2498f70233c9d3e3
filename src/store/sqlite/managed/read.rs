//! One credential, the one that an idempotency key led to, and pages of them.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{super::row::failed, ByOwner, of_owner};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    store::{CredentialInfo, Owner, Standing, StoreError},
};

/// The columns that [`info_of`] reads, from the credentials `c`.
macro_rules! columns {
    () => {
        "c.id, c.name, c.role, c.scopes, c.standing, c.created_at, c.expires_at, u.at AS last_used_at,
            c.rotated_from, c.rotated_to, c.rotated_at, c.request"
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

/// Reads columns of a row that may be damaged: what cannot be read is left out, and noted.
struct Reader<'r> {
    row: &'r SqliteRow,
    damaged: bool,
}

impl Reader<'_> {
    fn text(&mut self, column: &str) -> Option<String> {
        self.noted(self.row.try_get(column).ok()).flatten()
    }

    fn moment(&mut self, column: &str) -> Option<UnixMillis> {
        let millis: Option<i64> = self.noted(self.row.try_get(column).ok()).flatten();
        millis.map(UnixMillis)
    }

    fn id(&mut self, column: &str) -> Option<CredentialId> {
        self.text(column).map(Into::into)
    }

    fn scopes(&mut self) -> Option<Box<[Box<str>]>> {
        let stored: Option<Option<String>> = self.noted(self.row.try_get("scopes").ok());
        // What cannot be read is none at all, rather than those of the role.
        let Some(stored) = stored else {
            return Some(Box::default());
        };
        self.noted(serde_json::from_str(&stored?).ok())
            .or_else(|| Some(Box::default()))
    }

    fn standing(&mut self) -> Standing {
        let word = self.text("standing").unwrap_or_default();
        // Whatever it is, it is not accepted.
        self.noted(Standing::of_word(&word).ok())
            .unwrap_or(Standing::Disabled)
    }

    fn noted<T>(&mut self, read: Option<T>) -> Option<T> {
        self.damaged |= read.is_none();
        read
    }
}

/// Reads the column `id`, and returns whether all of it could be read: one that is not UTF-8 can
/// still be told.
pub(super) fn id_of(row: &SqliteRow) -> Result<(CredentialId, bool), StoreError> {
    if let Ok(Some(id)) = row.try_get::<Option<String>, _>("id") {
        return Ok((id.into(), true));
    }
    let bytes: Vec<u8> = row.try_get("id").map_err(failed)?;
    Ok((CredentialId::from(&*String::from_utf8_lossy(&bytes)), false))
}

pub(super) fn info_of(row: &SqliteRow, owner: &Owner) -> Result<CredentialInfo, StoreError> {
    let (id, whole) = id_of(row)?;
    let mut reader = Reader {
        row,
        damaged: !whole,
    };
    let info = CredentialInfo {
        name: reader.text("name").unwrap_or_default().into(),
        role: reader.text("role").map(Into::into),
        scopes: reader.scopes(),
        standing: reader.standing(),
        created_at: reader.moment("created_at").unwrap_or(UnixMillis(0)),
        expires_at: reader.moment("expires_at"),
        last_used_at: reader.moment("last_used_at"),
        rotated_from: reader.id("rotated_from"),
        rotated_to: reader.id("rotated_to"),
        rotated_at: reader.moment("rotated_at"),
        ..CredentialInfo::new(id, owner.clone())
    };
    // The schema refuses it, and so it could not be written again.
    let lacks_rights = info.kind() == Kind::OrgKey && info.role.is_none() && info.scopes.is_none();
    Ok(CredentialInfo {
        damaged: reader.damaged || lacks_rights,
        ..info
    })
}

pub(super) async fn credential(
    db: &mut SqliteConnection,
    owner: &Owner,
    id: &str,
) -> Result<Option<CredentialInfo>, StoreError> {
    let (organization, user) = owner.columns();
    let query = sqlx::query(ONE)
        .bind(owner.kind().as_str())
        .bind(id)
        .bind(organization)
        .bind(user);
    let row = query.fetch_optional(db).await.map_err(failed)?;
    row.map(|row| info_of(&row, owner)).transpose()
}

pub(super) async fn issued_under(
    db: &mut SqliteConnection,
    owner: &Owner,
    key: &str,
) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
    let query = sqlx::query(ISSUED.of(owner)).bind(owner.id()).bind(key);
    let Some(row) = query.fetch_optional(db).await.map_err(failed)? else {
        return Ok(None);
    };
    let request: Option<Vec<u8>> = row.try_get("request").map_err(failed)?;
    let request = request.and_then(|bytes| bytes.try_into().ok());
    let request =
        request.ok_or_else(|| StoreError::corrupt("the request does not have 32 bytes"))?;
    Ok(Some((info_of(&row, owner)?, request)))
}
