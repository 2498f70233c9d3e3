//! The statements of a lookup, and the columns of a row.

use std::sync::Arc;

use sqlx::{
    AssertSqlSafe, Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::SqliteStore;
use tower_api_key::{
    secret::Digest,
    store::{
        Record, StoreError, WriteError,
        backend::{ActorState, Columns, DigestPolicy, RecordReader, read_digest},
    },
};

const KEY: &str = "
    SELECT c.digest, c.pepper, c.status, c.expires_at, c.organization_id, o.deleted, c.role,
        c.scopes, c.rotated_to IS NOT NULL AS rotated, c.description, c.metadata,
        c.allowed_networks, c.environment,
        c.name || ' ' || coalesce(c.rotated_from, '') || ' ' || coalesce(c.rotated_to, '') AS rest
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_organizations o ON o.id = c.organization_id
    WHERE c.kind = 'org_key' AND c.id = ?1";

/// A membership counts only if organization `?1` is not deleted.
macro_rules! token {
    ($from:literal) => {
        concat!(
            "SELECT c.digest, c.id, c.pepper, c.status, c.expires_at, c.user_id, u.enabled, m.role,
                c.own_scopes, c.own_organizations, c.rotated_to IS NOT NULL AS rotated,
                c.description, c.metadata, c.allowed_networks, c.environment,
                c.name || ' ' || coalesce(c.rotated_from, '') || ' ' || coalesce(c.rotated_to, '')
                    AS rest
            FROM tower_api_key_credentials c ",
            $from,
            " LEFT JOIN tower_api_key_users u ON u.id = c.user_id
            LEFT JOIN tower_api_key_organizations o ON o.id = ?1 AND o.deleted = 0
            LEFT JOIN tower_api_key_memberships m
                ON m.user_id = c.user_id AND m.organization_id = o.id
            WHERE c.kind = 'pat'"
        )
    };
}

/// Returns the statement that finds a token by one of several digests, `?2` and the following. It
/// names the index: without statistics SQLite would scan all tokens instead of looking up three
/// digests.
pub(super) fn token_query(digests: usize) -> String {
    let digests = (0..digests)
        .map(|number| format!("?{}", number + 2))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "{} AND c.digest IN ({digests})",
        token!("INDEXED BY tower_api_key_tokens_by_digest")
    )
}

const TOKEN_BY_ID: &str = concat!(token!(""), " AND c.id = ?2");

const USER: &str = "
    SELECT u.enabled, m.role FROM tower_api_key_users u
    LEFT JOIN tower_api_key_organizations o ON o.id = ?1 AND o.deleted = 0
    LEFT JOIN tower_api_key_memberships m ON m.user_id = u.id AND m.organization_id = o.id
    WHERE u.id = ?2";

/// Walks up through organizations that are not deleted. UNION drops the ones already seen, so it
/// ends even if a row makes the parents a ring.
const DESCENDANT: &str = "
    WITH RECURSIVE above (id) AS (
        SELECT p.id FROM tower_api_key_organizations o
            JOIN tower_api_key_organizations p ON p.id = o.parent_id
        WHERE o.id = ?1 AND o.deleted = 0 AND p.deleted = 0
        UNION
        SELECT p.id FROM above a JOIN tower_api_key_organizations o ON o.id = a.id
            JOIN tower_api_key_organizations p ON p.id = o.parent_id
        WHERE p.deleted = 0
    )
    SELECT EXISTS (SELECT 1 FROM above WHERE id = ?2 AND id <> ?1)";

