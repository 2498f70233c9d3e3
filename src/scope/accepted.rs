//! The scopes that a route accepts.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    is_scope_token,
    set::{ScopeSet, Universe, bit_of},
};
use crate::error::ConfigError;

/// The scopes that a route accepts: any one of them is enough. Never empty.
///
/// [`RequireScopesLayer`](crate::RequireScopesLayer) contains one. Use it directly where a check
/// depends on the request, for example on a field of its body:
///
/// ```
/// use tower_api_key::{Principal, scope::AcceptedScopes};
///
/// fn may_publish(caller: &Principal, accepted: &AcceptedScopes) -> bool {
///     accepted.met_by(caller.scopes())
/// }
/// let accepted = AcceptedScopes::any(["posts:publish", "posts:manage"])?;
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AcceptedScopes {
    names: ScopeSet,
    /// The same as bits over the names of the first catalogue that was met, usually the only one.
    bits: OnceLock<(Universe, u128)>,
}

impl AcceptedScopes {
    /// Creates the set of scopes that a route accepts.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, which no caller could satisfy;
    /// [`ConfigError::InvalidScope`] for a name outside `scope-token` of RFC 6749, section 3.3.
    pub fn any<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let names: ScopeSet = scopes.into_iter().collect();
        if names.is_empty() {
            return Err(ConfigError::NoScopes);
        }
        if let Some(name) = names.iter().find(|name| !is_scope_token(name)) {
            return Err(ConfigError::InvalidScope(name.into()));
        }
        Ok(Self {
            names,
            bits: OnceLock::new(),
        })
    }

    /// Returns what the partner console's routes accept (organizations/partner-console).
    pub(crate) fn partner_console() -> Self {
        Self {
            names: ScopeSet::from_iter(["child_organizations:manage"]),
            bits: OnceLock::new(),
        }
    }

    /// Returns what managing an organization's keys requires by default.
    pub(crate) fn key_management() -> Self {
        Self {
            names: ScopeSet::from_iter(["organizations:manage"]),
            bits: OnceLock::new(),
        }
    }

    /// Returns whether `held` has at least one of the accepted scopes.
    #[must_use]
    pub fn met_by(&self, held: &ScopeSet) -> bool {
        if let Some((universe, held)) = held.bits() {
            let (resolved, accepted) = self.bits.get_or_init(|| self.over(universe));
            if Arc::ptr_eq(resolved, universe) {
                return held & accepted != 0;
            }
        }
        self.names.iter().any(|scope| held.contains(scope))
    }

    /// Returns the accepted scopes as bits. A name outside the universe has no bit: no set within
    /// that universe holds it.
    fn over(&self, universe: &Universe) -> (Universe, u128) {
        let bits = self
            .names
            .iter()
            .filter_map(|name| bit_of(universe, name))
            .fold(0, |bits, bit| bits | bit);
        (Arc::clone(universe), bits)
    }

    /// Yields the accepted scopes in byte order.
    #[cfg_attr(
        not(any(feature = "testing", feature = "tracing")),
        expect(dead_code, reason = "only events and probes name them")
    )]
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter()
    }

    /// Returns the only accepted scope, or `None` if there are several.
    #[must_use]
    pub fn single(&self) -> Option<&str> {
        let mut names = self.names.iter();
        names.next().filter(|_| names.len() == 0)
    }
}

impl PartialEq for AcceptedScopes {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for AcceptedScopes {}

impl fmt::Debug for AcceptedScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.names, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holding_any_accepted_scope_is_enough() {
        let accepted = AcceptedScopes::any(["agents:read", "agents:manage"]).unwrap();
        let held = |names: &[&str]| names.iter().copied().collect::<ScopeSet>();
        assert!(accepted.met_by(&held(&["agents:manage"])));
        assert!(accepted.met_by(&held(&["x", "agents:read"])));
        for names in [
            &[][..],
            &[""],
            &["agents:*"],
            &["AGENTS:READ"],
            &["agents:read,agents:manage"],
            &["agents"],
        ] {
            assert!(!accepted.met_by(&held(names)), "{names:?}");
        }
    }

    #[test]
    fn a_demand_that_nobody_can_meet_is_refused_when_it_is_built() {
        assert!(matches!(
            AcceptedScopes::any([""; 0]),
            Err(ConfigError::NoScopes)
        ));
        for name in ["", "a b", "a\"b", "a\\b", "a\tb", "é"] {
            assert!(
                matches!(
                    AcceptedScopes::any([name]),
                    Err(ConfigError::InvalidScope(_))
                ),
                "{name:?}"
            );
        }
    }

    #[test]
    fn only_a_single_accepted_scope_can_be_named() {
        assert_eq!(AcceptedScopes::any(["a", "a"]).unwrap().single(), Some("a"));
        assert_eq!(AcceptedScopes::any(["a", "b"]).unwrap().single(), None);
    }

    fn universe(names: &[&str]) -> Universe {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn accepted_scopes_are_bits_over_the_first_catalogue_that_is_met() {
        let catalogue = universe(&["a", "b", "c"]);
        let accepted = AcceptedScopes::any(["a", "c", "x"]).unwrap();
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
    fn accepted_scopes_are_compared_and_shown_by_their_names() {
        let accepted = AcceptedScopes::any(["b", "a"]).unwrap();
        assert_eq!(accepted, AcceptedScopes::any(["a", "b"]).unwrap());
        assert_ne!(accepted, AcceptedScopes::any(["a"]).unwrap());
        assert_eq!(format!("{accepted:?}"), r#"{"a", "b"}"#);
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
                let required =
                    AcceptedScopes::any(accepted.chars().map(|name| name.to_string())).unwrap();
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
        assert!(AcceptedScopes::any(["128"]).unwrap().met_by(&held));
    }
}
