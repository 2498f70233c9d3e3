//! What is wrong with a list, and where.

use std::{collections::BTreeSet, fmt};

use crate::{credential::TokenFormat, id::InvalidId};

/// A mistake in a list of credentials. Its text names the entry, the field and the value.
///
/// A person writes the list, and may have pasted a token into it. The error never shows a text that
/// has the form of a token, with the default prefixes or a valid checksum, nor a digest in
/// hexadecimal, whichever field it is in. It does not recognize a token of fewer than 16 characters
/// with a letter or a digit directly before it, which no minted one is.
///
/// ```
/// use tower_api_key::{scope::Catalogue, store::StaticStore};
///
/// let list = r#"{ "keys": [{ "id": "ci", "digest": "ak_ci.not-a-real-secret" }] }"#;
/// let list = serde_json::from_str(list).unwrap();
/// let error = StaticStore::new(list, Catalogue::anyreach()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "keys, entry 1 (\"ci\"): `digest` is a token in plain text: list the token's SHA-256 digest, \
///      64 hexadecimal digits, and replace the token if others can read the list"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{problem}")]
pub struct StaticError {
    place: Place,
    problem: StaticProblem,
}

impl StaticError {
    pub(super) fn new(place: Place, problem: StaticProblem) -> Self {
        Self { place, problem }
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn problem(&self) -> &StaticProblem {
        &self.problem
    }
}

/// What is wrong in a list of credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StaticProblem {
    /// There is no list, as in an empty file.
    #[error("neither `keys` nor `tokens` is given: write `keys = []` if there are no credentials")]
    NoList,
    /// The configuration, an entry or a membership is not a table.
    #[error("found {0}: use a table")]
    NotATable(&'static str),
    /// A field has another type.
    #[error("found {found} in `{field}`: use {expected}")]
    WrongType {
        /// The name of the field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A required field is missing.
    #[error("`{0}` is missing")]
    MissingField(&'static str),
    /// A field that there is not, such as one with a typing error.
    #[error("unknown field {field:?}: use {}", known.join(", "))]
    UnknownField {
        /// The name of the field.
        field: Box<str>,
        /// The fields that there are.
        known: &'static [&'static str],
    },
    /// A field is given twice.
    #[error("`{0}` is given twice")]
    RepeatedField(&'static str),
    /// An id that no request could name.
    #[error("`{field}`: {source}")]
    InvalidId {
        /// The name of the field.
        field: &'static str,
        /// The id and the rule; of a key's id only what is before the first dot.
        source: InvalidId,
    },
    /// The token itself is in the list.
    #[error(
        "`{0}` is a token in plain text: list the token's SHA-256 digest, 64 hexadecimal digits, and \
         replace the token if others can read the list"
    )]
    PlainToken(&'static str),
    /// A digest that is not one.
    #[error(
        "`digest` has {0} bytes of text: use the 64 hexadecimal digits of the token's SHA-256 \
         digest"
    )]
    InvalidDigest(usize),
    /// A key has both a role and scopes.
    #[error("`role` and `scopes` are both given: use one of them")]
    RoleAndScopes,
    /// A key has neither a role nor scopes.
    #[error("neither `role` nor `scopes` is given: write `scopes = []` to grant nothing")]
    NoRoleOrScopes,
    /// A role that the catalogue does not have.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// A scope that the catalogue does not have.
    #[error("the catalogue has no scope {0:?}")]
    UnknownScope(Box<str>),
    /// Another entry of the list has the same id.
    #[error("`id` is that of entry {0} already")]
    RepeatedId(usize),
    /// Another entry has the same digest.
    #[error("`digest` is that of {list}, entry {entry} already")]
    RepeatedDigest {
        /// The list of the other entry.
        list: &'static str,
        /// Its number, from 1.
        entry: usize,
    },
    /// Two memberships are in the same organization.
    #[error("the membership in {0:?} is given twice")]
    RepeatedMembership(Box<str>),
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not in an entry.
    Whole,
    Entry {
        list: &'static str,
        /// From 1.
        number: usize,
        /// Once it is known to be one.
        id: Option<Box<str>>,
        /// The number of a membership, from 1.
        membership: Option<usize>,
    },
}

impl Place {
    /// Returns the place of an entry whose id is not known.
    pub(super) fn entry(list: &'static str, number: usize) -> Self {
        Self::Entry {
            list,
            number,
            id: None,
            membership: None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Entry {
            list,
            number,
            id,
            membership,
        } = self
        else {
            return Ok(());
        };
        write!(f, "{list}, entry {number}")?;
        if let Some(id) = id {
            write!(f, " ({id:?})")?;
        }
        if let Some(number) = membership {
            write!(f, ", membership {number}")?;
        }
        f.write_str(": ")
    }
}

/// Returns a value as an error may show it.
pub(super) fn shown(text: &str) -> Box<str> {
    let mut runs = text.split(|c: char| !c.is_ascii_hexdigit());
    let is_digest = runs.any(|run| run.len() >= 64);
    let is_secret = is_digest || has_token(text);
    if is_secret { "…" } else { text }.into()
}

/// Returns whether a text is a token or contains one, as `Bearer ak_…` does: with the default
/// prefixes, or with a checksum.
pub(super) fn has_token(text: &str) -> bool {
    let format = TokenFormat::default();
    let prefixes = [format.org_key_prefix(), format.personal_token_prefix()];
    words(text).any(|word| {
        let mut starts = prefixes
            .iter()
            .flat_map(|prefix| word.match_indices(prefix));
        let is_token = |at: usize| {
            let (before, token) = word.split_at(at);
            let is_apart = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
            token.len() >= LONG || is_apart && format.classify(token.as_bytes()).is_ok()
        };
        has_long_run(word) || starts.any(|(at, _)| is_token(at))
    })
}

/// The length from which a text that begins with a prefix inside of another one counts as a token.
const LONG: usize = 16;

/// Returns whether there are as many different letters and digits in a row as in no name, but in
/// the secret of a minted token, whatever is around it.
fn has_long_run(word: &str) -> bool {
    let mut runs = word.split(|c: char| !c.is_ascii_alphanumeric());
    runs.any(|run| run.len() >= 32 && BTreeSet::from_iter(run.bytes()).len() >= 8)
}

/// Returns whether a text is a token that this crate has minted, with any prefix.
pub(super) fn is_minted(text: &str) -> bool {
    TokenFormat::checksum_holds(text.as_bytes())
}

/// Returns the parts of a text that consist of what tokens do, without padding.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/".contains(c))
}
