//! What an error of the driver means before the first request.

use sqlx::{migrate::MigrateError, postgres::PgConnectOptions};

use crate::{BrokenAssumption, SetupError};

impl SetupError {
    pub(super) fn from_postgres(error: sqlx::Error) -> Self {
        use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Tls};
        let code = match &error {
            Database(error) => error.code().unwrap_or_default().into_owned(),
            Io(_) | PoolClosed | PoolTimedOut | Tls(_) => return Self::cannot_connect(error),
            _ => String::new(),
        };
        let database = Box::default();
        match &*code {
            // authorization, password, privilege
            "28000" | "28P01" | "42501" => Self::Denied {
                database,
                source: error.into(),
            },
            "3D000" => Self::Missing { database },
            "25006" => Self::read_only(error),
            "55P03" => Self::locked(error),
            "XX001" | "XX002" => Self::damaged(error), // data_corrupted, index_corrupted
            // A prepared statement is gone, or another client has prepared one of its name.
            "26000" | "42P05" => Self::broken(vec![BrokenAssumption::TransactionPooler]),
            // no such column, table or function; another type
            "42703" | "42P01" | "42883" | "42804" => Self::unknown_schema(error),
            _ => Self::Failed {
                database,
                source: error.into(),
            },
        }
    }

    pub(super) fn from_postgres_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                match Self::from_postgres(source) {
                    Self::Failed { database, source } => Self::Migration { database, source },
                    other => other,
                }
            }
            other => Self::unknown_schema(other),
        }
    }
}

/// Names a database without the password.
pub(super) fn database_name(options: &PgConnectOptions) -> String {
    let (user, port) = (options.get_username(), options.get_port());
    let host = options.get_socket().map_or_else(
        || options.get_host().to_owned(),
        |socket| socket.display().to_string(),
    );
    let database = options.get_database().unwrap_or(user);
    format!("{user}@{host}:{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::tests::{told, variant};

    #[test]
    fn a_code_of_the_server_says_what_to_do() {
        for (code, wanted) in [
            ("28000", "Denied"),
            ("28P01", "Denied"),
            ("42501", "Denied"),
            ("3D000", "Missing"),
            ("25006", "ReadOnly"),
            ("55P03", "Locked"),
            ("XX001", "Damaged"),
            ("XX002", "Damaged"),
            ("26000", "BrokenAssumptions"),
            ("42P05", "BrokenAssumptions"),
            ("42703", "UnknownSchema"),
            ("42P01", "UnknownSchema"),
            ("42883", "UnknownSchema"),
            ("42804", "UnknownSchema"),
            ("57014", "Failed"),
        ] {
            let shown = variant(&SetupError::from_postgres(told(code)));
            assert_eq!(shown, wanted, "{code}");
            let wanted = if wanted == "Failed" {
                "Migration"
            } else {
                wanted
            };
            let migration = MigrateError::Execute(told(code));
            let shown = variant(&SetupError::from_postgres_migration(migration));
            assert_eq!(shown, wanted, "{code}");
        }
        let closed = SetupError::from_postgres(sqlx::Error::PoolClosed);
        assert_eq!(variant(&closed), "CannotConnect");
    }
}
