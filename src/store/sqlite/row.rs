//! The questions of a look-up, and the rows that answer them.
//!
//! A row that makes no sense is [`StoreError::Corrupt`] for its own credential, and never a guess.

use sqlx::SqliteConnection;

use crate::{
    clock::UnixMillis,
    principal::Catalogue,
    secret::Digest,
    store::{Record, Standing, StoreError},
};

const KEY: &str = "
    SELECT c.digest, c.standing, c.expires_at, c.organization_id, o.deleted, c.role, c.scopes
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_organizations o ON o.id = c.organization_id
    WHERE c.kind = 'org_key' AND c.id = ?1";

/// The membership counts only in an organization that lives.
const TOKEN: &str = "
    SELECT c.id, c.standing, c.expires_at, c.user_id, u.enabled, m.role
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_users u ON u.id = c.user_id
    LEFT JOIN tower_api_key_organizations o ON o.id = ?2 AND o.deleted = 0
    LEFT JOIN tower_api_key_memberships m ON m.user_id = c.user_id AND m.organization_id = o.id
    WHERE c.kind = 'pat' AND c.digest = ?1";

/// UNION drops what was seen before, so that it ends even when somebody wrote a ring of parents.
const DESCENDANT: &str = "
    WITH RECURSIVE above (id) AS (
        SELECT parent_id FROM tower_api_key_organizations WHERE id = ?1 AND deleted = 0
        UNION
        SELECT o.parent_id FROM tower_api_key_organizations o JOIN above a ON o.id = a.id
    )
    SELECT EXISTS (SELECT 1 FROM above WHERE id = ?2 AND id <> ?1)";

// Names are optional although the schema says that they are there: the driver reads NULL into a `String` as "".
type KeyRow = (Vec<u8>, String, Option<i64>, Option<String>, Option<i64>, Option<String>, Option<String>);
type TokenRow = (Option<String>, String, Option<i64>, Option<String>, Option<i64>, Option<String>);

/// Finds a key, with the state of its organization.
pub(super) async fn key(
    connection: &mut SqliteConnection,
    id: &[u8],
    catalogue: &Catalogue,
) -> Result<Option<Record>, StoreError> {
    let Ok(id) = std::str::from_utf8(id) else { return Ok(None) };
    let row: Option<KeyRow> = sqlx::query_as(KEY).bind(id).fetch_optional(connection).await.map_err(failed)?;
    let Some((digest, standing, expires_at, organization, deleted, role, scopes)) = row else { return Ok(None) };
    let standing = match (Standing::of_word(&standing)?, deleted) {
        (Standing::Active, None | Some(1..)) => Standing::OrganizationGone,
        (own, _) => own,
    };
    let digest: [u8; 32] = digest.try_into().map_err(|_| StoreError::corrupt("the digest does not have 32 bytes"))?;
    let key = Record::org_key(id, Digest::from_bytes(digest), there(organization)?);
    let key = key.with_standing(standing).expiring_at(expires_at.map(UnixMillis));
    granted(key, role.as_deref(), scopes.as_deref(), catalogue).map(Some)
}

/// Finds a token, with the state of its owner and the owner's membership in `organization`.
pub(super) async fn token(
    connection: &mut SqliteConnection,
    digest: &Digest,
    organization: Option<&str>,
    catalogue: &Catalogue,
) -> Result<Option<Record>, StoreError> {
    let query = sqlx::query_as(TOKEN).bind(digest.to_bytes().to_vec()).bind(organization);
    let row: Option<TokenRow> = query.fetch_optional(connection).await.map_err(failed)?;
    let Some((id, standing, expires_at, user, enabled, role)) = row else { return Ok(None) };
    let standing = match (Standing::of_word(&standing)?, enabled) {
        (Standing::Active, None | Some(0)) => Standing::OwnerGone,
        (own, _) => own,
    };
    let token = Record::personal_token(there(id)?, digest.clone(), there(user)?);
    let token = token.with_standing(standing).expiring_at(expires_at.map(UnixMillis));
    match (organization, role) {
        (Some(organization), Some(role)) => {
            granted(token.in_organization(organization), Some(&role), None, catalogue).map(Some)
        }
        _ => Ok(Some(token)),
    }
}

/// Tells whether `ancestor` is above a living `organization`.
pub(super) async fn is_descendant_of(
    connection: &mut SqliteConnection,
    organization: &str,
    ancestor: &str,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(DESCENDANT).bind(organization).bind(ancestor);
    Ok(query.fetch_one(connection).await.map_err(failed)? != 0)
}

/// Explicit scopes win over those of the role, as they do in a [`Record`].
fn granted(
    record: Record,
    role: Option<&str>,
    scopes: Option<&str>,
    catalogue: &Catalogue,
) -> Result<Record, StoreError> {
    let record = match role {
        Some(role) => record.with_role(role, catalogue).map_err(StoreError::corrupt)?,
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

fn there(name: Option<String>) -> Result<String, StoreError> {
    name.ok_or_else(|| StoreError::corrupt("a name is missing"))
}

/// What a value says that cannot be read is a damaged record; all else is an outage.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::corrupt(error),
        _ => StoreError::unavailable(error),
    }
}
