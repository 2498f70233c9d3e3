//! Verifying what the store relies on, where a statement that succeeds proves nothing.
//!
//! Row-level security hides rows without an error, a disabled trigger keeps changes out of the log,
//! and code in a schema of another role runs as that role wants. [`PostgresStore::check`] reads the
//! catalogs about all of that, and the feed does so again at every keep-alive. Only the catalogs
//! are read, so nothing in the schema runs before it is known who owns it.

use sqlx::{PgExecutor, Row, postgres::PgRow};

use super::{PostgresStore, migrate::MIGRATIONS, schema::Schema};
use crate::{BrokenAssumption, SetupError, TriggerProblem};

/// What the catalogs say about the schema.
pub(super) struct Report {
    /// The owner of the schema, unless that is the connection's role.
    pub(super) other_owner: Option<Box<str>>,
    /// Changes if a table of the log or a trigger is created again or altered.
    pub(super) fingerprint: String,
    /// The server's process, which stays the same for a connection.
    pub(super) backend: i32,
    pub(super) broken: Vec<BrokenAssumption>,
}

impl BrokenAssumption {
    /// Whether nothing in the schema may be used before this is corrected.
    pub(super) fn forbids_use(&self) -> bool {
        use BrokenAssumption::{
            Encoding, ForeignObject, ForeignOwner, OthersMayCreate, RowSecurity,
        };
        // With row security, what the role is not exempt from is an error of every statement.
        matches!(
            self,
            Encoding { .. }
                | ForeignOwner { .. }
                | OthersMayCreate { .. }
                | ForeignObject { .. }
                | RowSecurity { .. }
        )
    }

    /// Whether a change may be committed that followers do not see.
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
    /// Reads the catalogs, and nothing of the schema itself.
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
}

impl Report {
    /// Refuses a schema unless it is known whose code runs in it.
    pub(super) fn into_trusted(self) -> Result<Self, SetupError> {
        if self.broken.iter().any(BrokenAssumption::forbids_use) {
            return Err(SetupError::broken(self.broken));
        }
        Ok(self)
    }

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
            "unknown trigger" => B::UnknownTrigger {
                table: first,
                trigger: second,
            },
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

/// Whether the function has the body that the last migration that defines it gives it.
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
