//! Roles: names for sets of scopes, and which scope implies which.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    is_scope_token,
    set::{ScopeSet, Universe},
};
use crate::{anyreach, error::ConfigError};

/// The rights of each role. Clones share the tables.
///
/// A store uses it to turn the role of a credential or membership into scopes; the layer sees only
/// scopes. [`anyreach`](Self::anyreach) is the default; build your own for another product.
///
/// To change a role, deploy a changed catalogue: keys with that role follow. Deploy a new role to
/// every node before you assign it, since a node that does not know a role answers 503 for it.
///
/// ```
/// use tower_api_key::scope::Catalogue;
///
/// let catalogue = Catalogue::builder()
///     .role("editor", ["posts:write"])
///     .implies("posts:write", "posts:read")
///     .build()?;
/// assert!(catalogue.scopes_of("editor").unwrap().contains("posts:read"));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Tables>);

/// What the clones of a catalogue share.
#[derive(Debug)]
struct Tables {
    /// The scopes of each role, with what they imply.
    roles: HashMap<Arc<str>, ScopeSet>,
    /// Pairs of a scope and one that it implies.
    implied: Vec<(Box<str>, Box<str>)>,
    /// All scopes, each of which has a bit.
    universe: Universe,
}

impl Catalogue {
    /// Starts an empty catalogue of your own.
    pub fn builder() -> CatalogueBuilder {
        CatalogueBuilder::default()
    }

    /// Returns what `role` may do, including implied scopes; `None` if the catalogue has no such
    /// role.
    #[must_use]
    pub fn scopes_of(&self, role: &str) -> Option<&ScopeSet> {
        self.0.roles.get(role)
    }

    /// Returns the role's shared name and its scopes.
    pub(crate) fn role(&self, role: &str) -> Option<(&Arc<str>, &ScopeSet)> {
        self.0.roles.get_key_value(role)
    }

    /// Returns whether any role holds `scope`, or an implication names it.
    #[must_use]
    pub fn knows(&self, scope: &str) -> bool {
        self.0
            .universe
            .binary_search_by(|known| (**known).cmp(scope))
            .is_ok()
    }

    /// Returns those of `scopes` that the catalogue has, and everything they imply.
    ///
    /// A store applies it to stored scopes, so that a scope which is no longer in the catalogue
    /// grants nothing.
    ///
    /// ```
    /// use tower_api_key::scope::Catalogue;
    ///
    /// let held = Catalogue::anyreach().expand(["members:manage", "retired:scope"]);
    /// assert!(held.contains("members:read")); // implied
    /// assert!(!held.contains("retired:scope"));
    /// ```
    #[must_use]
    pub fn expand<T: Into<Box<str>>>(&self, scopes: impl IntoIterator<Item = T>) -> ScopeSet {
        let known = scopes
            .into_iter()
            .map(Into::into)
            .filter(|scope| self.knows(scope));
        expand(&self.0.implied, known.collect()).within(&self.0.universe)
    }
}

/// Builds a [`Catalogue`]; begin with [`Catalogue::builder`]. The order of the calls does not
/// matter.
#[derive(Debug, Default)]
#[must_use]
pub struct CatalogueBuilder {
    roles: Vec<(Arc<str>, Vec<Box<str>>)>,
    implied: Vec<(Box<str>, Box<str>)>,
}

impl CatalogueBuilder {
    /// Adds a role and its scopes.
    pub fn role<T: Into<Box<str>>>(
        mut self,
        role: &str,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.roles
            .push((role.into(), scopes.into_iter().map(Into::into).collect()));
        self
    }

    /// Makes `scope` imply `implied`: a credential with the first also holds the second. Chains are
    /// followed.
    pub fn implies(mut self, scope: &str, implied: &str) -> Self {
        self.implied.push((scope.into(), implied.into()));
        self
    }

    /// Validates the parts and returns the catalogue.
    ///
    /// # Errors
    /// [`ConfigError::InvalidScope`] for a name outside RFC 6749, section 3.3;
    /// [`ConfigError::InvalidRole`] for a name that is empty or has control characters;
    /// [`ConfigError::DuplicateRole`].
    pub fn build(self) -> Result<Catalogue, ConfigError> {
        if let Some(name) = self.names().find(|name| !is_scope_token(name)) {
            return Err(ConfigError::InvalidScope(name.into()));
        }
        if let Some((role, _)) = self.roles.iter().find(|(role, _)| !is_role_name(role)) {
            return Err(ConfigError::InvalidRole((**role).into()));
        }
        let mut known = HashSet::new();
        if let Some((role, _)) = self.roles.iter().find(|(role, _)| !known.insert(role)) {
            return Err(ConfigError::DuplicateRole((**role).into()));
        }
        Ok(self.build_unchecked())
    }

    /// Builds from parts that a test has validated.
    fn build_unchecked(self) -> Catalogue {
        Catalogue(Arc::new(self.tables()))
    }

    /// Expands each role once, so that no request has to.
    fn tables(self) -> Tables {
        let universe: Universe = self
            .names()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(Box::from)
            .collect();
        let role = |(role, scopes)| (role, expand(&self.implied, scopes).within(&universe));
        Tables {
            roles: self.roles.into_iter().map(role).collect(),
            universe,
            implied: self.implied,
        }
    }

