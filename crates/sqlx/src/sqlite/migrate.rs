//! The migrations: running them, and handing them to a database administrator.

use std::borrow::Cow;

use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use crate::{SetupError, shared};

/// The default table of sqlx belongs to the service, if it shares the file.
const TABLE: &str = "tower_api_key_migrations";

/// The table of migrations, as sqlx creates it.
const CREATE_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS tower_api_key_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
";

fn migrator(ignore_missing: bool) -> Migrator {
    Migrator {
        table_name: Cow::Borrowed(TABLE),
        ignore_missing,
        ..sqlx::migrate!("migrations/sqlite")
    }
}

/// Returns the migrations as one SQL script, for an administrator to run by hand.
///
/// Use it if the schema must be reviewed, or created before the service is deployed. `applied` is
/// the newest migration that was run, or `None` for a file without a store. The script is one
/// transaction. It does what [`SqliteStore::open`](super::SqliteStore::open) does, and records the
/// versions and checksums in the table `tower_api_key_migrations` in the same way.
///
/// Run it while no service uses the file, and let `sqlite3` stop at the first error:
///
/// ```sh
/// sqlite3 -bail credentials.db < schema.sql
/// ```
///
/// Then open the file with [`SqliteStore::open_existing`](super::SqliteStore::open_existing). It
/// compares the versions and checksums, and that every index, trigger and view is there; with
/// nothing left to do, it changes no row. It switches the file to write-ahead mode.
///
/// # Example
///
/// ```
/// let sql = tower_api_key_sqlx::sqlite::migration_sql(None);
/// assert!(sql.starts_with("BEGIN IMMEDIATE;\n") && sql.ends_with("COMMIT;\n"));
/// ```
#[must_use]
pub fn migration_sql(applied: Option<i64>) -> String {
    let migrations = shared::migration_script(&migrator(false), applied, |migration| {
        let checksum = shared::hex(&migration.checksum);
        format!(
            "INSERT INTO {TABLE} (version, description, success, checksum, execution_time)\n\
             VALUES ({}, '{}', TRUE, x'{checksum}', -1);\n",
            migration.version, migration.description
        )
    });
    format!("BEGIN IMMEDIATE;\n{CREATE_TABLE}{migrations}COMMIT;\n")
}

/// Returns the newest migration of this version, and the text of all.
pub(super) fn newest_and_text() -> (Option<i64>, String) {
    let migrator = migrator(false);
    let newest = migrator.iter().map(|one| one.version).max();
    let texts = migrator.iter().map(|one| one.sql.as_str());
    (newest, texts.collect::<Vec<_>>().join("\n"))
}

pub(super) async fn has_schema(connection: &mut SqliteConnection) -> Result<bool, SetupError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
    sqlx::query_scalar(sql)
        .bind(TABLE)
        .fetch_one(connection)
        .await
        .map_err(SetupError::from_sqlite)
}

/// Runs all pending migrations in one transaction that holds the write lock from its beginning. If
/// several processes open a new file at once, one migrates it, and the others find it done.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SetupError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(SetupError::from_sqlite)?;
    let ignore_missing = is_compatible(&mut transaction)
        .await
        .map_err(SetupError::from_sqlite)?;
    migrator(ignore_missing)
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(SetupError::from_sqlite_migration)?;
    // With nothing to migrate, a read-only file would have passed so far.
    sqlx::query("DELETE FROM tower_api_key_migrations WHERE FALSE")
        .execute(&mut *transaction)
        .await
        .map_err(SetupError::from_sqlite)?;
    transaction.commit().await.map_err(SetupError::from_sqlite)
}

const HAS_COMPATIBILITY: &str = "
    SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tower_api_key_compatibility')";

/// Whether there are later migrations that do not say that version `?1` can work with them.
const INCOMPATIBLE: &str = "
    SELECT EXISTS (
        SELECT 1 FROM tower_api_key_migrations m
            LEFT JOIN tower_api_key_compatibility c ON c.migration = m.version
        WHERE m.version > ?1 AND (c.oldest IS NULL OR c.oldest > ?1)
    )";

/// Whether this version can work with every later migration that was run.
async fn is_compatible(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let known: bool = sqlx::query_scalar(HAS_COMPATIBILITY)
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(false);
    }
    let incompatible: bool = sqlx::query_scalar(INCOMPATIBLE)
        .bind(newest_and_text().0)
        .fetch_one(connection)
        .await?;
    Ok(!incompatible)
}
