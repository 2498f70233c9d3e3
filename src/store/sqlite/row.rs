//! The questions of a look-up, and the rows that answer them.
//!
//! A row that makes no sense is [`StoreError::Corrupt`] for its own credential, and never a guess.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::SqliteStore;
use crate::{
    clock::UnixMillis,
    principal::Catalogue,
    secret::{Digest, Peppers},
    store::{Record, Standing, StoreError},
};

const KEY: &str = "
    SELECT c.digest, c.pepper, c.standing, c.expires_at, c.organization_id, o.deleted, c.role, c.scopes,
        c.rotated_to IS NOT NULL,
        c.name || ' ' || coalesce(c.rotated_from, '') || ' ' || coalesce(c.rotated_to, '')
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_organizations o ON o.id = c.organization_id
    WHERE c.kind = 'org_key' AND c.id = ?1";

/// The membership counts only in an organization that lives, `?1`.
macro_rules! token {
    ($from:literal) => {
        concat!(
            "SELECT c.digest, c.id, c.pepper, c.standing, c.expires_at, c.user_id, u.enabled, m.role,
                c.rotated_to IS NOT NULL,
                c.name || ' ' || coalesce(c.rotated_from, '') || ' ' || coalesce(c.rotated_to, '')
            FROM tower_api_key_credentials c ",
            $from,
            " LEFT JOIN tower_api_key_users u ON u.id = c.user_id
            LEFT JOIN tower_api_key_organizations o ON o.id = ?1 AND o.deleted = 0
            LEFT JOIN tower_api_key_memberships m ON m.user_id = c.user_id AND m.organization_id = o.id
            WHERE c.kind = 'pat'"
        )
    };
}

