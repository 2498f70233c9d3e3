//! The columns of a row, and what an error of the driver means.

use sqlx::{Row, postgres::PgRow};

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
        DigestPolicy::new(self.peppers.as_ref())
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
    fn scopes(&self) -> Result<Option<Vec<String>>, StoreError> {
        let scopes: Option<Vec<String>> = get(self.0, "scopes")?;
        match scopes.iter().flatten().any(|scope| !is_scope_token(scope)) {
            true => Err(StoreError::corrupt(
                "a scope is not one of RFC 6749, section 3.3",
            )),
            false => Ok(scopes),
        }
    }
}

pub(super) fn get<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<T, StoreError> {
    row.try_get(column).map_err(StoreError::corrupt)
}

/// An error about a damaged page or value means one damaged record; every other error is an outage.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    // data_corrupted, index_corrupted
    let damaged = |code: &str| code == "XX001" || code == "XX002";
    match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        sqlx::Error::Database(told) if told.code().is_some_and(|code| damaged(&code)) => {
            StoreError::corrupt(error)
        }
        _ => StoreError::unavailable(error),
    }
}
