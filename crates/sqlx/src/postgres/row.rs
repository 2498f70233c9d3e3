//! The columns of a row, and what an error of the driver means.

use sqlx::{Row, error::DatabaseError, postgres::PgRow};

use super::PostgresStore;
use tower_api_key::{
    scope::is_scope_token,
    store::{
        StoreError,
        backend::{Columns, DigestPolicy, RecordReader},
    },
};

impl PostgresStore {
    pub(super) fn reader(&self) -> RecordReader<'_> {
        RecordReader::new(self.digests(), &self.catalogue)
    }

    /// Returns how digests are stored.
    pub(super) fn digests(&self) -> DigestPolicy<'_> {
        DigestPolicy::new(self.peppers.as_ref()).with_salted_digests(self.salted.as_ref())
    }
}

/// The columns of a row.
pub(super) struct PgColumns<'r>(pub(super) &'r PgRow);

impl Columns for PgColumns<'_> {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        get(self.0, column)
    }

    fn number(&self, column: &str) -> Result<Option<i64>, StoreError> {
        get(self.0, column)
    }

    fn flag(&self, column: &str) -> Result<Option<bool>, StoreError> {
        get(self.0, column)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        get(self.0, column)
    }

    /// A scope that the store would not write means a damaged record, which grants nothing.
    fn list(&self, column: &str) -> Result<Option<Vec<String>>, StoreError> {
        let list: Option<Vec<String>> = get(self.0, column)?;
        let has_scopes = matches!(column, "scopes" | "own_scopes");
        match has_scopes && list.iter().flatten().any(|scope| !is_scope_token(scope)) {
            true => Err(StoreError::corrupt(
                "a scope is not one of RFC 6749, section 3.3",
            )),
            false => Ok(list),
        }
    }

    fn pairs(&self, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
        crate::shared::pairs(self.text(column)?)
    }
}

pub(super) fn get<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<T, StoreError> {
    row.try_get(column).map_err(StoreError::corrupt)
}

/// Reads the kinds and the ids of credentials.
pub(super) fn names(rows: &[PgRow]) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let name = |row| Ok((get(row, "kind")?, get(row, "id")?));
    rows.iter().map(name).collect()
}

/// An error about a damaged page or value means one damaged record; every other error is an outage.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        sqlx::Error::Database(told) => {
            let error = ServerError::of(&**told);
            match error.code.as_deref() {
                // data_corrupted, index_corrupted
                Some("XX001" | "XX002") => StoreError::corrupt(error),
                _ => StoreError::unavailable(error),
            }
        }
        _ => StoreError::unavailable(error),
    }
}

/// An error of the server without its detail, hint and context, which quote rows and parameters,
/// digests included. The driver's own error shows them in its `Debug` output.
#[derive(Debug, thiserror::Error)]
#[error("error returned from database: {message}")]
struct ServerError {
    message: Box<str>,
    code: Option<Box<str>>,
    constraint: Option<Box<str>>,
    table: Option<Box<str>>,
}

impl ServerError {
    fn of(error: &dyn DatabaseError) -> Self {
        Self {
            message: error.message().into(),
            code: error.code().map(|code| (*code).into()),
            constraint: error.constraint().map(Into::into),
            table: error.table().map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::tests::told;

    #[test]
    fn a_damaged_page_or_value_is_one_damaged_record_and_all_else_an_outage() {
        for (error, is_corrupt) in [
            (told("XX001"), true),
            (told("XX002"), true),
            (told("XX000"), false),
            (told("57P01"), false),
            (sqlx::Error::Decode("no number".into()), true),
            (sqlx::Error::PoolTimedOut, false),
        ] {
            let shown = error.to_string();
            let told = store_error(error);
            assert_eq!(
                matches!(told, StoreError::Corrupt(_)),
                is_corrupt,
                "{shown}"
            );
        }
    }
}
