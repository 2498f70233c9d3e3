//! The schema of a store, and its name in statements.

use std::{fmt, sync::Arc};

use super::sql::Statement;

/// The schema of a store: a name that needs no quotes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Schema(Arc<str>);

/// The suffix of the channel's name after the schema's; the triggers of the migration have the
/// same.
const CHANNEL_SUFFIX: &str = "_changes";

/// PostgreSQL truncates names to 63 bytes, and two truncated names could be equal.
const MAX_LEN: usize = 63 - CHANNEL_SUFFIX.len();

impl Schema {
    /// Returns `None` unless the name consists of lower-case letters, digits and `_`, and does not
    /// begin with a digit. Names that begin with `pg_` belong to PostgreSQL.
    pub(super) fn new(name: &str) -> Option<Self> {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let begins = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        (plain && begins && name.len() <= MAX_LEN && !name.starts_with("pg_"))
            .then(|| Self(name.into()))
    }

    /// Returns the schema of a store that is not given another.
    pub(super) fn standard() -> Self {
        Self("tower_api_key".into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn channel(&self) -> String {
        format!("{}{CHANNEL_SUFFIX}", self.0)
    }

    /// Replaces `$$.` with the schema. It is quoted, since a name could be a reserved word.
    pub(super) fn statement(&self, text: &str) -> Statement {
        Statement::new(text.replace("$$.", &format!("\"{}\".", self.0)))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_plain_name_that_leaves_room_for_the_channel() {
        for (name, good) in [
            ("tower_api_key", true),
            ("_x9", true),
            ("select", true),
            (&*"a".repeat(55), true),
            (&*"a".repeat(56), false),
            ("", false),
            ("9a", false),
            ("Upper", false),
            ("a-b", false),
            ("a\"b", false),
            ("a.b", false),
            ("a b", false),
            ("\u{e9}", false),
            ("a\0", false),
            ("pg_catalog", false),
        ] {
            assert_eq!(Schema::new(name).is_some(), good, "{name:?}");
        }
    }

    #[test]
    fn every_table_is_looked_for_in_the_schema() {
        let statement = Schema::new("select")
            .unwrap()
            .statement("SELECT 1 FROM $$.users u JOIN $$.memberships m");
        assert_eq!(
            statement.text(),
            "SELECT 1 FROM \"select\".users u JOIN \"select\".memberships m"
        );
    }
}