    /// Returns every scope that a role or an implication names, with repetitions.
    fn names(&self) -> impl Iterator<Item = &str> {
        let held = self.roles.iter().flat_map(|(_, scopes)| scopes);
        held.chain(
            self.implied
                .iter()
                .flat_map(|(scope, implied)| [scope, implied]),
        )
        .map(|name| &**name)
    }
}

/// PostgreSQL cannot store NUL, and people cannot read other control characters.
fn is_role_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// Adds everything that the scopes imply, directly or through others. Ends in cycles, too: each
/// scope is added once.
fn expand(implied: &[(Box<str>, Box<str>)], mut scopes: Vec<Box<str>>) -> ScopeSet {
    let mut next = 0;
    while let Some(scope) = scopes.get(next).cloned() {
        let new = implied
            .iter()
            .filter(|(from, to)| *from == scope && !scopes.contains(to));
        let new: Vec<_> = new.map(|(_, to)| to.clone()).collect();
        scopes.extend(new);
        next += 1;
    }
    scopes.into_iter().collect()
}

impl Catalogue {
    /// Returns the catalogue that Anyreach documents, the default of the stores.
    ///
    /// The role `admin` has every scope, `viewer` those that end in `:read`. `members:manage`
    /// implies `members:read` (organizations/roles-and-permissions), and
    /// `conversations:read_sensitive` implies `conversations:read`
    /// (conversations/permissions-and-data-access). Nothing else is implied.
    ///
    /// The scopes are `agents:manage`, `agents:read`, `billing:manage`, `campaigns:manage`,
    /// `campaigns:read`, `child_organizations:manage`, `concurrency:manage`, `concurrency:read`,
    /// `conversations:manage`, `conversations:read`, `conversations:read_sensitive`,
    /// `managed_accounts:manage`, `members:manage`, `members:read`, `organizations:manage`,
    /// `phone_numbers:manage`, `phone_numbers:read`, `resources:manage`, `trunks:manage`,
    /// `trunks:read`, `web_widgets:manage` and `web_widgets:read`.
    ///
    /// For another product, build your own with [`builder`](Self::builder).
    #[must_use]
    pub fn anyreach() -> Self {
        let [admin, viewer] = anyreach::ROLES;
        let reads = anyreach::SCOPES
            .into_iter()
            .filter(|scope| scope.ends_with(":read"));
        let roles = Self::builder()
            .role(admin, anyreach::SCOPES)
            .role(viewer, reads);
        anyreach::IMPLICATIONS
            .into_iter()
            .fold(roles, |roles, (scope, implied)| {
                roles.implies(scope, implied)
            })
            .build_unchecked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implications_are_followed_through_chains_and_rings() {
        let ring = Catalogue::builder()
            .implies("a", "b")
            .implies("b", "c")
            .implies("c", "a")
            .build()
            .unwrap();
        assert_eq!(
            ring.expand(["b"]).iter().collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn what_the_catalogue_does_not_know_grants_nothing() {
        let catalogue = Catalogue::builder()
            .role("r", ["a"])
            .implies("a", "b")
            .build()
            .unwrap();
        assert_eq!(
            catalogue.expand(["a", "x", ""]).iter().collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(catalogue.expand(["A", "*", "a,b"]).is_empty());
    }

    #[test]
    fn a_role_has_a_name_that_can_be_stored_and_read() {
        for name in ["", "a\0", "a\nb"] {
            let refused = Catalogue::builder().role(name, ["a"]).build();
            assert_eq!(refused.unwrap_err(), ConfigError::InvalidRole(name.into()));
        }
    }

    #[test]
    fn a_role_cannot_be_given_twice() {
        let twice = Catalogue::builder()
            .role("r", ["a"])
            .role("r", ["b"])
            .build();
        assert_eq!(twice.unwrap_err(), ConfigError::DuplicateRole("r".into()));
        assert!(matches!(
            Catalogue::builder().role("r", [""]).build(),
            Err(ConfigError::InvalidScope(_))
        ));
    }

    #[test]
    fn two_implications_and_no_more() {
        let catalogue = Catalogue::anyreach();
        let implied = [
            ("members:manage", vec!["members:manage", "members:read"]),
            (
                "conversations:read_sensitive",
                vec!["conversations:read", "conversations:read_sensitive"],
            ),
        ];
        for scope in anyreach::SCOPES {
            let held = implied
                .iter()
                .find(|(from, _)| *from == scope)
                .map_or(vec![scope], |(_, held)| held.clone());
            assert_eq!(catalogue.expand([scope]).iter().collect::<Vec<_>>(), held);
        }
    }

    #[test]
    fn viewer_reads_and_admin_has_everything() {
        let catalogue = Catalogue::anyreach();
        let viewer = catalogue.scopes_of("viewer").unwrap();
        assert!(viewer.contains("agents:read") && !viewer.contains("agents:manage"));
        assert!(!viewer.contains("conversations:read_sensitive"));
        let admin = catalogue.scopes_of("admin").unwrap();
        assert!(anyreach::SCOPES.iter().all(|scope| admin.contains(scope)));
        assert!(!admin.contains("conversations:dial"));
        assert!(catalogue.scopes_of("Admin").is_none());
    }
}
