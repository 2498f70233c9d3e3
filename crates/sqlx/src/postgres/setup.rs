//! What a service calls before its first request: migrating, and verifying what the store relies
//! on.

use sqlx::{
    Connection, PgConnection, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use tokio::time::timeout;

use super::{
    PostgresStore,
    check::Report,
    error::database_name,
    migrate::newest,
    pool::{BEGIN, DEADLINE},
    pooler,
};
use crate::{BrokenAssumption, SetupError};
use tower_api_key::{credential::Kind, store::StoreFault};

/// The schema is newer than this version, and no migration allows this version to use it.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is at migration {found}, which a version that knows only {known} cannot use: run the \
     newer version on this node, or restore the backup from before that migration"
)]
struct NewerSchema {
    found: i64,
    known: i64,
}

impl PostgresStore {
    /// Creates or updates the schema, then verifies it as [`check`](Self::check) does.
    ///
    /// Any number of nodes may call it at the same time: the first one does the work, and the
    /// others wait for it. If there is nothing to do, nothing is written, so a role without the
    /// right to create is enough, and a standby works. A schema that a newer version made stays as
    /// it is. For a database whose schema only an administrator may change, see
    /// [`migration_sql`](super::migration_sql).
    ///
    /// All pending migrations are one transaction. It waits for a locked table for three seconds at
    /// most, since requests would wait behind it. The table of migrations is in the schema too, as
    /// `_migrations`. The schema and everything in it must belong to the role of the connection,
    /// and no other role may create objects there. What PUBLIC may do by default is revoked.
    ///
    /// A change log that a dump brought along from another cluster is emptied, if the role owns it.
    ///
    /// # Errors
    /// [`SetupError`], also for everything that [`check`](Self::check) finds.
    pub async fn migrate(&self) -> Result<(), SetupError> {
        self.named(self.try_migrate().await)
    }

    /// Verifies that the database is ready for requests, without changing anything.
    ///
    /// The schema must be at the migration that this version needs, the role must be able to run
    /// what requests run and to follow the log, and what the store relies on must hold: who owns
    /// the schema, that no row is hidden, that the log's triggers work and that there are no other
    /// triggers and no rules, the encoding, the durability of commits, and that no pooler shares
    /// the connections. For the last one it opens a connection beside the pool. It gives up after
    /// 10 s.
    ///
    /// # Errors
    /// [`SetupError`]; [`SetupError::BrokenAssumptions`] names every assumption that does not hold.
    pub async fn check(&self) -> Result<(), SetupError> {
        self.named(self.try_check().await)
    }

    /// Names the database in an error.
    fn named<T>(&self, outcome: Result<T, SetupError>) -> Result<T, SetupError> {
        outcome.map_err(|error| error.in_database(&database_name(&self.pool.connect_options())))
    }

    async fn try_migrate(&self) -> Result<(), SetupError> {
        self.refuse_pooler().await?;
        let report = self.trusted_report().await?;
        if self.version().await?.is_none_or(|found| found < newest()) {
            self.run_migrations().await?;
        } else if report.other_owner.is_none() && self.has_foreign_log().await? {
            let empty = self.statements.empty_log.query();
            self.transaction(async |db| empty.execute(db).await).await?;
        }
        let report = self.trusted_report().await?;
        self.prove(report).await
    }

    async fn try_check(&self) -> Result<(), SetupError> {
        let check = async {
            self.refuse_pooler().await?;
            let report = self.trusted_report().await?;
            self.prove(report).await
        };
        // The state of a check is large, and is not a part of its caller's future.
        timeout(DEADLINE, Box::pin(check))
            .await
            .unwrap_or_else(|_| Err(SetupError::cannot_connect(StoreFault::timed_out(DEADLINE))))
    }

