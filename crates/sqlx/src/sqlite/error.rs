//! What an error of SQLite means before the first request.

use sqlx::migrate::MigrateError;

use super::file::FileError;
use crate::{BrokenAssumption, SetupError};

impl SetupError {
    pub(super) fn from_sqlite(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(5 | 6) => Self::locked(error), // SQLITE_BUSY, SQLITE_LOCKED
            Some(8) => Self::read_only(error),
            Some(11 | 26) => Self::damaged(error), // SQLITE_CORRUPT, SQLITE_NOTADB
            _ => Self::cannot_connect(error),
        }
    }

    pub(super) fn from_sqlite_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::Dirty(_) => Self::unknown_schema(error),
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)
                if matches!(primary_code(&source), Some(5 | 6 | 8 | 11 | 26)) =>
            {
                Self::from_sqlite(source)
            }
            other => Self::Migration {
                database: Box::default(),
                source: other.into(),
            },
        }
    }

    pub(super) fn from_file(error: FileError) -> Self {
        match error {
            FileError::Linked(path) => Self::broken(vec![BrokenAssumption::HardLinks { path }]),
            other => Self::cannot_connect(other),
        }
    }
}

/// Returns SQLite's result code without the extension in its upper bytes.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<u32>().ok()? & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::tests::{told, variant};

    #[test]
    fn a_result_code_says_what_to_do_whatever_its_extension() {
        for (code, wanted) in [
            ("5", "Locked"),
            ("6", "Locked"),
            ("517", "Locked"), // SQLITE_BUSY_SNAPSHOT
            ("8", "ReadOnly"),
            ("11", "Damaged"),
            ("26", "Damaged"),
            ("14", "CannotConnect"),
            ("no number", "CannotConnect"),
        ] {
            let shown = variant(&SetupError::from_sqlite(told(code)));
            assert_eq!(shown, wanted, "{code}");
            let wanted = match wanted {
                "CannotConnect" => "Migration",
                other => other,
            };
            let migration = MigrateError::Execute(told(code));
            let shown = variant(&SetupError::from_sqlite_migration(migration));
            assert_eq!(shown, wanted, "{code}");
        }
        let dirty = SetupError::from_sqlite_migration(MigrateError::Dirty(1));
        assert_eq!(variant(&dirty), "UnknownSchema");
    }
}
