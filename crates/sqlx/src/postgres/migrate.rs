//! The migrations: running them, and handing them to a database administrator.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, Row, migrate::Migrator};

use super::{PostgresStore, schema::Schema};
use crate::{BrokenAssumption, SetupError, shared};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// How a migration begins. It waits a minute for another node's migration, and may itself take
/// long.
const BEGIN_MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL search_path = pg_catalog, pg_temp; \
    SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0";

/// Limits how long a migration waits for a table, once no other migration runs: requests wait
/// behind it.
const LIMIT_LOCKS: &str = "SET LOCAL lock_timeout = '3s'";

/// The table of migrations, as sqlx creates it.
const CREATE_TABLE: &str = "\
CREATE TABLE _migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);
";

/// Returns the migrations as one SQL script, for a database administrator to run by hand.
///
/// Use it if the service's role must not change the schema. `applied` is the newest migration that
/// was run, as [`SetupError::MissingMigration`] reports it; with `None` the script creates the
/// schema, which must not exist. The script is one transaction. It does what
/// [`PostgresStore::migrate`] does, and records the versions and checksums in the table
/// `_migrations` in the same way.
///
/// Run it as the role that is to own the schema, then the `GRANT`s in
/// [the module's documentation](crate::postgres#who-may-do-what) for the service's role:
///
/// ```sh
/// psql --no-psqlrc --set ON_ERROR_STOP=1 --file schema.sql postgres://owner@localhost/service
/// ```
///
/// The service then calls [`check`](PostgresStore::check), or `migrate`, which writes nothing if
/// there is nothing to do. Both compare the version and verify what the store relies on: owners,
/// triggers and the functions of the change log, unique indexes. If a migration is missing, they
/// return [`SetupError::MissingMigration`] or [`SetupError::Denied`].
///
/// # Errors
/// [`SetupError::InvalidSchema`], as [`with_schema`](PostgresStore::with_schema).
///
/// # Example
///
/// ```
/// let sql = tower_api_key_sqlx::postgres::migration_sql("tower_api_key", None)?;
/// assert!(sql.starts_with("BEGIN;\nCREATE SCHEMA \"tower_api_key\";"));
/// # Ok::<(), tower_api_key_sqlx::SetupError>(())
/// ```
pub fn migration_sql(schema: &str, applied: Option<i64>) -> Result<String, SetupError> {
    let schema = Schema::new(schema).ok_or_else(|| SetupError::InvalidSchema {
        name: schema.into(),
    })?;
    let schema = schema.as_str();
    let mut script = String::from("BEGIN;\n");
    if applied.is_none() {
        _ = writeln!(script, "CREATE SCHEMA \"{schema}\";");
    }
    _ = writeln!(script, "{};\n{LIMIT_LOCKS};", search_path(schema));
    if applied.is_none() {
        script.push_str(CREATE_TABLE);
    }
    script.push_str(&shared::migration_script(&MIGRATIONS, applied, |migration| {
        let checksum = shared::hex(&migration.checksum);
        format!(
            "INSERT INTO _migrations (version, description, success, checksum, execution_time)\n\
             VALUES ({}, '{}', TRUE, decode('{checksum}', 'hex'), -1);\n",
            migration.version, migration.description
        )
    }));
    _ = writeln!(script, "{REVOKE};\nCOMMIT;");
    Ok(script)
}

/// The migrations name no schema, and create what they create in the first one of the path.
/// `pg_catalog` comes before it unless it is named. Temporary tables come last: they must not be
/// found instead of the store's.
fn search_path(schema: &str) -> String {
    format!("SET LOCAL search_path TO \"{schema}\", pg_temp")
}

