//! Before any request: the schema is made, and everything that requests will need is tried once.

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgExecutor, Postgres, Row,
    migrate::{MigrateError, Migrator},
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore,
    check::{BrokenAssumption, Report},
    pooler,
};
use tower_api_key::{credential::Kind, store::BoxError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

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
    /// The schema was made by a newer version that older ones cannot share it with, or it was
    /// changed by hand. See [the module](super#older-and-newer-nodes).
    #[error("the schema is not one that this version knows: {0}")]
    UnknownSchema(#[source] BoxError),
    /// What the store relies on does not hold. All of it that was found, each with what to do.
    #[error("the database does not keep what the store relies on: {}", list(.0))]
    BrokenAssumptions(Vec<BrokenAssumption>),
    /// Anything else.
    #[error("the database store_error")]
    Failed(#[source] BoxError),
}

fn list(broken: &[BrokenAssumption]) -> String {
    broken
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The schema is newer than this version, and no migration says that this version can use it.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is at migration {found}, which a version that knows only {known} cannot use: run the \
     newer version on this node, or restore the backup from before that migration"
)]
struct NewerSchema {
    found: i64,
    known: i64,
}

impl SetupError {
    pub(super) fn of(error: sqlx::Error) -> Self {
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
            // A prepared statement that is gone, or there already: another client's connection.
            "26000" | "42P05" => Self::BrokenAssumptions(vec![BrokenAssumption::TransactionPooler]),
            "42703" | "42P01" | "42804" | "42883" => Self::UnknownSchema(error.into()), // no such column, table; types
            _ => Self::Failed(error.into()),
        }
    }

    fn of_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                Self::of(source)
            }
            other => Self::UnknownSchema(other.into()),
        }
    }
}

impl PostgresStore {
    /// Makes or updates the schema. Any number of nodes may call it at once: they wait for each other, and the first one
    /// does the work. Where nothing is to be done, nothing is written, so that a role without the right to create is enough
    /// and so is a standby. A schema that a newer version made stays as it is.
    ///
    /// A table that somebody else has locked is waited for, for three seconds: requests would wait behind the migration.
    ///
    /// All of it is one transaction. The migrations' own table is in the schema too, as
    /// `_migrations`. The schema has to belong to the role of the connection, and so has everything
    /// in it; nobody else may create anything there. What PUBLIC could do by default is revoked.
    ///
    /// A change log that a dump brought along from another cluster is emptied, if the role owns it.
    ///
    /// # Errors
    /// [`SetupError`]; also what [`check`](Self::check) finds.
    pub async fn migrate(&self) -> Result<(), SetupError> {
        self.refuse_pooler().await?;
        let report = self.trusted_report().await?;
        if self.version().await?.is_none_or(|found| found < newest()) {
            self.run_migrations().await?;
        } else if report.other_owner.is_none() && self.has_foreign_log().await? {
            let empty = self.statements.empty_log.query();
            self.ask(async |db| empty.execute(db).await.map_err(SetupError::of))
                .await?;
        }
        let report = self.trusted_report().await?;
        self.prove(report).await
    }

    /// Makes sure, without changing anything, that the schema is the one that this version needs,
    /// that the role may ask what requests will ask and follow the log, and that what the store
    /// relies on holds: whose the schema is, that rows are not hidden, that the log's triggers do
    /// their work, the encoding, the durability of commits, and that no pooler shares the
    /// connections. Opens a connection beside the pool for the last one.
    ///
    /// # Errors
    /// [`SetupError`]; [`SetupError::BrokenAssumptions`] names all that do not hold.
    pub async fn check(&self) -> Result<(), SetupError> {
        self.refuse_pooler().await?;
        let report = self.trusted_report().await?;
        self.prove(report).await
    }

    async fn prove(&self, report: Report) -> Result<(), SetupError> {
        let newer = self.is_newer().await?;
        self.try_statements().await?;
        let mut broken = report.broken;
        // A newer version's functions may be other ones.
        broken.retain(|broken| !(newer && matches!(broken, BrokenAssumption::Function { .. })));
        let row = self.ask_one(self.statements.log_facts.query()).await?;
        match row.try_get(0).map_err(SetupError::of)? {
            1 => {}
            rows => broken.push(BrokenAssumption::Horizon { rows }),
        }
        if row.try_get(1).map_err(SetupError::of)? {
            broken.push(BrokenAssumption::ForeignLog);
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(SetupError::BrokenAssumptions(broken))
        }
    }