    async fn prove(&self, report: Report) -> Result<(), SetupError> {
        let newer = self.is_newer().await?;
        self.try_statements().await?;
        let mut broken = report.broken;
        // A newer version may have other functions and more triggers.
        broken.retain(|broken| {
            use BrokenAssumption::{Function, UnknownTrigger};
            !(newer && matches!(broken, Function { .. } | UnknownTrigger { .. }))
        });
        let row = self.fetch_one(self.statements.log_facts.query()).await?;
        match row.try_get(0).map_err(SetupError::from_postgres)? {
            1 => {}
            rows => broken.push(BrokenAssumption::Horizon { rows }),
        }
        if row.try_get(1).map_err(SetupError::from_postgres)? {
            broken.push(BrokenAssumption::ForeignLog);
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(SetupError::broken(broken))
        }
    }

    /// Returns whether the schema is newer than what this version needs. Refuses one that is older,
    /// or newer and not compatible.
    async fn is_newer(&self) -> Result<bool, SetupError> {
        let known = newest();
        match self.version().await? {
            Some(found) if found == known => Ok(false),
            Some(found) if found > known => {
                let query = self.statements.is_compatible.query().bind(known);
                let row = self.fetch_one(query).await?;
                match row.try_get(0).map_err(SetupError::from_postgres)? {
                    true => Ok(true),
                    false => Err(SetupError::unknown_schema(NewerSchema { found, known })),
                }
            }
            found => Err(SetupError::MissingMigration {
                database: Box::default(),
                found,
                needed: known,
            }),
        }
    }

    /// Runs what requests and the feed run.
    async fn try_statements(&self) -> Result<(), SetupError> {
        let sql = &self.statements;
        let key = sql.find_key.query().bind("");
        let token = sql.find_token.query().bind(&b""[..]).bind("");
        let tree = sql.is_descendant.query().bind("").bind("");
        let log = sql.log_since.query().bind("1:1:").bind(0_i64).bind(1_i64);
        let keys = self.by_owner.of_kind(Kind::OrgKey);
        let issued = keys.issued_under.query().bind("").bind("");
        let events = keys.events.query().bind("").bind(0_i64).bind(1_i64);
        self.transaction(async |db| {
            for query in [key, token, tree, log, issued, events] {
                query.fetch_optional(&mut *db).await?;
            }
            Ok(())
        })
        .await
    }

    async fn has_foreign_log(&self) -> Result<bool, SetupError> {
        let row = self.fetch_one(self.statements.log_facts.query()).await?;
        row.try_get(1).map_err(SetupError::from_postgres)
    }

    /// Returns the newest migration that was run; `None` without the table of migrations.
    async fn version(&self) -> Result<Option<i64>, SetupError> {
        self.transaction(async |db| self.version_in(db).await).await
    }

    async fn trusted_report(&self) -> Result<Report, SetupError> {
        let report = self.transaction(async |db| self.report(db).await).await?;
        report.into_trusted()
    }

    /// Runs `work` in a transaction that begins as all of the store's do.
    async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, SetupError> {
        let run = async {
            let mut transaction = self.pool.begin_with(BEGIN).await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        run.await.map_err(SetupError::from_postgres)
    }

    async fn fetch_one(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<PgRow, SetupError> {
        self.transaction(async |db| query.fetch_one(db).await).await
    }

    /// Refuses a pooler that shares connections. Called before any prepared statement, which such a
    /// pooler may lose.
    async fn refuse_pooler(&self) -> Result<(), SetupError> {
        let compare = async {
            let mut one = self.pool.acquire().await?;
            let mut other = self.connect_beside_the_pool().await?;
            let shared = pooler::is_shared(&mut *one, &mut other).await?;
            other.close().await?;
            Ok(shared)
        };
        match compare.await.map_err(SetupError::from_postgres)? {
            true => Err(SetupError::broken(vec![
                BrokenAssumption::TransactionPooler,
            ])),
            false => Ok(()),
        }
    }

    /// Opens a connection as the pool does, and waits as long for it.
    async fn connect_beside_the_pool(&self) -> Result<PgConnection, sqlx::Error> {
        let options = self.pool.connect_options();
        let limit = self.pool.options().get_acquire_timeout();
        timeout(limit, PgConnection::connect_with(&options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}
