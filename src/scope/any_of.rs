//! Scopes of which any one is enough.

use std::sync::{Arc, OnceLock};

use super::{
    is_scope_token,
    set::{ScopeSet, Universe, bit_of},
};
use crate::error::ConfigError;

/// One or more scopes of which any one is enough.
#[derive(Clone)]
pub(super) struct AnyOf {
    names: ScopeSet,
    /// The same as bits over the names of the first catalogue that was met, usually the only one.
    bits: OnceLock<(Universe, u128)>,
}

impl AnyOf {
    /// Creates the set, unless it is empty or a name is not a scope.
    pub(super) fn new(names: ScopeSet) -> Result<Self, ConfigError> {
        if names.is_empty() {
            return Err(ConfigError::NoScopes);
        }
        if let Some(name) = names.iter().find(|name| !is_scope_token(name)) {
            return Err(ConfigError::InvalidScope(name.into()));
        }
        Ok(Self::of(names))
    }

    /// Creates the set of names that are known to be scopes.
    pub(super) fn of(names: ScopeSet) -> Self {
        Self {
            names,
            bits: OnceLock::new(),
        }
    }

    /// Returns whether `held` has at least one of the scopes.
    pub(super) fn met_by(&self, held: &ScopeSet) -> bool {
        if let Some((universe, held)) = held.bits() {
            let (resolved, accepted) = self.bits.get_or_init(|| self.over(universe));
            if Arc::ptr_eq(resolved, universe) {
                return held & accepted != 0;
            }
        }
        self.names.iter().any(|scope| held.contains(scope))
    }

    /// Returns the scopes as bits. A name outside the universe has no bit: no set within that
    /// universe holds it.
    fn over(&self, universe: &Universe) -> (Universe, u128) {
        let bits = self
            .names
            .iter()
            .filter_map(|name| bit_of(universe, name))
            .fold(0, |bits, bit| bits | bit);
        (Arc::clone(universe), bits)
    }

    /// Returns the scopes.
    pub(super) fn names(&self) -> &ScopeSet {
        &self.names
    }

    /// Returns the only scope, or `None` if there are several.
    pub(super) fn single(&self) -> Option<&str> {
        let mut names = self.names.iter();
        names.next().filter(|_| names.len() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(names: &[&str]) -> AnyOf {
        AnyOf::new(names.iter().copied().collect()).unwrap()
    }

    fn universe(names: &[&str]) -> Universe {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn accepted_scopes_are_bits_over_the_first_catalogue_that_is_met() {
        let catalogue = universe(&["a", "b", "c"]);
        let accepted = any(&["a", "c", "x"]);
        let held = |names: &[&str], universe| {
            let names: ScopeSet = names.iter().copied().collect();
            names.within(universe)
        };
        assert!(accepted.met_by(&held(&["c"], &catalogue)));
        assert!(accepted.met_by(&held(&["c"], &universe(&["c"]))));
        let (resolved, bits) = accepted.bits.get().unwrap();
        assert!(Arc::ptr_eq(resolved, &catalogue));
        assert_eq!(*bits, 0b101);
    }

    #[test]
    fn bits_and_names_agree_with_any_catalogue() {
        let (small, other) = (universe(&["a", "b", "c"]), universe(&["b", "c", "d"]));
        let sets = ["", "a", "b", "ab", "abc", "bc", "d", "cd", "x", "ax"];
        let of = |names: &str| {
            names
                .chars()
                .map(|name| name.to_string())
                .collect::<ScopeSet>()
        };
        for accepted in &sets[1..] {
            for first in [&small, &other] {
                let required = AnyOf::new(of(accepted)).unwrap();
                let _ = required.met_by(&of("").within(first)); // resolves it over this catalogue
                for held in sets {
                    let wanted = held.chars().any(|name| accepted.contains(name));
                    for (how, set) in [
                        ("names", of(held)),
                        ("small", of(held).within(&small)),
                        ("other", of(held).within(&other)),
                    ] {
                        assert_eq!(
                            required.met_by(&set),
                            wanted,
                            "{accepted:?} by {held:?} as {how}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_hundred_and_twenty_ninth_name_has_no_bit() {
        let universe: Universe = (0..129).map(|i| format!("{i:03}").into()).collect();
        assert_eq!(bit_of(&universe, "127"), Some(1 << 127));
        assert_eq!(bit_of(&universe, "128"), None);
        let held = ScopeSet::from_iter(["128"]).within(&universe);
        assert!(any(&["128"]).met_by(&held));
    }
}
