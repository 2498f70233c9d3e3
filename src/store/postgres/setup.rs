//! Before any request: the schema is made, and everything that requests will need is tried once.

use sqlx::{
    AssertSqlSafe, Row,
    migrate::{MigrateError, Migrator},
};

use super::PostgresStore;
use crate::{credential::Kind, store::BoxError};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// Why a store in PostgreSQL cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The schema's name is not one of small letters, digits and `_`, or is too long.
    #[error(
        "{0:?} cannot be the schema: small letters, digits, `_`, at most 55, no digit and no `pg_` at its beginning"
    )]
    InvalidSchema(Box<str>),
    /// No answer: a wrong host, a server that is down, a pool without a free connection, TLS.
    #[error("the database cannot be reached")]
    Unreachable(#[source] BoxError),
    /// The server has no such database.
    #[error("there is no such database")]
    NoDatabase(#[source] BoxError),
    /// A wrong password, or a role without the rights.
    #[error("the database refuses the role, or the role lacks a right")]
    Denied(#[source] BoxError),
    /// The database takes no changes: a standby, or `default_transaction_read_only`.
    #[error("the database is read-only, and its schema would have to change")]
    ReadOnly(#[source] BoxError),
    /// The schema is not there, or older than this version needs: call [`PostgresStore::migrate`].
    #[error("the schema is at migration {found:?} and has to be at {needed}: run migrate()")]
    MissingMigration {
        /// The newest migration that was run.
        found: Option<i64>,
        /// The one that this version needs.
        needed: i64,
    },
    /// The schema was made by a newer version, or changed by hand.
    #[error("the schema is not one that this version knows")]
    UnknownSchema(#[source] BoxError),
    /// Anything else.
    #[error("the database failed")]
    Failed(#[source] BoxError),
}

impl SetupError {
    fn of(error: sqlx::Error) -> Self {
        use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Tls};
        let code = match &error {
            Database(told) => told.code().unwrap_or_default().into_owned(),
            Io(_) | PoolClosed | PoolTimedOut | Tls(_) => return Self::Unreachable(error.into()),
            _ => String::new(),
        };
        match &*code {
            "28000" | "28P01" | "42501" => Self::Denied(error.into()), // authorization, password, privilege
            "3D000" => Self::NoDatabase(error.into()),
            "25006" => Self::ReadOnly(error.into()),
            "42703" | "42P01" | "42804" | "42883" => Self::UnknownSchema(error.into()), // no such column, table; types
            _ => Self::Failed(error.into()),
        }
    }

    fn of_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => Self::of(source),
            other => Self::UnknownSchema(other.into()),
        }
    }
}

impl PostgresStore {
    /// Makes or updates the schema. Any number of nodes may call it at once: they wait for each other, and the first one
    /// does the work. Where nothing is to be done, nothing is written, so that a role without the right to create is enough
    /// and so is a standby.
    ///
    /// All of it is one transaction. The migrations' own table is in the schema too, as `_migrations`.
    ///
    /// # Errors
    /// [`SetupError`]; also what [`check`](Self::check) finds.
    pub async fn migrate(&self) -> Result<(), SetupError> {
        if self.version().await? != Some(newest()) {
            self.run_migrations().await?;
        }
        self.check().await
    }

    /// Makes sure, without changing anything, that the schema is the one that this version needs, and that the role may ask
    /// what requests will ask and follow the log.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn check(&self) -> Result<(), SetupError> {
        let needed = newest();
        match self.version().await? {
            Some(found) if found == needed => {}
            Some(found) if found > needed => {
                return Err(SetupError::UnknownSchema(MigrateError::VersionMissing(found).into()));
            }
            found => return Err(SetupError::MissingMigration { found, needed }),
        }
        let sql = &self.statements;
        let key = sql.find_key.query().bind("");
        let token = sql.find_token.query().bind(&b""[..]).bind("");
        let tree = sql.is_descendant.query().bind("").bind("");
        let log = sql.log_since.query().bind("1:1:").bind("1").bind(1_i64);
        let keys = self.by_owner.of_kind(Kind::OrgKey);
        let issued = keys.issued_under.query().bind("").bind("");
        let events = keys.events.query().bind("").bind(0_i64).bind(1_i64);
        for query in [key, token, tree, log, issued, events] {
            query.fetch_optional(&self.pool).await.map_err(SetupError::of)?;
        }
        Ok(())
    }

    /// The newest migration that was run; `None` without the table of migrations.
    async fn version(&self) -> Result<Option<i64>, SetupError> {
        match self.statements.version.query().fetch_one(&self.pool).await {
            Ok(row) => row.try_get(0).map_err(SetupError::of),
            Err(sqlx::Error::Database(told)) if matches!(told.code().as_deref(), Some("42P01" | "3F000")) => Ok(None),
            Err(error) => Err(SetupError::of(error)),
        }
    }

    async fn run_migrations(&self) -> Result<(), SetupError> {
        let schema = self.schema.as_str();
        let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
        migrator.dangerous_set_table_name(format!("\"{schema}\"._migrations"));
        migrator.set_locking(false); // its lock would outlive a transaction that fails; ours goes with it
        let mut transaction = self.pool.begin_with(super::BEGIN).await.map_err(SetupError::of)?;
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        sqlx::query(lock).bind(self.schema.channel()).execute(&mut *transaction).await.map_err(SetupError::of)?;
        // Not `IF NOT EXISTS` alone, which asks for the right to create before it looks.
        let there = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
        if there.fetch_optional(&mut *transaction).await.map_err(SetupError::of)?.is_none() {
            let create = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
            sqlx::raw_sql(create).execute(&mut *transaction).await.map_err(SetupError::of)?;
        }
        // The migrations name no schema, and their functions keep this path. Temporary tables come last: they must not
        // stand in front of ours.
        let path = AssertSqlSafe(format!("SET LOCAL search_path TO \"{schema}\", pg_temp"));
        sqlx::raw_sql(path).execute(&mut *transaction).await.map_err(SetupError::of)?;
        migrator.run_direct(None, &mut *transaction, false).await.map_err(SetupError::of_migration)?;
        transaction.commit().await.map_err(SetupError::of)
    }
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}