/// What finds a token by one of several digests, `?2` and those behind it. The index is named, since without statistics SQLite
/// would rather walk through all tokens than look for three digests.
pub(super) fn find_token(digests: usize) -> String {
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

/// Walks upwards through living organizations. UNION drops what was seen before, so that it ends
/// even when somebody wrote a ring of parents.
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

/// Text that a lookup does not need. A credential of which it cannot be read is damaged, here as in lists.
type Unneeded = String;

// Names are optional although the schema says that they are there: the driver reads NULL into a `String` as "".
type KeyRow = (
    Vec<u8>,
    Option<String>,
    String,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    bool,
    Unneeded,
);
type TokenRow = (
    Vec<u8>,
    Option<String>,
    Option<String>,
    String,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    bool,
    Unneeded,
);

impl SqliteStore {
    /// Finds a key, with the state of its organization.
    pub(super) async fn key(
        &self,
        db: &mut SqliteConnection,
        id: &[u8],
    ) -> Result<Option<Record>, StoreError> {
        let Ok(id) = std::str::from_utf8(id) else {
            return Ok(None);
        };
        let row: Option<KeyRow> = sqlx::query_as(KEY)
            .bind(id)
            .fetch_optional(db)
            .await
            .map_err(failed)?;
        let Some((
            digest,
            pepper,
            standing,
            expires_at,
            organization,
            deleted,
            role,
            scopes,
            rotated,
            _,
        )) = row
        else {
            return Ok(None);
        };
        let standing = match (Standing::of_word(&standing)?, deleted) {
            (Standing::Active, None | Some(1)) => Standing::OrganizationGone,
            (own, None | Some(0 | 1)) => own,
            _ => return Err(StoreError::corrupt("`deleted` is neither 0 nor 1")),
        };
        let key = Record::org_key(id, stored_digest(digest)?, there(organization)?)
            .with_standing(standing);
        let key = key
            .kept_under(self.peppers.as_ref(), pepper.as_deref())?
            .rotated(rotated);
        let key = key.expiring_at(expires_at.map(UnixMillis));
        granted(key, role.as_deref(), scopes.as_deref(), &self.catalogue).map(Some)
    }

    /// Finds a token, with the state of its owner and the owner's membership in `organization`.
    pub(super) async fn token(
        &self,
        db: &mut SqliteConnection,
        digest: &Digest,
        organization: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let peppers = self.peppers.as_ref();
        let mut query =
            sqlx::query_as(AssertSqlSafe(Arc::clone(&self.find_token))).bind(organization);
        for candidate in Peppers::candidates(peppers, digest) {
            query = query.bind(candidate.to_bytes().to_vec());
        }
        let row: Option<TokenRow> = query.fetch_optional(db).await.map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let pepper = row.2.as_deref();
        Peppers::confirm(peppers, &stored_digest(row.0.clone())?, pepper, digest)?;
        // It was found by its digest, which says that it is the token; so the record has the plain one.
        let outdated = Peppers::is_outdated(peppers, pepper);
        Ok(Some(
            self.token_record(row, digest.clone(), organization)?
                .outdated(outdated),
        ))
    }

    /// The same by its public id. The record is not one to verify a token by.
    pub(super) async fn token_by_id(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        organization: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let row = sqlx::query_as(TOKEN_BY_ID)
            .bind(organization)
            .bind(id)
            .fetch_optional(db)
            .await;
        let Some(row) = row.map_err(failed)? else {
            return Ok(None);
        };
        let row: TokenRow = row;
        let digest = stored_digest(row.0.clone())?;
        self.token_record(row, digest, organization).map(Some)
    }

    fn token_record(
        &self,
        row: TokenRow,
        digest: Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let (_, id, _, standing, expires_at, user, enabled, role, rotated, _) = row;
        let standing = match (Standing::of_word(&standing)?, enabled) {
            (Standing::Active, None | Some(0)) => Standing::OwnerGone,
            (own, None | Some(0 | 1)) => own,
            _ => return Err(StoreError::corrupt("`enabled` is neither 0 nor 1")),
        };
        let token = Record::personal_token(there(id)?, digest, there(user)?).rotated(rotated);
        let token = token
            .with_standing(standing)
            .expiring_at(expires_at.map(UnixMillis));
        match (organization, role) {
            (Some(organization), Some(role)) => granted(
                token.in_organization(organization),
                Some(&role),
                None,
                &self.catalogue,
            ),
            _ => Ok(token),
        }
    }

    /// Finds whether a user is enabled, and with which role they are a member of a living `organization`.
    pub(super) async fn user(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        organization: Option<&str>,
    ) -> Result<Option<(bool, Option<String>)>, StoreError> {
        let row = sqlx::query_as(USER)
            .bind(organization)
            .bind(id)
            .fetch_optional(db)
            .await;
        let row: Option<(i64, Option<String>)> = row.map_err(failed)?;
        match row {
            Some((enabled @ (0 | 1), role)) => Ok(Some((enabled == 1, role))),
            Some(_) => Err(StoreError::corrupt("`enabled` is neither 0 nor 1")),
            None => Ok(None),
        }
    }
}

pub(super) fn stored_digest(bytes: Vec<u8>) -> Result<Digest, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("the digest does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// Tells whether `ancestor` is above a living `organization`.
pub(super) async fn is_descendant_of(
    connection: &mut SqliteConnection,
    organization: &str,
    ancestor: &str,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(DESCENDANT)
        .bind(organization)
        .bind(ancestor);
    Ok(query.fetch_one(connection).await.map_err(failed)? != 0)
}

/// Explicit scopes win over those of the role, as they do in a [`Record`].
fn granted(
    record: Record,
    role: Option<&str>,
    scopes: Option<&str>,
    catalogue: &Catalogue,
) -> Result<Record, StoreError> {
    if role.is_none() && scopes.is_none() {
        return Err(StoreError::corrupt("a key has neither a role nor scopes"));
    }
    let record = match role {
        Some(role) => record
            .with_role(role, catalogue)
            .map_err(StoreError::corrupt)?,
        None => record,
    };
    match scopes {
        Some(scopes) => {
            let scopes: Vec<String> = serde_json::from_str(scopes).map_err(StoreError::corrupt)?;
            Ok(record.with_scopes(catalogue.expand(scopes)))
        }
        None => Ok(record),
    }
}

pub(super) fn there(name: Option<String>) -> Result<String, StoreError> {
    name.ok_or_else(|| StoreError::corrupt("a name is missing"))
}

/// What a value says that cannot be read is a damaged record; all else is an outage.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        _ => StoreError::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn a_token_is_found_by_the_index_of_digests_however_many_it_may_have() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        for digests in 1..=4 {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", find_token(digests)));
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
