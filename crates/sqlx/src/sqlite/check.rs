//! Verifying that the database does what a store relies on.

use std::path::Path;

use sqlx::{FromRow, SqliteConnection};

use super::{SqliteStore, file::DatabaseFile, migrate};
use crate::{BrokenAssumption, SetupError, TriggerProblem};

/// The indexes, triggers and views of the schema; a missing table makes every statement fail. An
/// index or a trigger that was dropped for a large import and forgotten fails nothing, but changes
/// are no longer logged, or no longer refused.
const OBJECTS: [&str; 55] = [
    "tower_api_key_changes_kept",
    "tower_api_key_changes_numbers_kept",
    "tower_api_key_changes_pruned",
    "tower_api_key_credential_deleted",
    "tower_api_key_credential_inserted",
    "tower_api_key_credential_inserted_attributes_sound",
    "tower_api_key_credential_inserted_lists_sound",
    "tower_api_key_credential_inserted_sound",
    "tower_api_key_credential_not_removed",
    "tower_api_key_credential_replaced_by_insert",
    "tower_api_key_credential_replaced_by_update",
    "tower_api_key_credential_updated",
    "tower_api_key_credential_updated_attributes_sound",
    "tower_api_key_credential_updated_lists_sound",
    "tower_api_key_credential_updated_sound",
    "tower_api_key_credentials_by_creator",
    "tower_api_key_credentials_deleted",
    "tower_api_key_credentials_ending",
    "tower_api_key_credentials_repeatable",
    "tower_api_key_events_by_age",
    "tower_api_key_events_by_user",
    "tower_api_key_events_kept",
    "tower_api_key_events_numbers_kept",
    "tower_api_key_events_of_expiry",
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
    "tower_api_key_tombstones_by_digest",
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

/// The triggers on tables of the store that the migrations `?2` do not create, and those of its
/// names `?1` that they create otherwise, with whether the name is one of those. A schema of a
/// later migration than `?3` may have others.
const FOREIGN_TRIGGERS: &str = "
    SELECT tbl_name, name, name IN (SELECT value FROM json_each(?1)) AS is_ours FROM sqlite_schema
    WHERE type = 'trigger' AND instr(?2, sql) = 0
        AND (substr(lower(tbl_name), 1, 14) = 'tower_api_key_' OR is_ours)
        AND NOT EXISTS (SELECT 1 FROM tower_api_key_migrations WHERE version > ?3)
    ORDER BY name";

async fn foreign_triggers(db: &mut SqliteConnection) -> Result<Vec<BrokenAssumption>, sqlx::Error> {
    let (newest, script) = migrate::newest_and_text();
    let found: Vec<(String, String, bool)> = sqlx::query_as(FOREIGN_TRIGGERS)
        .bind(serde_json::Value::from_iter(OBJECTS).to_string())
        .bind(script)
        .bind(newest)
        .fetch_all(db)
        .await?;
    let named = found.into_iter().map(|(table, trigger, is_ours)| {
        let (table, trigger) = (table.into(), trigger.into());
        match is_ours {
            true => BrokenAssumption::Trigger {
                table,
                trigger,
                problem: TriggerProblem::Replaced,
                remedy: "create it as the last migration that has it does".into(),
            },
            false => BrokenAssumption::UnknownTrigger { table, trigger },
        }
    });
    Ok(named.collect())
}

/// What is verified whenever a database is opened.
const PRAGMAS: &str = "
    SELECT (SELECT encoding FROM pragma_encoding) AS encoding,
        (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode";

#[derive(FromRow)]
struct Pragmas {
    encoding: String,
    journal_mode: String,
}

/// Verifies what is cheap to verify. `in_file` is false for a database in memory, which has no
/// write-ahead log.
pub(super) async fn at_opening(db: &mut SqliteConnection, in_file: bool) -> Result<(), SetupError> {
    refuse(cheap(db, in_file).await.map_err(SetupError::from_sqlite)?)
}

async fn cheap(
    db: &mut SqliteConnection,
    in_file: bool,
) -> Result<Vec<BrokenAssumption>, sqlx::Error> {
    let mut broken = Vec::new();
    let pragmas: Pragmas = sqlx::query_as(PRAGMAS).fetch_one(&mut *db).await?;
    if pragmas.encoding != "UTF-8" {
        broken.push(BrokenAssumption::Encoding {
            encoding: pragmas.encoding.into(),
        });
    }
    if in_file && pragmas.journal_mode != "wal" {
        broken.push(BrokenAssumption::JournalMode {
            mode: pragmas.journal_mode.into(),
        });
    }
    broken.extend(foreign_triggers(db).await?);
    let missing = missing_objects(db).await?;
    if !missing.is_empty() {
        broken.push(BrokenAssumption::MissingObjects {
            names: missing.into(),
        });
    }
    Ok(broken)
}

/// Whether a number was used again or left out, which hides a change from followers of the log.
const LOG_HAS_GAP: &str = "
    SELECT coalesce(max(c.seq), 0) > coalesce(
            (SELECT seq FROM sqlite_sequence WHERE name = 'tower_api_key_changes'), 0)
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

async fn thorough(
    db: &mut SqliteConnection,
    in_file: bool,
) -> Result<Vec<BrokenAssumption>, sqlx::Error> {
    let mut broken = cheap(db, in_file).await?;
    if is_true(db, LOG_HAS_GAP).await? {
        broken.push(BrokenAssumption::ChangeLogGap);
    }
    for (table, has_orphans) in ORPHANS {
        if is_true(db, has_orphans).await? {
            broken.push(BrokenAssumption::UnknownOwners {
                table: table.into(),
            });
        }
    }
    Ok(broken)
}

async fn is_true(db: &mut SqliteConnection, sql: &'static str) -> Result<bool, sqlx::Error> {
    let answer: i64 = sqlx::query_scalar(sql).fetch_one(db).await?;
    Ok(answer != 0)
}

fn refuse(broken: Vec<BrokenAssumption>) -> Result<(), SetupError> {
    if broken.is_empty() {
        Ok(())
    } else {
        Err(SetupError::broken(broken))
    }
}

impl SqliteStore {
    /// Verifies what would otherwise make the store answer wrongly without an error.
    ///
    /// It finds files that were replaced, a second name of the file, another encoding or journal
    /// mode, a missing trigger, index or view, a trigger that is not the store's, a change log with
    /// gaps, and rows whose owner does not exist. Opening a store verifies all but the last two.
    ///
    /// Reads all credentials, organizations and memberships once. It does not look for a damaged
    /// file: run `PRAGMA integrity_check` for that.
    ///
    /// # Errors
    /// [`SetupError::BrokenAssumptions`], which names everything that was found;
    /// [`SetupError::CannotConnect`] if nothing could be read.
    pub async fn check(&self) -> Result<(), SetupError> {
        self.named(self.try_check().await)
    }

    async fn try_check(&self) -> Result<(), SetupError> {
        self.verify_files()
            .await
            .map_err(SetupError::cannot_connect)?;
        let acquired = self.acquire().await;
        let mut connection = acquired.map_err(SetupError::cannot_connect)?;
        let broken = thorough(&mut connection, self.file.is_some()).await;
        self.verify_files()
            .await
            .map_err(SetupError::cannot_connect)?;
        refuse(broken.map_err(SetupError::from_sqlite)?)
    }

    /// Names the database in an error.
    fn named<T>(&self, outcome: Result<T, SetupError>) -> Result<T, SetupError> {
        let path = self.file.as_deref().map(DatabaseFile::path);
        let name = path.map_or_else(|| "memory".into(), Path::to_string_lossy);
        outcome.map_err(|error| error.in_database(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_api_key::scope::Catalogue;

    #[tokio::test]
    async fn every_object_of_the_schema_is_looked_for() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        let sql = "SELECT name FROM sqlite_schema
            WHERE type <> 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let objects: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&store.pool)
            .await
            .unwrap();
        assert_eq!(objects, OBJECTS);
    }
}
