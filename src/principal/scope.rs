//! Scopes: what a credential holds, and what a route accepts.

use std::{fmt, sync::Arc};

use crate::error::ConfigError;

/// The scopes that a credential holds, sorted, each once. A clone shares the list.
///
/// Names are compared byte for byte and in full (RFC 6749, section 3.3: case-sensitive): `*`, a comma or an empty name
/// has no meaning of its own and grants nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ScopeSet(Arc<[Box<str>]>);

impl ScopeSet {
    /// Returns a set that grants nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Returns whether `scope` is held.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.binary_search_by(|held| (**held).cmp(scope)).is_ok()
    }

    /// Yields the scopes in byte order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|scope| &**scope)
    }

    /// Returns how many scopes are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = T>>(scopes: I) -> Self {
        let mut scopes: Vec<Box<str>> = scopes.into_iter().map(Into::into).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.into())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The scopes that a route accepts: holding any one of them is enough. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct AcceptedScopes(ScopeSet);

impl AcceptedScopes {
    /// Makes the set that a route accepts.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, which nobody could meet; [`ConfigError::InvalidScope`] for a name
    /// outside `scope-token` of RFC 6749, section 3.3.
    pub fn any<T: Into<Box<str>>>(scopes: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        let scopes: ScopeSet = scopes.into_iter().collect();
        if scopes.is_empty() {
            return Err(ConfigError::NoScopes);
        }
        if let Some(name) = scopes.iter().find(|name| !is_scope_token(name)) {
            return Err(ConfigError::InvalidScope(name.into()));
        }
        Ok(Self(scopes))
    }

    /// What the partner console's routes accept (organizations/partner-console).
    pub(crate) fn partner_console() -> Self {
        Self(ScopeSet::from_iter(["child_organizations:manage"]))
    }

    /// Returns whether `held` has at least one of the accepted scopes.
    #[must_use]
    pub fn met_by(&self, held: &ScopeSet) -> bool {
        self.0.iter().any(|scope| held.contains(scope))
    }

    /// Returns the only accepted scope, or `None` when there are several.
    #[must_use]
    pub fn single(&self) -> Option<&str> {
        match &*self.0.0 {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl fmt::Debug for AcceptedScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// `scope-token` of RFC 6749, section 3.3: printable ASCII without space, `"` and `\`.
pub(crate) fn is_scope_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
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
        for names in [&[][..], &[""], &["agents:*"], &["AGENTS:READ"], &["agents:read,agents:manage"], &["agents"]] {
            assert!(!accepted.met_by(&held(names)), "{names:?}");
        }
    }

    #[test]
    fn a_demand_that_nobody_can_meet_is_refused_when_it_is_built() {
        assert!(matches!(AcceptedScopes::any([""; 0]), Err(ConfigError::NoScopes)));
        for name in ["", "a b", "a\"b", "a\\b", "a\tb", "é"] {
            assert!(matches!(AcceptedScopes::any([name]), Err(ConfigError::InvalidScope(_))), "{name:?}");
        }
    }

    #[test]
    fn only_a_single_accepted_scope_can_be_named() {
        assert_eq!(AcceptedScopes::any(["a", "a"]).unwrap().single(), Some("a"));
        assert_eq!(AcceptedScopes::any(["a", "b"]).unwrap().single(), None);
    }
}
