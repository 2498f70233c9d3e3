//! What the store relies on in the database, and what a statement that runs does not prove.
//!
//! Row-level security makes rows disappear without an error, a disabled trigger makes the log
//! silent, and a stranger's schema runs the stranger's code. [`PostgresStore::check`] asks the
//! catalogs about all of that, and the feed asks again at every keep-alive. Only the catalogs are
//! read, so that nothing in the schema runs before it is known who owns it.

use sqlx::{PgExecutor, Row, postgres::PgRow};

use super::{
    PostgresStore,
    setup::{MIGRATIONS, SetupError},
    sql::Schema,
};

/// An assumption of the store that does not hold in the database. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenAssumption {
    /// The database does not store UTF-8, so that not every id can be stored or asked for.
    #[error("the database's encoding is {encoding}: create one with ENCODING 'UTF8'")]
    Encoding {
        /// The encoding, as the server names it.
        encoding: Box<str>,
    },
    /// The schema belongs to another role, which can read and change everything in it, and whose
    /// code would run.
    #[error(
        "the schema belongs to the role {owner:?}: connect as that role, or drop the schema if it \
         is not yours"
    )]
    ForeignOwner {
        /// The role that owns the schema.
        owner: Box<str>,
    },
    /// A role other than the owner may create objects in the schema.
    #[error("{grantee} may create objects in the schema: REVOKE CREATE ON SCHEMA … FROM {grantee}")]
    OthersMayCreate {
        /// The role, or `PUBLIC`.
        grantee: Box<str>,
    },
    /// An object in the schema does not belong to the owner of the schema.
    #[error(
        "{object} belongs to the role {owner:?} and not to the owner of the schema: drop it, or \
         change its owner"
    )]
    ForeignObject {
        /// The object, as PostgreSQL describes it.
        object: Box<str>,
        /// The role that owns it.
        owner: Box<str>,
    },
    /// Everybody has a right that only the owner, or the service, needs.
    #[error("PUBLIC has the right {right} on {object}: REVOKE ALL ON {object} FROM PUBLIC")]
    PublicRight {
        /// The object, as PostgreSQL describes it.
        object: Box<str>,
        /// The right, such as `EXECUTE`.
        right: Box<str>,
    },
    /// Row-level security is enabled, which hides rows without an error.
    #[error(
        "row-level security is enabled on {table}, which can hide rows: \
         ALTER TABLE … {table} DISABLE ROW LEVEL SECURITY"
    )]
    RowSecurity {
        /// The table.
        table: Box<str>,
    },
    /// A trigger of the change log does not do its work, so that changes are not logged.
    #[error("the trigger {trigger:?} on {table} {problem}: {remedy}")]
    Trigger {
        /// The table.
        table: Box<str>,
        /// The trigger.
        trigger: Box<str>,
        /// What is wrong.
        problem: TriggerProblem,
        /// What to do.
        remedy: Box<str>,
    },
    /// A function of the change log is missing, or is not the one of the migrations.
    #[error(
        "the function {name}() is not the one that the migrations create: create it again, as \
         the last migration that has it does"
    )]
    Function {
        /// The function.
        name: Box<str>,
    },
    /// The function of a trigger on a table of the store belongs to a role other than the owner of
    /// the schema.
    #[error(
        "the trigger {trigger:?} on {table} runs a function of the role {owner:?}: drop the trigger"
    )]
    ForeignTrigger {
        /// The table.
        table: Box<str>,
        /// The trigger.
        trigger: Box<str>,
        /// The role that owns the function.
        owner: Box<str>,
    },
    /// A table of the store is not as the migrations make it: it has a rule, is not logged, lacks a unique index, or the
    /// change log has another trigger or another default.
    #[error("the table {table} {problem}")]
    Altered {
        /// The table.
        table: Box<str>,
        /// What is wrong with it, and what to do.
        problem: Box<str>,
    },
    /// The table `horizon` does not have exactly one row.
    #[error(
        "the table horizon has {rows} rows instead of one: \
         INSERT INTO … horizon (pruned_through) VALUES (pg_current_xact_id())"
    )]
    Horizon {
        /// How many rows it has.
        rows: i64,
    },
    /// The log came from another cluster with a dump: its transaction numbers are greater than any
    /// of this cluster. Every prune makes every follower start again until that is put right.
    #[error(
        "the change log was restored from a dump of another cluster: run migrate() as the owner \
         of the schema, or TRUNCATE … changes"
    )]
    ForeignLog,
    /// A crash of the server can lose or damage what was committed.
    #[error(
        "the server's setting {setting} is off, so that a crash can undo a revocation: switch it on"
    )]
    NotDurable {
        /// `fsync` or `full_page_writes`.
        setting: Box<str>,
    },
    /// The server's queue of notifications is more than half full, because a session that listens has been in one
    /// transaction for long. Changes are not notified until that is put right: followers read the log every 2 s.
    #[error(
        "the server's queue of notifications is more than half full: find who holds it up in the \
         server's log, or the oldest transaction in pg_stat_activity, and end that session"
    )]
    NotificationQueue,
    /// A pooler assigns server connections per transaction or statement, as PgBouncer's transaction
    /// mode does. Prepared statements then fail at random, and notifications are lost.
    #[error(
        "a pooler shares server connections among clients: use its session mode, or connect to \
         the server itself"
    )]
    TransactionPooler,
}

/// What is wrong with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerProblem {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It is disabled.
    #[error("is disabled")]
    Disabled,
    /// It does not fire for what replication or a restore applies, as `pg_restore
    /// --disable-triggers` leaves it.
    #[error("does not fire always")]
    NotAlways,
    /// It is not the one that the migrations create.
    #[error("is not the one that the migrations create")]
    Replaced,
}

