//! What a store relies on in its database.

use std::path::PathBuf;

/// An assumption of a store that does not hold in its database. The text says what to do.
///
/// [`SetupError::BrokenAssumptions`](crate::SetupError::BrokenAssumptions) lists them, and the feed
/// of PostgreSQL returns one as the source of its fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenAssumption {
    /// The database does not store UTF-8, so not every id can be stored or looked up.
    #[error("the database's encoding is {encoding}: create the database with UTF-8")]
    Encoding {
        /// The encoding, as the database names it.
        encoding: Box<str>,
    },
    /// The PostgreSQL schema belongs to another role, which can read and change everything in it,
    /// and whose code would run.
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
    /// PUBLIC has a right that only the owner, or the service, needs.
    #[error("PUBLIC has the right {right} on {object}: REVOKE ALL ON {object} FROM PUBLIC")]
    PublicRight {
        /// The object, as PostgreSQL describes it.
        object: Box<str>,
        /// The right, such as `EXECUTE`.
        right: Box<str>,
    },
    /// Row-level security is enabled, which hides rows from lookups without an error.
    #[error(
        "row-level security is enabled on {table}, which can hide rows: \
         ALTER TABLE … {table} DISABLE ROW LEVEL SECURITY"
    )]
    RowSecurity {
        /// The table.
        table: Box<str>,
    },
    /// A trigger of the change log does not work, so changes are not logged.
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
    /// A function of the change log is missing, or differs from that of the migrations.
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
    /// A table of the store has a trigger that the migrations do not create. It can skip or undo a
    /// change.
    #[error(
        "{table} has the trigger {trigger:?}, which the migrations do not create and which can \
         skip or undo a change: drop it"
    )]
    UnknownTrigger {
        /// The table.
        table: Box<str>,
        /// The trigger.
        trigger: Box<str>,
    },
    /// A table of the store is not as the migrations create it: it has a rule, is not logged, lacks
    /// a unique index, or the change log has another trigger or another default.
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
    /// The log came from another cluster in a dump: its transaction numbers are greater than any of
    /// this cluster. Until that is corrected, every prune makes every follower start again.
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
    /// The server's queue of notifications is more than half full, because a session that listens
    /// has been in one transaction for a long time. Until that session ends, changes are not
    /// notified, and followers read the log every 2 s.
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
    /// The SQLite file is not in write-ahead mode.
    #[error(
        "the journal mode is {mode} instead of wal: use a local file system, and open the store \
         again"
    )]
    JournalMode {
        /// The mode, as SQLite names it.
        mode: Box<str>,
    },
    /// Indexes, triggers or views of the SQLite schema are missing.
    #[error("the schema lacks {}: create them as the migrations do", names.join(", "))]
    MissingObjects {
        /// Their names.
        names: Box<[String]>,
    },
    /// The SQLite change log has a gap, or numbers that it has not given out, so that a follower
    /// misses changes.
    #[error("the change log has a gap, or numbers to come: restart every service that follows it")]
    ChangeLogGap,
    /// Rows of a SQLite table refer to owners that do not exist.
    #[error(
        "{table} refers to owners without a row: insert the owners, or delete the rows that refer \
         to them"
    )]
    UnknownOwners {
        /// The table.
        table: Box<str>,
    },
    /// More than one name (hard link) leads to the SQLite file. Programs that use different names
    /// do not see each other's changes.
    #[error(
        "more than one name (hard link) leads to {path:?}, and programs that use different names \
         do not see each other's changes: remove the other names, then restart every program that \
         uses the database"
    )]
    HardLinks {
        /// The name that the store was given.
        path: PathBuf,
    },
}

/// What is wrong with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerProblem {
    /// It does not exist.
    #[error("is missing")]
    Missing,
    /// It is disabled.
    #[error("is disabled")]
    Disabled,
    /// It does not fire for rows that replication or a restore applies. `pg_restore
    /// --disable-triggers` leaves it like that.
    #[error("does not fire always")]
    NotAlways,
    /// It differs from the one that the migrations create.
    #[error("is not the one that the migrations create")]
    Replaced,
}
