//! The scopes that a credential holds.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The scopes that a credential holds, sorted and without duplicates. Clones share the list.
///
/// Names are compared byte for byte and in full (RFC 6749, section 3.3: case-sensitive): `*`, a
/// comma or an empty name has no special meaning and grants nothing.
///
/// Collect one from any list of names, in a store or to state what a user may do:
///
/// ```
/// use tower_api_key::scope::ScopeSet;
///
/// let held = ScopeSet::from_iter(["agents:read", "agents:read", "agents:manage"]);
/// assert_eq!(held.iter().collect::<Vec<_>>(), ["agents:manage", "agents:read"]);
/// assert!(!held.contains("agents:*"));
/// ```
#[derive(Clone)]
pub struct ScopeSet(Arc<Held>);

/// What the clones of a set share.
struct Held {
    names: Box<[Box<str>]>,
    /// The same as bits over a catalogue's names, if that catalogue has all names of this set.
    bits: Option<(Universe, u128)>,
}

/// All names in a catalogue, sorted; at most 128, one for each bit.
pub(super) type Universe = Arc<[Box<str>]>;

impl ScopeSet {
    /// Returns a set that grants nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_iter([""; 0])
    }

    /// Adds the bits if every name is in the universe.
    pub(super) fn within(self, universe: &Universe) -> Self {
        let bits = self
            .iter()
            .try_fold(0, |bits, name| Some(bits | bit_of(universe, name)?));
        let names = self.0.names.clone();
        Self(Arc::new(Held {
            names,
            bits: bits.map(|bits| (Arc::clone(universe), bits)),
        }))
    }

    /// Returns the bits with the names that they stand for.
    pub(super) fn bits(&self) -> Option<&(Universe, u128)> {
        self.0.bits.as_ref()
    }

    /// Returns whether `scope` is held.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0
            .names
            .binary_search_by(|held| (**held).cmp(scope))
            .is_ok()
    }

    /// Yields the scopes in byte order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.names.iter().map(|scope| &**scope)
    }

    /// Returns how many scopes are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.names.len()
    }

    /// Returns whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.names.is_empty()
    }
}

/// Returns the bit of a name, if the universe has it among its first 128.
pub(super) fn bit_of(universe: &Universe, name: &str) -> Option<u128> {
    let at = universe
        .binary_search_by(|known| (**known).cmp(name))
        .ok()?;
    1_u128.checked_shl(u32::try_from(at).ok()?)
}

impl<T: Into<Box<str>>> FromIterator<T> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = T>>(scopes: I) -> Self {
        let mut scopes: Vec<Box<str>> = scopes.into_iter().map(Into::into).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(Arc::new(Held {
            names: scopes.into(),
            bits: None,
        }))
    }
}

impl PartialEq for ScopeSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.names == other.0.names
    }
}

impl Eq for ScopeSet {}

impl Hash for ScopeSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.names.hash(state);
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    fn set(names: &str) -> ScopeSet {
        names.chars().map(String::from).collect()
    }

    fn universe() -> Universe {
        ["a", "b", "c"].map(Box::from).into()
    }

    #[test]
    fn a_set_within_a_universe_has_a_bit_for_each_name() {
        for (names, bits) in [
            ("", Some(0)),
            ("a", Some(0b001)),
            ("ac", Some(0b101)),
            ("bc", Some(0b110)),
            ("ax", None),
        ] {
            let universe = universe();
            let set = set(names).within(&universe);
            let found = set.bits().map(|(over, bits)| {
                assert!(Arc::ptr_eq(over, &universe));
                *bits
            });
            assert_eq!(found, bits, "{names:?}");
        }
    }

    #[test]
    fn sets_are_compared_and_hashed_by_their_names() {
        let hasher = RandomState::new();
        let one = set("ab");
        for equal in [one.clone(), set("bab"), set("ab").within(&universe())] {
            assert_eq!(one, equal);
            assert_eq!(hasher.hash_one(&one), hasher.hash_one(&equal));
        }
        for other in [set(""), set("a"), set("abc"), set("cb")] {
            assert_ne!(one, other);
            assert_ne!(hasher.hash_one(&one), hasher.hash_one(&other));
        }
    }

    #[test]
    fn debug_shows_the_names() {
        assert_eq!(format!("{:?}", set("ba")), r#"{"a", "b"}"#);
    }
}