/// What the catalogs say of the schema.
pub(super) struct Report {
    /// Who owns the schema, unless it is the role that asks.
    pub(super) other_owner: Option<Box<str>>,
    /// Changes when a table of the log or a trigger is made anew or altered.
    pub(super) fingerprint: String,
    /// The server's process, which stays the same for a connection.
    pub(super) backend: i32,
    pub(super) broken: Vec<BrokenAssumption>,
}

impl BrokenAssumption {
    /// Whether nothing in the schema may be touched before it is put right.
    pub(super) fn forbids_use(&self) -> bool {
        use BrokenAssumption::{Encoding, ForeignObject, ForeignOwner, OthersMayCreate};
        matches!(
            self,
            Encoding { .. } | ForeignOwner { .. } | OthersMayCreate { .. } | ForeignObject { .. }
        )
    }

    /// Whether a change may be committed of which a follower does not hear.
    pub(super) fn silences_feed(&self) -> bool {
        match self {
            Self::Trigger { .. } | Self::Function { .. } | Self::TransactionPooler => true,
            Self::RowSecurity { table } | Self::Altered { table, .. } => {
                matches!(&**table, "changes" | "horizon")
            }
            _ => false,
        }
    }
}

impl PostgresStore {
    /// Asks the catalogs, and nothing of the schema itself.
    pub(super) async fn report(&self, db: impl PgExecutor<'_>) -> Result<Report, sqlx::Error> {
        let rows = self
            .statements
            .assumptions
            .query()
            .bind(self.schema.as_str())
            .fetch_all(db)
            .await?;
        let mut report = Report {
            other_owner: None,
            fingerprint: String::new(),
            backend: 0,
            broken: Vec::new(),
        };
        for row in &rows {
            report.add(row, &self.schema)?;
        }
        if self.lost_commits_allowed {
            report
                .broken
                .retain(|broken| !matches!(broken, BrokenAssumption::NotDurable { .. }));
        }
        Ok(report)
    }

    /// Makes sure that it is known whose code runs in the schema.
    pub(super) async fn trust(&self, db: impl PgExecutor<'_>) -> Result<Report, SetupError> {
        let report = self.report(db).await.map_err(SetupError::of)?;
        if report.broken.iter().any(BrokenAssumption::forbids_use) {
            return Err(SetupError::BrokenAssumptions(report.broken));
        }
        Ok(report)
    }
}

impl Report {
    fn add(&mut self, row: &PgRow, schema: &Schema) -> Result<(), sqlx::Error> {
        use BrokenAssumption as B;
        let what: &str = row.try_get(0)?;
        let [first, second, third]: [Box<str>; 3] = [text(row, 1)?, text(row, 2)?, text(row, 3)?];
        let broken = match what {
            "fingerprint" => {
                self.fingerprint = first.into();
                self.backend = second.parse().unwrap_or_default();
                return Ok(());
            }
            "owner" => {
                self.other_owner = Some(first.clone());
                if &*second != "true" {
                    return Ok(());
                }
                B::ForeignOwner { owner: first }
            }
            "function" if is_ours(&first, &second) => return Ok(()),
            "function" => B::Function { name: first },
            "create" => B::OthersMayCreate { grantee: first },
            "object" => B::ForeignObject {
                object: first,
                owner: second,
            },
            "public" => B::PublicRight {
                object: first,
                right: second,
            },
            "row security" => B::RowSecurity { table: first },
            "altered" => B::Altered {
                table: first,
                problem: second,
            },
            "encoding" => B::Encoding { encoding: first },
            "queue" => B::NotificationQueue,
            "durability" => B::NotDurable { setting: first },
            "foreign trigger" => B::ForeignTrigger {
                table: first,
                trigger: second,
                owner: third,
            },
            _ => trigger(schema, first, second, &third),
        };
        self.broken.push(broken);
        Ok(())
    }
}

fn text(row: &PgRow, column: usize) -> Result<Box<str>, sqlx::Error> {
    Ok(row
        .try_get::<Option<&str>, _>(column)?
        .unwrap_or_default()
        .into())
}

fn trigger(schema: &Schema, table: Box<str>, trigger: Box<str>, problem: &str) -> BrokenAssumption {
    let problem = match problem {
        "missing" => TriggerProblem::Missing,
        "D" => TriggerProblem::Disabled,
        "replaced" => TriggerProblem::Replaced,
        _ => TriggerProblem::NotAlways,
    };
    let remedy = match problem {
        TriggerProblem::Missing | TriggerProblem::Replaced => {
            "create it as the last migration that has it does".into()
        }
        _ => format!(
            "ALTER TABLE {}.{table} ENABLE ALWAYS TRIGGER {trigger}",
            schema.as_str()
        )
        .into(),
    };
    BrokenAssumption::Trigger {
        table,
        trigger,
        problem,
        remedy,
    }
}

/// Whether the function has the body that the last migration with it gives it.
fn is_ours(name: &str, body: &str) -> bool {
    let heads = [
        format!("CREATE FUNCTION {name}("),
        format!("CREATE OR REPLACE FUNCTION {name}("),
    ];
    let defines = |sql: &'static str| {
        heads
            .iter()
            .find_map(|head| sql.split_once(&**head))
            .map(|(_, rest)| rest)
    };
    let definition = MIGRATIONS
        .iter()
        .rev()
        .find_map(|migration| defines(migration.sql.as_str()));
    definition.and_then(|rest| rest.split("$$").nth(1)) == Some(body)
}
