//! Metadata: pairs of text that an owner keeps with a credential.

use std::fmt;

/// Maximum number of pairs.
const MAX_PAIRS: usize = 16;

/// Maximum length of all keys and values together, in bytes of UTF-8.
const MAX_BYTES: usize = 1024;

/// Pairs of a key and a value that an owner keeps with a credential: at most 16, and 1024 bytes of
/// UTF-8 together.
///
/// A key has letters, digits and `-`, `.`, `/`, `:`, `_` of ASCII, at least one. A value is any
/// text without control characters, and may be empty. Both are compared byte for byte.
///
/// ```
/// use tower_api_key::store::Metadata;
///
/// let metadata = Metadata::new([("team", "billing"), ("cost-center", "4711")])?;
/// assert_eq!(metadata.get("team"), Some("billing"));
/// assert_eq!(metadata.get("region"), None);
/// # Ok::<(), tower_api_key::store::InvalidMetadata>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Metadata(Box<[(Box<str>, Box<str>)]>); // sorted by key, each key once

/// Why pairs cannot be kept with a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// There are more than 16 pairs.
    #[error("there are {0} pairs of metadata; the most is {MAX_PAIRS}")]
    TooManyPairs(usize),
    /// The keys and values have more than 1024 bytes together.
    #[error("the metadata has {0} bytes; the most is {MAX_BYTES}")]
    TooLong(usize),
    /// A key is empty, or contains another character than letters, digits and `-./:_`.
    #[error("{0:?} is not a key of metadata: use letters, digits and `-./:_`")]
    InvalidKey(Box<str>),
    /// Two pairs have the same key.
    #[error("the metadata has the key {0:?} twice")]
    RepeatedKey(Box<str>),
    /// The value of this key contains a control character.
    #[error("the value of {0:?} contains a control character")]
    InvalidValue(Box<str>),
}

impl Metadata {
    /// Creates metadata from pairs in any order.
    ///
    /// # Errors
    /// [`InvalidMetadata`].
    pub fn new<K: Into<Box<str>>, V: Into<Box<str>>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, InvalidMetadata> {
        let metadata = Self(sorted(pairs).into());
        metadata.check()?;
        Ok(metadata)
    }

    /// Creates metadata from what a store has kept, for authors of stores. Nothing is checked: what
    /// another program wrote is returned as it is. Of two pairs with one key the last one counts.
    pub fn from_stored<K: Into<Box<str>>, V: Into<Box<str>>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut pairs = sorted(pairs);
        pairs.dedup_by(|later, earlier| {
            let again = later.0 == earlier.0;
            if again {
                std::mem::swap(later, earlier);
            }
            again
        });
        Self(pairs.into())
    }

    /// Checks the limits.
    pub(super) fn check(&self) -> Result<(), InvalidMetadata> {
        if self.0.len() > MAX_PAIRS {
            return Err(InvalidMetadata::TooManyPairs(self.0.len()));
        }
        let bytes = self
            .0
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > MAX_BYTES {
            return Err(InvalidMetadata::TooLong(bytes));
        }
        if let Some((key, _)) = self.0.iter().find(|(key, _)| !is_key(key)) {
            return Err(InvalidMetadata::InvalidKey(key.clone()));
        }
        let mut neighbours = self.0.iter().zip(self.0.iter().skip(1));
        if let Some(((key, _), _)) = neighbours.find(|(one, next)| one.0 == next.0) {
            return Err(InvalidMetadata::RepeatedKey(key.clone()));
        }
        match self
            .0
            .iter()
            .find(|(_, value)| value.contains(char::is_control))
        {
            Some((key, _)) => Err(InvalidMetadata::InvalidValue(key.clone())),
            None => Ok(()),
        }
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self
            .0
            .binary_search_by(|(known, _)| (**known).cmp(key))
            .ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Returns the pairs, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Returns how many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the pairs sorted by their keys; those with one key stay in their order.
fn sorted<K: Into<Box<str>>, V: Into<Box<str>>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(Box<str>, Box<str>)> {
    let pairs = pairs.into_iter();
    let mut pairs: Vec<(Box<str>, Box<str>)> = pairs
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs
}

fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-./:_".contains(&byte);
    !key.is_empty() && key.bytes().all(allowed)
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn each_limit_has_its_error() {
        use InvalidMetadata::{InvalidKey, InvalidValue, RepeatedKey, TooLong, TooManyPairs};
        let numbered = |count: usize| (0..count).map(|number| (format!("k{number:02}"), "v"));
        assert_eq!(Metadata::new(numbered(16)).unwrap().len(), 16);
        assert_eq!(Metadata::new(numbered(17)), Err(TooManyPairs(17)));
        let long = |length: usize| [("k", "v".repeat(length))];
        assert_eq!(Metadata::new(long(1023)).unwrap().len(), 1);
        assert_eq!(Metadata::new(long(1024)), Err(TooLong(1025)));
        for key in ["", " ", "a b", "\u{e9}", "a\0", "a,b", "a=b"] {
            assert_eq!(Metadata::new([(key, "v")]), Err(InvalidKey(key.into())));
        }
        let twice = Metadata::new([("a", "1"), ("b", "2"), ("a", "1")]);
        assert_eq!(twice, Err(RepeatedKey("a".into())));
        for value in ["a\nb", "\0", "\u{85}"] {
            assert_eq!(Metadata::new([("k", value)]), Err(InvalidValue("k".into())));
        }
        let stored = Metadata::from_stored([("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")]);
        assert_eq!(Vec::from_iter(stored.iter()), [("a", "4"), ("b", "2")]);
        let odd = Metadata::new([("Az09-./:_", ""), ("k", "\u{e9}\u{1f511} x")]);
        assert_eq!(odd.unwrap().get("Az09-./:_"), Some(""));
    }

    proptest! {
        #[test]
        fn every_pair_is_found_in_any_order(
            pairs in vec(("[a-c]{1,3}", "[x-z]{0,2}"), 0..16),
        ) {
            let (forth, back) = (
                Metadata::new(pairs.clone()),
                Metadata::new(pairs.iter().rev().cloned()),
            );
            prop_assert_eq!(&forth, &back);
            if let Ok(metadata) = forth {
                for (key, value) in &pairs {
                    prop_assert_eq!(metadata.get(key), Some(value.as_str()));
                }
                prop_assert_eq!(metadata.len(), pairs.len());
                prop_assert_eq!(metadata.get("d"), None);
            }
        }
    }
}
