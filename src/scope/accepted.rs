//! The scopes that a route accepts.

use std::fmt;

use super::{any_of::AnyOf, set::ScopeSet};
use crate::error::ConfigError;

/// The scopes that a route accepts: [any](Self::any) one of them is enough, or [all](Self::all)
/// are needed. Never empty.
///
/// In general, it is a list of sets, of each of which the caller holds at least one scope.
///
/// [`RequireScopesLayer`](crate::RequireScopesLayer) contains one, or one for each route. Use it
/// directly where a check depends on the request, for example on a field of its body:
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
    /// Apart from the others, so that the list cannot be empty: anyone would meet that.
    first: AnyOf,
    others: Vec<AnyOf>,
}

impl AcceptedScopes {
    /// Accepts callers who hold at least one of `scopes`.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, which no caller could satisfy;
    /// [`ConfigError::InvalidScope`] for a name outside `scope-token` of RFC 6749, section 3.3.
    pub fn any<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        AnyOf::new(scopes.into_iter().collect()).map(Self::of)
    }

    /// Accepts callers who hold each of `scopes`.
    ///
    /// # Errors
    /// Those of [`any`](Self::any).
    pub fn all<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let names: ScopeSet = scopes.into_iter().collect();
        let mut each = names.iter().map(|name| ScopeSet::from_iter([name]));
        let first = AnyOf::new(each.next().unwrap_or_else(ScopeSet::empty))?;
        let others = each.map(AnyOf::new).collect::<Result<_, _>>()?;
        Ok(Self { first, others })
    }

    /// Requires that the caller also holds at least one of `scopes`.
    ///
    /// ```
    /// use tower_api_key::scope::{AcceptedScopes, ScopeSet};
    ///
    /// let reads = AcceptedScopes::any(["agents:read", "agents:manage"])?;
    /// let exports = reads.and_any(["exports:create"])?;
    /// assert!(!exports.met_by(&ScopeSet::from_iter(["agents:read"])));
    /// assert!(exports.met_by(&ScopeSet::from_iter(["agents:read", "exports:create"])));
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`any`](Self::any).
    pub fn and_any<T: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let set = AnyOf::new(scopes.into_iter().collect())?;
        if self.sets().all(|known| known != set.names()) {
            self.others.push(set);
        }
        Ok(self)
    }

    fn of(set: AnyOf) -> Self {
        Self {
            first: set,
            others: Vec::new(),
        }
    }

    /// Returns what the partner console's routes accept (organizations/partner-console).
    pub(crate) fn partner_console() -> Self {
        let names = ScopeSet::from_iter(["child_organizations:manage"]);
        Self::of(AnyOf::of(names))
    }

    /// Returns what managing an organization's keys requires by default.
    pub(crate) fn key_management() -> Self {
        Self::of(AnyOf::of(ScopeSet::from_iter(["organizations:manage"])))
    }

    /// Returns whether `held` has at least one scope of each set.
    #[must_use]
    pub fn met_by(&self, held: &ScopeSet) -> bool {
        self.first.met_by(held) && self.others.iter().all(|set| set.met_by(held))
    }

    /// Yields the sets, of each of which at least one scope has to be held.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &ScopeSet> {
        self.groups().map(AnyOf::names)
    }

    fn groups(&self) -> impl Iterator<Item = &AnyOf> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// Returns the sets of scopes each of which is enough: one scope of each accepted set, in every
    /// combination.
    #[cfg(feature = "utoipa")]
    pub(crate) fn alternatives(&self) -> Vec<Vec<&str>> {
        let mut found = vec![Vec::new()];
        for set in self.sets() {
            let with_each = |held: &Vec<_>| -> Vec<Vec<_>> {
                let added = set.iter().map(|scope| [held, &[scope][..]].concat());
                added.collect()
            };
            found = found.iter().flat_map(with_each).collect();
        }
        found
    }

    /// Returns the only accepted scope, or `None` if there are several.
    #[must_use]
    pub fn single(&self) -> Option<&str> {
        self.first.single().filter(|_| self.others.is_empty())
    }

    /// Returns the scopes if all of them are needed, or `None` if there is a choice.
    pub(crate) fn needed(&self) -> Option<Vec<&str>> {
        self.groups().map(AnyOf::single).collect()
    }
}

impl PartialEq for AcceptedScopes {
    fn eq(&self, other: &Self) -> bool {
        // No set is in a list twice.
        self.others.len() == other.others.len()
            && self.sets().all(|set| other.sets().any(|one| one == set))
    }
}

impl Eq for AcceptedScopes {}

impl fmt::Debug for AcceptedScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.first.names(), f)?;
        self.others
            .iter()
            .try_for_each(|set| write!(f, " & {:?}", set.names()))
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
        let any = || AcceptedScopes::any(["a"]).unwrap();
        for impossible in [AcceptedScopes::all([""; 0]), any().and_any([""; 0])] {
            assert_eq!(impossible, Err(ConfigError::NoScopes));
        }
        for name in ["", "a b", "a\"b", "a\\b", "a\tb", "é"] {
            for invalid in [
                AcceptedScopes::any([name]),
                AcceptedScopes::all(["z", name]),
                AcceptedScopes::all([name, "z"]),
                any().and_any(["a", name]),
            ] {
                assert_eq!(invalid, Err(ConfigError::InvalidScope(name.into())));
            }
        }
    }

    #[test]
    fn only_a_single_accepted_scope_can_be_named() {
        assert_eq!(AcceptedScopes::any(["a", "a"]).unwrap().single(), Some("a"));
        for several in [
            AcceptedScopes::any(["a", "b"]),
            AcceptedScopes::all(["a", "b"]),
        ] {
            assert_eq!(several.unwrap().single(), None);
        }
    }

    #[test]
    fn scopes_without_a_choice_can_be_listed() {
        let both = AcceptedScopes::all(["b", "a"]).unwrap();
        assert_eq!(both.needed(), Some(vec!["a", "b"]));
        assert_eq!(AcceptedScopes::any(["a", "b"]).unwrap().needed(), None);
        assert_eq!(both.and_any(["c", "d"]).unwrap().needed(), None);
    }

    #[test]
    fn each_set_has_to_be_met() {
        let held = |names: &[&str]| names.iter().copied().collect::<ScopeSet>();
        let accepted = AcceptedScopes::all(["a", "b"]).unwrap();
        let accepted = accepted.and_any(["c", "d"]).unwrap();
        for names in [
            &["a", "b", "c"][..],
            &["a", "b", "d"],
            &["a", "b", "c", "d"],
        ] {
            assert!(accepted.met_by(&held(names)), "{names:?}");
        }
        for names in [&["a", "b"][..], &["a", "c"], &["b", "d"], &["c", "d"], &[]] {
            assert!(!accepted.met_by(&held(names)), "{names:?}");
        }
    }

    #[test]
    fn accepted_scopes_are_compared_and_shown_by_their_names() {
        let accepted = AcceptedScopes::any(["b", "a"]).unwrap();
        assert_eq!(accepted, AcceptedScopes::any(["a", "b"]).unwrap());
        assert_ne!(accepted, AcceptedScopes::any(["a"]).unwrap());
        assert_eq!(format!("{accepted:?}"), r#"{"a", "b"}"#);
        let both = AcceptedScopes::all(["b", "a", "b"]).unwrap();
        assert_ne!(both, accepted);
        assert_eq!(format!("{both:?}"), r#"{"a"} & {"b"}"#);
        let again = AcceptedScopes::any(["b"]).unwrap();
        let again = again.and_any(["a"]).unwrap().and_any(["b"]).unwrap();
        assert_eq!(both, again);
    }
}
