//! Why a store cannot be opened, migrated or checked.

use tower_api_key::store::backend::BoxError;

use crate::BrokenAssumption;

/// Why a store cannot be opened, migrated or checked.
///
/// Both stores return it, from what a service calls before its first request. The text names the
/// database and says what to do; the [source](std::error::Error::source) is what the driver said. A
/// database is named by its path, or as `user@host:port/name`: the errors never contain a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The URL cannot be parsed. The error does not contain the URL.
    #[error(
        "invalid database URL: use postgres://user:password@host:port/database, and percent-encode \
         `@`, `/`, `?`, `#` and `%` in the user name and the password"
    )]
    InvalidUrl {
        /// What is wrong.
        source: BoxError,
    },
    /// The name cannot be that of a PostgreSQL schema.
    #[error(
        "invalid schema name {name:?}: use 1 to 55 lower-case letters, digits and `_`, and begin \
         neither with a digit nor with `pg_`"
    )]
    InvalidSchema {
        /// The name.
        name: Box<str>,
    },
    /// The program is linked with an SQLite that is too old.
    #[error("SQLite {found} is too old: link 3.51.3 or newer")]
    SqliteTooOld {
        /// The version that was found.
        found: Box<str>,
    },
    /// The pool's SQLite database is in memory, or a temporary one, so each connection would have
    /// another one.
    #[error(
        "the database {database:?} is lost when its connection is closed: name a file, or use \
         SqliteStore::in_memory"
    )]
    InMemory {
        /// The file name that the pool connects with.
        database: Box<str>,
    },
    /// There is no such database or file, or the file has no store in it and none was to be
    /// created.
    #[error("there is no store at {database:?}: create it, or mount its volume")]
    Missing {
        /// The database.
        database: Box<str>,
    },
    /// The database cannot be reached: a wrong path or host, a server that is down, a pool without
    /// a free connection, TLS.
    #[error(
        "cannot connect to {database:?}: check the path or address, its permissions, and that the \
         server runs"
    )]
    CannotConnect {
        /// The database.
        database: Box<str>,
        /// The error of the driver or the system.
        source: BoxError,
    },
    /// The password is wrong, or the role lacks a right.
    #[error("{database:?} denied access: check the password, and grant the role its rights")]
    Denied {
        /// The database.
        database: Box<str>,
        /// The server's error.
        source: BoxError,
    },
    /// The database may be read but not written: file permissions, a standby, or
    /// `default_transaction_read_only`.
    #[error("{database:?} is read-only: make it writable, or connect to the primary")]
    ReadOnly {
        /// The database.
        database: Box<str>,
        /// The database's error.
        source: BoxError,
    },
    /// Another connection held a lock for too long.
    #[error("{database:?} is locked by another connection: end that connection's transaction")]
    Locked {
        /// The database.
        database: Box<str>,
        /// The database's error.
        source: BoxError,
    },
    /// The file is not an SQLite database, or the database is damaged.
    #[error("{database:?} is damaged or not a database: name another one, or restore a backup")]
    Damaged {
        /// The database.
        database: Box<str>,
        /// The database's error.
        source: BoxError,
    },
    /// The schema does not exist, or is older than this version needs.
    #[error(
        "the schema in {database:?} is at migration {} and must be at {needed}: call migrate(), or \
         run postgres::migration_sql()",
        found.map_or("none".to_owned(), |found| found.to_string())
    )]
    MissingMigration {
        /// The database.
        database: Box<str>,
        /// The newest migration that was run; `None` if there is no schema.
        found: Option<i64>,
        /// The migration that this version needs.
        needed: i64,
    },
    /// The schema was changed by hand, or made by a newer version that older ones cannot share it
    /// with.
    #[error(
        "the schema in {database:?} is not one that this version knows: run the version that made \
         it, or restore a backup ({source})"
    )]
    UnknownSchema {
        /// The database.
        database: Box<str>,
        /// What is not as expected.
        source: BoxError,
    },
    /// A migration failed; nothing was changed.
    #[error(
        "a migration failed in {database:?}, which is unchanged: remove the cause and try again"
    )]
    Migration {
        /// The database.
        database: Box<str>,
        /// The database's error.
        source: BoxError,
    },
    /// The database does not keep what the store relies on.
    #[error("{database:?} cannot be relied on: {}", list(broken))]
    BrokenAssumptions {
        /// The database.
        database: Box<str>,
        /// Everything that was found, each with what to do.
        broken: Vec<BrokenAssumption>,
    },
    /// Any other error of the database.
    #[error("{database:?} failed: see its log, then try again")]
    Failed {
        /// The database.
        database: Box<str>,
        /// The database's error.
        source: BoxError,
    },
}

fn list(broken: &[BrokenAssumption]) -> String {
    let texts: Vec<_> = broken.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Errors are created where the database's name is not at hand; the public functions add it with
/// `in_database`.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl SetupError {
    pub(crate) fn cannot_connect(source: impl Into<BoxError>) -> Self {
        Self::CannotConnect {
            database: Box::default(),
            source: source.into(),
        }
    }

    pub(crate) fn read_only(source: impl Into<BoxError>) -> Self {
        Self::ReadOnly {
            database: Box::default(),
            source: source.into(),
        }
    }

    pub(crate) fn locked(source: impl Into<BoxError>) -> Self {
        Self::Locked {
            database: Box::default(),
            source: source.into(),
        }
    }

    pub(crate) fn damaged(source: impl Into<BoxError>) -> Self {
        Self::Damaged {
            database: Box::default(),
            source: source.into(),
        }
    }

    pub(crate) fn unknown_schema(source: impl Into<BoxError>) -> Self {
        Self::UnknownSchema {
            database: Box::default(),
            source: source.into(),
        }
    }

    pub(crate) fn broken(broken: Vec<BrokenAssumption>) -> Self {
        Self::BrokenAssumptions {
            database: Box::default(),
            broken,
        }
    }

    /// Names the database, unless the error names one.
    pub(crate) fn in_database(mut self, name: &str) -> Self {
        match &mut self {
            Self::InMemory { database }
            | Self::Missing { database }
            | Self::CannotConnect { database, .. }
            | Self::Denied { database, .. }
            | Self::ReadOnly { database, .. }
            | Self::Locked { database, .. }
            | Self::Damaged { database, .. }
            | Self::MissingMigration { database, .. }
            | Self::UnknownSchema { database, .. }
            | Self::Migration { database, .. }
            | Self::BrokenAssumptions { database, .. }
            | Self::Failed { database, .. } => {
                if database.is_empty() {
                    *database = name.into();
                }
            }
            Self::InvalidUrl { .. } | Self::InvalidSchema { .. } | Self::SqliteTooOld { .. } => {}
        }
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{borrow::Cow, error::Error as StdError};

    use sqlx::error::{DatabaseError, ErrorKind};

    /// What a database says with this code, and with nothing else.
    #[derive(Debug, thiserror::Error)]
    #[error("code {0}")]
    struct Told(&'static str);

    impl DatabaseError for Told {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    pub(crate) fn told(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Told(code)))
    }

    /// Returns the name of an error's variant.
    pub(crate) fn variant(error: &super::SetupError) -> String {
        let shown = format!("{error:?}");
        shown
            .split([' ', '('])
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}