    /// Refuses a schema that is older than what this version needs, or newer and not compatible.
    /// Returns whether it is newer.
    async fn is_newer(&self) -> Result<bool, SetupError> {
        let known = newest();
        match self.version().await? {
            Some(found) if found == known => Ok(false),
            Some(found) if found > known => {
                let query = self.statements.is_compatible.query().bind(known);
                let row = self.ask_one(query).await?;
                let compatible: bool = row.try_get(0).map_err(SetupError::of)?;
                if compatible {
                    Ok(true)
                } else {
                    Err(SetupError::UnknownSchema(
                        NewerSchema { found, known }.into(),
                    ))
                }
            }
            found => Err(SetupError::MissingMigration {
                found,
                needed: known,
            }),
        }
    }

    /// Asks what requests and the feed ask.
    async fn try_statements(&self) -> Result<(), SetupError> {
        let sql = &self.statements;
        let key = sql.find_key.query().bind("");
        let token = sql.find_token.query().bind(&b""[..]).bind("");
        let tree = sql.is_descendant.query().bind("").bind("");
        let log = sql.log_since.query().bind("1:1:").bind(0_i64).bind(1_i64);
        let keys = self.by_owner.of_kind(Kind::OrgKey);
        let issued = keys.issued_under.query().bind("").bind("");
        let events = keys.events.query().bind("").bind(0_i64).bind(1_i64);
        self.ask(async |db| {
            for query in [key, token, tree, log, issued, events] {
                query
                    .fetch_optional(&mut *db)
                    .await
                    .map_err(SetupError::of)?;
            }
            Ok(())
        })
        .await
    }

    async fn has_foreign_log(&self) -> Result<bool, SetupError> {
        let row = self.ask_one(self.statements.log_facts.query()).await?;
        row.try_get(1).map_err(SetupError::of)
    }

