//! The tables of a catalogue. They do not change: another catalogue in their place has tables of
//! its own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::set::{ScopeSet, Universe, Version};
use crate::error::ConfigError;

/// Pairs of a scope and one that it implies.
type Implied = Vec<(Box<str>, Box<str>)>;

/// What a catalogue says, from the moment it was built or replaced another until it is replaced.
#[derive(Debug)]
pub(crate) struct Tables {
    /// The scopes of each role, with what they imply.
    roles: HashMap<Arc<str>, ScopeSet>,
    implied: Implied,
    /// All scopes, each of which has a bit.
    universe: Universe,
    /// Whether they are in force. Every set of scopes that they return knows it.
    version: Arc<Version>,
}

impl Tables {
    /// Expands each role once, so that no request has to.
    pub(super) fn new(roles: Vec<(Arc<str>, Vec<Box<str>>)>, implied: Implied) -> Self {
        let pairs = implied.iter().flat_map(|(scope, implied)| [scope, implied]);
        let held = roles.iter().flat_map(|(_, scopes)| scopes);
        let names: BTreeSet<_> = held.chain(pairs).cloned().collect();
        let universe: Universe = names.into_iter().collect();
        let version = Arc::default();
        let expanded = |scopes| made_of(expand(&implied, scopes), &universe, &version);
        Self {
            roles: roles
                .into_iter()
                .map(|(role, scopes)| (role, expanded(scopes)))
                .collect(),
            universe,
            version,
            implied,
        }
    }

    /// Returns tables that say the same, to be in force instead of `earlier`. If the names are the
    /// same too, so are their bits, which requirements have resolved.
    pub(super) fn renewed(&self, earlier: &Self) -> Self {
        let universe = match self.universe == earlier.universe {
            true => Arc::clone(&earlier.universe),
            false => Arc::clone(&self.universe),
        };
        let version = Arc::default();
        let renewed = |(role, scopes): (&Arc<str>, &ScopeSet)| {
            let scopes = made_of(scopes.clone(), &universe, &version);
            (Arc::clone(role), scopes)
        };
        Self {
            roles: self.roles.iter().map(renewed).collect(),
            implied: self.implied.clone(),
            universe,
            version,
        }
    }

    /// Returns whether both say the same.
    pub(super) fn equals(&self, other: &Self) -> bool {
        (&self.roles, &self.implied, &self.universe)
            == (&other.roles, &other.implied, &other.universe)
    }

    /// Ends them, and with them every set of scopes that they have returned.
    pub(super) fn end(&self) {
        self.version.end();
    }

    /// Returns whether no others have replaced them.
    pub(crate) fn is_current(&self) -> bool {
        self.version.is_current()
    }

    /// Returns what a role may do.
    pub(crate) fn scopes_of(&self, role: &str) -> Option<&ScopeSet> {
        self.roles.get(role)
    }

    /// Returns the role's shared name and its scopes.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRole`].
    pub(crate) fn role(&self, role: &str) -> Result<(&Arc<str>, &ScopeSet), ConfigError> {
        let known = self.roles.get_key_value(role);
        known.ok_or_else(|| ConfigError::UnknownRole(role.into()))
    }

    /// Returns whether any role holds `scope`, or an implication names it.
    pub(crate) fn knows(&self, scope: &str) -> bool {
        self.universe
            .binary_search_by(|known| (**known).cmp(scope))
            .is_ok()
    }

    /// Returns those of `scopes` that there are, and everything they imply.
    pub(crate) fn expand<T: Into<Box<str>>>(
        &self,
        scopes: impl IntoIterator<Item = T>,
    ) -> ScopeSet {
        let known = scopes
            .into_iter()
            .map(Into::into)
            .filter(|scope| self.knows(scope));
        let expanded = expand(&self.implied, known);
        made_of(expanded, &self.universe, &self.version)
    }
}

/// Returns scopes as those of tables.
fn made_of(scopes: ScopeSet, universe: &Universe, version: &Arc<Version>) -> ScopeSet {
    scopes.within(universe).of_version(version)
}

/// Adds everything that the scopes imply, directly or through others. Ends in cycles, too: each
/// scope is looked at once, however often it is listed.
fn expand(implied: &Implied, scopes: impl IntoIterator<Item = Box<str>>) -> ScopeSet {
    let mut held: BTreeSet<_> = scopes.into_iter().collect();
    let mut open: Vec<_> = held.iter().cloned().collect();
    while let Some(scope) = open.pop() {
        for (_, to) in implied.iter().filter(|(from, _)| *from == scope) {
            if held.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    held.into_iter().collect()
}
