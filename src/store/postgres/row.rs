//! The rows of a look-up become records.
//!
//! A row that makes no sense is [`StoreError::Corrupt`] for its own credential, and never a guess.

use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    clock::UnixMillis,
    scope::is_scope_token,
    secret::{Digest, Peppers},
    store::{Record, Standing, StoreError},
};

impl PostgresStore {
    /// Reads what `find_key` answers.
    pub(super) fn key(&self, row: &PgRow, id: &str) -> Result<Record, StoreError> {
        let organization: &str = get(row, "organization_id")?;
        let standing = match (own_standing(row)?, get(row, "deleted")?) {
            (Standing::Active, None | Some(true)) => Standing::OrganizationGone,
            (own, _) => own,
        };
        let key = Record::org_key(id, digest(row)?, organization).with_standing(standing);
        let key = key
            .kept_under(self.peppers.as_ref(), get(row, "pepper")?)?
            .expiring_at(expiry(row)?);
        let key = key.rotated(get(row, "rotated")?);
        let key = match get::<Option<&str>>(row, "role")? {
            Some(role) => key
                .with_role(role, &self.catalogue)
                .map_err(StoreError::corrupt)?,
            None => key,
        };
        // Explicit scopes win over those of the role, as they do in a `Record`.
        match scopes(row)? {
            Some(scopes) => Ok(key.with_scopes(self.catalogue.expand(scopes))),
            None => Ok(key),
        }
    }

    /// Reads what `find_token` answers about the token with the digest `presented`.
    pub(super) fn token(
        &self,
        row: &PgRow,
        presented: &Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        Peppers::confirm(
            self.peppers.as_ref(),
            &digest(row)?,
            get(row, "pepper")?,
            presented,
        )?;
        // It was found by its digest, which says that it is the token; so the record has the plain one.
        self.token_of(row, presented.clone(), organization)
    }

    /// Reads a token, whatever it was found by.
    pub(super) fn token_of(
        &self,
        row: &PgRow,
        digest: Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let standing = match (own_standing(row)?, get(row, "disabled")?) {
            (Standing::Active, None | Some(true)) => Standing::OwnerGone,
            (own, _) => own,
        };
        let token = Record::personal_token(
            get::<&str>(row, "id")?,
            digest,
            get::<&str>(row, "user_id")?,
        );
        let token = token.outdated(Peppers::is_outdated(
            self.peppers.as_ref(),
            get(row, "pepper")?,
        ));
        let token = token
            .with_standing(standing)
            .expiring_at(expiry(row)?)
            .rotated(get(row, "rotated")?);
        match (organization, get::<Option<&str>>(row, "role")?) {
            (Some(organization), Some(role)) => token
                .in_organization(organization)
                .with_role(role, &self.catalogue)
                .map_err(StoreError::corrupt),
            _ => Ok(token),
        }
    }
}

pub(super) fn digest(row: &PgRow) -> Result<Digest, StoreError> {
    let bytes: &[u8] = get(row, "digest")?;
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("the digest does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

pub(super) fn expiry(row: &PgRow) -> Result<Option<UnixMillis>, StoreError> {
    Ok(get::<Option<i64>>(row, "expires_at")?.map(UnixMillis))
}

pub(super) fn own_standing(row: &PgRow) -> Result<Standing, StoreError> {
    Standing::of_word(get(row, "standing")?)
}

/// Reads explicit scopes: what no writer of ours writes is damage, and grants nothing.
pub(super) fn scopes(row: &PgRow) -> Result<Option<Vec<String>>, StoreError> {
    let scopes: Option<Vec<String>> = get(row, "scopes")?;
    match scopes.iter().flatten().any(|scope| !is_scope_token(scope)) {
        true => Err(StoreError::corrupt(
            "a scope is not one of RFC 6749, section 3.3",
        )),
        false => Ok(scopes),
    }
}

pub(super) fn get<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<T, StoreError> {
    row.try_get(column).map_err(StoreError::corrupt)
}

/// What the database says of a damaged page or value is about one record; all else is an outage.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    let damaged = |code: &str| code == "XX001" || code == "XX002"; // data_corrupted, index_corrupted
    match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        sqlx::Error::Database(told) if told.code().is_some_and(|code| damaged(&code)) => {
            StoreError::corrupt(error)
        }
        _ => StoreError::unavailable(error),
    }
}