impl PostgresStore {
    /// Returns the newest migration that was run; `None` without the table of migrations.
    pub(super) async fn version_in(
        &self,
        db: impl PgExecutor<'_>,
    ) -> Result<Option<i64>, sqlx::Error> {
        match self.statements.version.query().fetch_one(db).await {
            Ok(row) => row.try_get(0),
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("42P01" | "3F000")) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs the pending migrations as one transaction.
    pub(super) async fn run_migrations(&self) -> Result<(), SetupError> {
        let schema = self.schema.as_str();
        let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
        migrator.dangerous_set_table_name(format!("\"{schema}\"._migrations"));
        // sqlx's lock would outlive a transaction that fails; ours is released with it.
        migrator.set_locking(false);
        let begun = self.pool.begin_with(BEGIN_MIGRATION).await;
        let mut transaction = begun.map_err(SetupError::from_postgres)?;
        self.lock_schema(&mut transaction).await?;
        let path = format!("{}; {LIMIT_LOCKS}", search_path(schema));
        run(&mut transaction, path).await?;
        migrator
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(SetupError::from_postgres_migration)?;
        run(&mut transaction, REVOKE.to_owned()).await?;
        let committed = transaction.commit().await;
        committed.map_err(SetupError::from_postgres)
    }

    /// Makes other nodes' migrations wait until the transaction ends, and creates the schema if it
    /// is missing: another node that does so at the same time waits for this one, and then finds
    /// it.
    ///
    /// Locks the schema itself, by a comment on it that stays as it is, which only its owner may
    /// do. Anyone could hold an advisory lock.
    async fn lock_schema(&self, db: &mut PgConnection) -> Result<(), SetupError> {
        let schema = self.schema.as_str();
        if !has_schema(db, schema).await? && create_schema(db, schema).await? {
            return Ok(());
        }
        let report = self.report(&mut *db).await;
        let report = report.map_err(SetupError::from_postgres)?.into_trusted()?;
        if let Some(owner) = report.other_owner {
            return Err(SetupError::broken(vec![BrokenAssumption::ForeignOwner {
                owner,
            }]));
        }
        run(db, LOCK_SCHEMA.replace("$schema", schema)).await
    }
}

/// Asked first, since `CREATE SCHEMA IF NOT EXISTS` needs the right to create even if it exists.
async fn has_schema(db: &mut PgConnection, schema: &str) -> Result<bool, SetupError> {
    let sql = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    let found = sqlx::query(sql).bind(schema).fetch_optional(db).await;
    Ok(found.map_err(SetupError::from_postgres)?.is_some())
}

/// Returns false if another node has created it meanwhile.
async fn create_schema(db: &mut PgConnection, schema: &str) -> Result<bool, SetupError> {
    let create = AssertSqlSafe(format!("SAVEPOINT creation; CREATE SCHEMA \"{schema}\""));
    match sqlx::raw_sql(create).execute(&mut *db).await {
        Ok(_) => Ok(true),
        Err(error) if is_taken(&error) => {
            run(db, "ROLLBACK TO SAVEPOINT creation".to_owned()).await?;
            Ok(false)
        }
        Err(error) => Err(SetupError::from_postgres(error)),
    }
}

/// Runs statements that contain nothing but this file's text and a [`Schema`].
async fn run(db: &mut PgConnection, sql: String) -> Result<(), SetupError> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await;
    done.map(drop).map_err(SetupError::from_postgres)
}

/// Sets the schema's comment to what it is. A [`Schema`] needs no quotes inside of a string.
const LOCK_SCHEMA: &str = "DO $$
    BEGIN
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', '$schema',
            obj_description(to_regnamespace('\"$schema\"'), 'pg_namespace'));
    END
    $$";

/// Whether a schema of that name has just been created.
fn is_taken(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("23505" | "42P06"))
}

/// Revokes what PUBLIC has by default, or by the owner's default privileges. A stranger who may use
/// the row type of a table can keep the table from being altered.
const REVOKE: &str = "DO $$
    DECLARE
        item text;
    BEGIN
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC', current_schema());
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM PUBLIC', current_schema());
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
        FOR item IN
            SELECT oid::regtype FROM pg_type
            WHERE typnamespace = current_schema()::regnamespace AND typelem = 0
        LOOP
            EXECUTE format('REVOKE ALL ON TYPE %s FROM PUBLIC', item);
        END LOOP;
    END
    $$";

/// Returns the migration that this version needs.
pub(super) fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}