    /// Asks the database in a transaction that begins as all of the store do.
    async fn ask<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, SetupError>,
    ) -> Result<T, SetupError> {
        let mut transaction = self
            .pool
            .begin_with(super::BEGIN)
            .await
            .map_err(SetupError::of)?;
        let done = work(&mut transaction).await?;
        transaction.commit().await.map_err(SetupError::of)?;
        Ok(done)
    }

    async fn ask_one(&self, query: Query<'_, Postgres, PgArguments>) -> Result<PgRow, SetupError> {
        self.ask(async |db| query.fetch_one(db).await.map_err(SetupError::of))
            .await
    }

    async fn trusted_report(&self) -> Result<Report, SetupError> {
        self.ask(async |db| self.trust(db).await).await
    }

    /// Before any prepared statement, which such a pooler may lose.
    async fn refuse_pooler(&self) -> Result<(), SetupError> {
        let mut one = self.pool.acquire().await.map_err(SetupError::of)?;
        let other = PgConnection::connect_with(&self.pool.connect_options()).await;
        let mut other = other.map_err(SetupError::of)?;
        let shared = pooler::is_shared(&mut *one, &mut other)
            .await
            .map_err(SetupError::of)?;
        other.close().await.map_err(SetupError::of)?;
        if shared {
            Err(SetupError::BrokenAssumptions(vec![
                BrokenAssumption::TransactionPooler,
            ]))
        } else {
            Ok(())
        }
    }

    /// The newest migration that was run; `None` without the table of migrations.
    async fn version(&self) -> Result<Option<i64>, SetupError> {
        self.ask(async |db| self.version_in(db).await).await
    }

    pub(super) async fn version_in(
        &self,
        db: impl PgExecutor<'_>,
    ) -> Result<Option<i64>, SetupError> {
        match self.statements.version.query().fetch_one(db).await {
            Ok(row) => row.try_get(0).map_err(SetupError::of),
            Err(sqlx::Error::Database(told))
                if matches!(told.code().as_deref(), Some("42P01" | "3F000")) =>
            {
                Ok(None)
            }
            Err(error) => Err(SetupError::of(error)),
        }
    }

    /// Makes the migrations of others wait until the transaction ends. Makes the schema if it is not there: another node
    /// that does so at the same time waits for this one, and then finds that it has been made.
    ///
    /// Locks the schema itself, by a comment on it that stays as it is, which only its owner may do. An advisory lock
    /// could be held by anybody.
    async fn be_alone(&self, transaction: &mut PgConnection) -> Result<(), SetupError> {
        let schema = self.schema.as_str();
        // Not `IF NOT EXISTS` alone, which asks for the right to create before it looks.
        let there =
            sqlx::query("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1").bind(schema);
        if there
            .fetch_optional(&mut *transaction)
            .await
            .map_err(SetupError::of)?
            .is_none()
        {
            let create = AssertSqlSafe(format!("SAVEPOINT creation; CREATE SCHEMA \"{schema}\""));
            match sqlx::raw_sql(create).execute(&mut *transaction).await {
                Ok(_) => return Ok(()),
                Err(error) if is_taken(&error) => {
                    let undo = sqlx::raw_sql("ROLLBACK TO SAVEPOINT creation");
                    undo.execute(&mut *transaction)
                        .await
                        .map_err(SetupError::of)?;
                }
                Err(error) => return Err(SetupError::of(error)),
            }
        }
        if let Some(owner) = self.trust(&mut *transaction).await?.other_owner {
            return Err(SetupError::BrokenAssumptions(vec![
                BrokenAssumption::ForeignOwner { owner },
            ]));
        }
        let lock = AssertSqlSafe(LOCK_SCHEMA.replace("$schema", schema));
        sqlx::raw_sql(lock)
            .execute(transaction)
            .await
            .map(drop)
            .map_err(SetupError::of)
    }

    async fn run_migrations(&self) -> Result<(), SetupError> {
        let schema = self.schema.as_str();
        let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
        migrator.dangerous_set_table_name(format!("\"{schema}\"._migrations"));
        migrator.set_locking(false); // its lock would outlive a transaction that fails; ours goes with it
        let mut transaction = self
            .pool
            .begin_with(super::BEGIN_MIGRATION)
            .await
            .map_err(SetupError::of)?;
        self.be_alone(&mut transaction).await?;
        // The migrations name no schema, and create what they create in the first one of the path. `pg_catalog` comes
        // before it unless it is named. Temporary tables come last: they must not stand in front of ours.
        let path = AssertSqlSafe(format!(
            "SET LOCAL search_path TO \"{schema}\", pg_temp; {}",
            super::LIMIT_LOCKS
        ));
        sqlx::raw_sql(path)
            .execute(&mut *transaction)
            .await
            .map_err(SetupError::of)?;
        migrator
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(SetupError::of_migration)?;
        sqlx::raw_sql(REVOKE)
            .execute(&mut *transaction)
            .await
            .map_err(SetupError::of)?;
        transaction.commit().await.map_err(SetupError::of)
    }
}

/// Says of the schema what is said of it already. A name of a schema needs no quotes in a string.
const LOCK_SCHEMA: &str = "DO $$
    BEGIN
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', '$schema',
            obj_description(to_regnamespace('\"$schema\"'), 'pg_namespace'));
    END
    $$";

/// Whether a schema of the name was made just now.
fn is_taken(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|told| told.code());
    matches!(code.as_deref(), Some("23505" | "42P06"))
}

/// What PUBLIC has by default, or by the owner's default privileges. A stranger who may use the
/// type of a row can keep its table from being altered.
const REVOKE: &str = "DO $$
    DECLARE
        item text;
    BEGIN
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC', current_schema());
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM PUBLIC', current_schema());
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
        FOR item IN SELECT oid::regtype FROM pg_type WHERE typnamespace = current_schema()::regnamespace AND typelem = 0 LOOP
            EXECUTE format('REVOKE ALL ON TYPE %s FROM PUBLIC', item);
        END LOOP;
    END
    $$";

pub(super) fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}
