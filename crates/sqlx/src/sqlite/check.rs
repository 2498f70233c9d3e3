//! Does the database do what a store relies on?

use sqlx::{FromRow, SqliteConnection};

use super::{SqliteStore, open::SetupError};
use tower_api_key::store::StoreError;

/// What the schema consists of, beside the tables, which every statement would miss. Whoever
/// imports much may drop an index or a trigger and forget it: nothing fails, but changes are not
/// logged, or refused.
const OBJECTS: [&str; 43] = [
    "tower_api_key_changes_kept",
    "tower_api_key_changes_numbers_kept",
    "tower_api_key_changes_pruned",
    "tower_api_key_credential_deleted",
    "tower_api_key_credential_inserted",
    "tower_api_key_credential_inserted_sound",
    "tower_api_key_credential_replaced_by_insert",
    "tower_api_key_credential_replaced_by_update",
    "tower_api_key_credential_updated",
    "tower_api_key_credential_updated_sound",
    "tower_api_key_events_by_user",
    "tower_api_key_events_kept",
    "tower_api_key_events_numbers_kept",
    "tower_api_key_events_of_organization",
    "tower_api_key_events_of_user",
    "tower_api_key_keys_by_end",
    "tower_api_key_keys_by_idempotency",
    "tower_api_key_keys_deleted",
    "tower_api_key_keys_living",
    "tower_api_key_membership_deleted",
    "tower_api_key_membership_inserted",
    "tower_api_key_membership_updated",
    "tower_api_key_memberships_by_organization",
    "tower_api_key_organization_deleted",
    "tower_api_key_organization_id_kept",
    "tower_api_key_organization_inserted",
    "tower_api_key_organization_kept",
    "tower_api_key_organization_new",
    "tower_api_key_organization_references",
    "tower_api_key_organization_updated",
    "tower_api_key_organizations_by_parent",
    "tower_api_key_tokens_by_digest",
    "tower_api_key_tokens_by_end",
    "tower_api_key_tokens_by_idempotency",
    "tower_api_key_tokens_deleted",
    "tower_api_key_tokens_living",
    "tower_api_key_user_deleted",
    "tower_api_key_user_id_kept",
    "tower_api_key_user_inserted",
    "tower_api_key_user_kept",
    "tower_api_key_user_new",
    "tower_api_key_user_references",
    "tower_api_key_user_updated",
];

const MISSING: &str = "
    SELECT value FROM json_each(?1)
    WHERE value NOT IN (SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view'))";

/// Returns what is missing of the schema.
pub(super) async fn missing_objects(db: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let names = serde_json::Value::from_iter(OBJECTS).to_string();
    sqlx::query_scalar(MISSING).bind(names).fetch_all(db).await
}

/// What is looked at whenever a database is opened.
const PRAGMAS: &str = "
    SELECT (SELECT encoding FROM pragma_encoding) AS encoding,
        (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode";

#[derive(FromRow)]
struct Pragmas {
    encoding: String,
    journal_mode: String,
}

/// Looks at what is cheap to look at. `in_file` is false for a database in memory, which has no
/// write-ahead log.
pub(super) async fn at_opening(db: &mut SqliteConnection, in_file: bool) -> Result<(), SetupError> {
    found(cheap(db, in_file).await.map_err(SetupError::from_sqlx)?)
}

async fn cheap(db: &mut SqliteConnection, in_file: bool) -> Result<Vec<String>, sqlx::Error> {
    let mut problems: Vec<String> = Vec::new();
    let pragmas: Pragmas = sqlx::query_as(PRAGMAS).fetch_one(&mut *db).await?;
    if pragmas.encoding != "UTF-8" {
        problems.push(format!(
            "the encoding is {}: create the database with UTF-8",
            pragmas.encoding
        ));
    }
    if in_file && pragmas.journal_mode != "wal" {
        let mode = pragmas.journal_mode;
        problems.push(format!(
            "the journal mode is {mode}, and not wal: use a local file system, and open the store again"
        ));
    }
    let missing = missing_objects(db).await?;
    if !missing.is_empty() {
        let missing = missing.join(", ");
        problems.push(format!(
            "missing in the schema: {missing}; create it as the migrations do"
        ));
    }
    Ok(problems)
}

/// A number that is used again, or a gap, hides a change from whoever follows the log.
const LOG: &str = "
    SELECT coalesce(max(c.seq), 0) > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'tower_api_key_changes'), 0)
        OR count(*) <> coalesce(max(c.seq) - min(c.seq) + 1, 0)
    FROM tower_api_key_changes c";

const ORPHANS: [(&str, &str); 3] = [
    (
        "tower_api_key_credentials",
        "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_check('tower_api_key_credentials'))",
    ),
    (
        "tower_api_key_memberships",
        "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_check('tower_api_key_memberships'))",
    ),
    (
        "tower_api_key_organizations",
        "SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_check('tower_api_key_organizations'))",
    ),
];

async fn thorough(db: &mut SqliteConnection, in_file: bool) -> Result<Vec<String>, sqlx::Error> {
    let mut problems = cheap(db, in_file).await?;
    if sqlx::query_scalar::<_, i64>(LOG)
        .fetch_one(&mut *db)
        .await?
        != 0
    {
        problems.push(
            "the change log has a gap, or numbers to come: restart what follows it".to_owned(),
        );
    }
    for (table, orphans) in ORPHANS {
        if sqlx::query_scalar::<_, i64>(orphans)
            .fetch_one(&mut *db)
            .await?
            != 0
        {
            problems.push(format!(
                "{table} refers to owners without a row: create them, or delete what refers to them"
            ));
        }
    }
    Ok(problems)
}

fn found(problems: Vec<String>) -> Result<(), SetupError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(SetupError::Unsound(problems.join("; ").into()))
    }
}

impl SqliteStore {
    /// Looks for what would make the store answer wrongly without an error: other files under their
    /// names, another name of the file, another encoding or journal mode, a missing trigger, index or view, a change log with
    /// gaps, rows whose owner has none. Opening a store looks for all but the last two.
    ///
    /// Reads all credentials, organizations and memberships once. It does not look for a damaged
    /// file: that is `PRAGMA integrity_check`.
    ///
    /// # Errors
    /// [`SetupError::Unsound`], which names everything that was found; [`SetupError::CannotOpen`]
    /// when nothing could be read.
    pub async fn check(&self) -> Result<(), SetupError> {
        let in_file = self.file.is_some();
        let cannot_open = |error: StoreError| SetupError::CannotOpen(error.into());
        self.verify_files().await.map_err(cannot_open)?;
        let mut connection = self.acquire().await.map_err(cannot_open)?;
        let problems = thorough(&mut connection, in_file).await;
        self.verify_files().await.map_err(cannot_open)?;
        found(problems.map_err(SetupError::from_sqlx)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_api_key::scope::Catalogue;

    #[tokio::test]
    async fn every_object_of_the_schema_is_looked_for() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type <> 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let objects: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&store.pool)
            .await
            .unwrap();
        assert_eq!(objects, OBJECTS);
    }
}