impl SqliteStore {
    fn reader(&self) -> RecordReader<'_> {
        RecordReader::new(self.digests(), &self.catalogue)
    }

    /// Returns how digests are stored.
    pub(super) fn digests(&self) -> DigestPolicy<'_> {
        DigestPolicy::new(self.peppers.as_ref()).with_salted_digests(self.salted.as_ref())
    }

    /// Finds a key, with the state of its organization.
    pub(super) async fn key(
        &self,
        db: &mut SqliteConnection,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        let Some(row) = fetch(sqlx::query(KEY).bind(id), db).await? else {
            return Ok(None);
        };
        let columns = SqliteColumns(&row);
        if columns.text("role")?.is_none() && columns.text("scopes")?.is_none() {
            return Err(StoreError::corrupt("a key has neither a role nor scopes"));
        }
        self.reader().key(&columns, id).map(Some)
    }

    /// Finds a token, with the state of its owner and the owner's membership in `organization`.
    pub(super) async fn token(
        &self,
        db: &mut SqliteConnection,
        digest: &Digest,
        organization: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let mut query =
            sqlx::query(AssertSqlSafe(Arc::clone(&self.token_query))).bind(organization);
        for candidate in self.digests().candidates(digest) {
            query = query.bind(candidate.to_bytes().to_vec());
        }
        let row = fetch(query, db).await?;
        row.map(|row| {
            self.reader()
                .token(&SqliteColumns(&row), digest, organization)
        })
        .transpose()
    }

    /// Finds a token by its public id. The record is not one to verify a token with.
    pub(super) async fn token_by_id(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        organization: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let query = sqlx::query(TOKEN_BY_ID).bind(organization).bind(id);
        let row = fetch(query, db).await?;
        row.map(|row| {
            let columns = SqliteColumns(&row);
            let digest = read_digest(columns.bytes("digest")?)?;
            self.reader().token_with(&columns, digest, organization)
        })
        .transpose()
    }

    /// Finds a user, with their membership in `organization` unless that is deleted.
    pub(super) async fn user(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        organization: Option<&str>,
    ) -> Result<Option<ActorState>, StoreError> {
        let query = sqlx::query(USER).bind(organization).bind(id);
        let row = query.fetch_optional(db).await.map_err(store_error)?;
        row.map(|row| self.reader().user(&SqliteColumns(&row), organization))
            .transpose()
    }
}

/// Fetches the row of a credential. A row with unreadable text is damaged, here as in lists, even
/// if a lookup does not need that text.
async fn fetch(
    query: Query<'_, Sqlite, SqliteArguments>,
    db: &mut SqliteConnection,
) -> Result<Option<SqliteRow>, StoreError> {
    let row = query.fetch_optional(db).await.map_err(store_error)?;
    if let Some(row) = &row {
        SqliteColumns(row).text("rest")?;
    }
    Ok(row)
}

/// Returns whether `ancestor` is above `organization`, and neither is deleted.
pub(super) async fn is_descendant_of(
    connection: &mut SqliteConnection,
    organization: &str,
    ancestor: &str,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(DESCENDANT)
        .bind(organization)
        .bind(ancestor);
    Ok(query.fetch_one(connection).await.map_err(store_error)? != 0)
}

/// The columns of a row.
pub(super) struct SqliteColumns<'r>(pub(super) &'r SqliteRow);

impl Columns for SqliteColumns<'_> {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.0.try_get(column).map_err(store_error)
    }

    fn number(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.0.try_get(column).map_err(store_error)
    }

    fn flag(&self, column: &str) -> Result<Option<bool>, StoreError> {
        match self.number(column)? {
            None => Ok(None),
            Some(flag @ (0 | 1)) => Ok(Some(flag == 1)),
            Some(_) => Err(StoreError::corrupt(format!(
                "`{column}` is neither 0 nor 1"
            ))),
        }
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.0.try_get(column).map_err(store_error)
    }

    fn list(&self, column: &str) -> Result<Option<Vec<String>>, StoreError> {
        let list = self.text(column)?;
        list.map(|list| serde_json::from_str(&list).map_err(StoreError::corrupt))
            .transpose()
    }

    fn pairs(&self, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
        crate::shared::pairs(self.text(column)?)
    }

    fn lossy_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.text(column).or_else(|_| {
            let bytes = self.bytes(column)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        })
    }
}

/// Returns `otherwise` if a statement changed no row.
pub(super) fn expect_changed(
    changed: u64,
    otherwise: impl FnOnce() -> WriteError,
) -> Result<(), WriteError> {
    if changed == 0 {
        Err(otherwise())
    } else {
        Ok(())
    }
}

/// A value that cannot be decoded means a damaged record; every other error is an outage.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        _ => StoreError::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_api_key::scope::Catalogue;

    #[tokio::test]
    async fn a_token_is_found_by_the_index_of_digests_however_many_it_may_have() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        for digests in 1..=4 {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", token_query(digests)));
            let plan = sqlx::query(explain).fetch_all(&store.pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            let by_index = "SEARCH c USING INDEX tower_api_key_tokens_by_digest (digest=?";
            assert!(
                steps.iter().any(|step| step.starts_with(by_index)),
                "{digests}: {steps:#?}"
            );
            assert!(
                !steps.iter().any(|step| step.starts_with("SCAN")),
                "{digests}: {steps:#?}"
            );
        }
    }
}
