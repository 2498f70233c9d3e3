//! The scopes that a credential holds.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::sync::{AtomicBool, Ordering};

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
#[derive(Clone)]
struct Held {
    names: Box<[Box<str>]>,
    /// The same as bits over a catalogue's names, if that catalogue has all names of this set.
    bits: Option<(Universe, u128)>,
    /// The tables that returned the set, if a catalogue did.
    version: Option<Arc<Version>>,
}

/// All names in a catalogue, sorted; at most 128, one for each bit.
pub(super) type Universe = Arc<[Box<str>]>;

/// Whether the tables of a catalogue are in force: until others replace them.
#[derive(Debug, Default)]
pub(super) struct Version {
    replaced: AtomicBool,
}

impl Version {
    #[inline]
    pub(super) fn is_current(&self) -> bool {
        !self.replaced.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.replaced.store(true, Ordering::Release);
    }
}

impl ScopeSet {
    /// Returns a set that grants nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_iter([""; 0])
    }

    /// Creates the set of a role that the catalogue does not have: it grants nothing, and is not
    /// current.
    pub(crate) fn unresolved() -> Self {
        let version = Arc::<Version>::default();
        version.end();
        Self::empty().of_version(&version)
    }

    /// Adds the bits if every name is in the universe.
    pub(super) fn within(mut self, universe: &Universe) -> Self {
        let bits = self
            .iter()
            .try_fold(0, |bits, name| Some(bits | bit_of(universe, name)?));
        Arc::make_mut(&mut self.0).bits = bits.map(|bits| (Arc::clone(universe), bits));
        self
    }

    /// States which tables returned it.
    pub(super) fn of_version(mut self, version: &Arc<Version>) -> Self {
        Arc::make_mut(&mut self.0).version = Some(Arc::clone(version));
        self
    }

    /// Returns the same scopes as a list of its own, which no catalogue ends.
    pub(crate) fn detached(mut self) -> Self {
        if self.0.version.is_some() {
            Arc::make_mut(&mut self.0).version = None;
        }
        self
    }

    /// Returns whether the catalogue that returned the set, if one did, still says the same.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        let version = self.0.version.as_ref();
        version.is_none_or(|version| version.is_current())
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

    /// Returns the scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both: Self = self.iter().filter(|scope| other.contains(scope)).collect();
        let both = match self.bits() {
            Some((universe, _)) => both.within(universe),
            None => both,
        };
        let versions = [self, other].map(|set| set.0.version.as_ref());
        let replaced = versions.into_iter().flatten().find(|it| !it.is_current());
        match replaced.or_else(|| versions.into_iter().flatten().next()) {
            Some(version) => both.of_version(version),
            None => both,
        }
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
            version: None,
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
    fn an_intersection_is_current_while_both_sets_are() {
        let of = |version: &Arc<Version>| set("ab").of_version(version);
        let (current, ended) = (Arc::<Version>::default(), Arc::<Version>::default());
        ended.end();
        let other = Arc::default();
        assert!(of(&current).intersection(&of(&other)).is_current());
        assert!(!of(&current).intersection(&of(&ended)).is_current());
        assert!(!of(&ended).intersection(&of(&current)).is_current());
        assert!(!set("a").intersection(&of(&ended)).is_current());
    }

    #[test]
    fn debug_shows_the_names() {
        assert_eq!(format!("{:?}", set("ba")), r#"{"a", "b"}"#);
    }
}
