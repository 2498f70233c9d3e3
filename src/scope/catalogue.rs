//! Roles: names for sets of scopes, and which scope implies which.

use std::{collections::HashSet, fmt, mem, sync::Arc};

use super::{is_scope_token, set::ScopeSet, tables::Tables};
use crate::{
    anyreach,
    error::ConfigError,
    sync::{Mutex, lock},
};

/// The rights of each role. Clones share the tables.
///
/// A store uses it to turn the role of a credential or membership into scopes; the layer sees only
/// scopes. [`anyreach`](Self::anyreach) is the default; build your own for another product.
///
/// To change a role, deploy a changed catalogue, or [replace](Self::replace) it in the running
/// process: keys with that role follow. Give a new role to every node before you assign it, since a
/// node that does not know a role answers 503 for it.
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
#[derive(Clone)]
pub struct Catalogue(Arc<Mutex<Arc<Tables>>>);

impl Catalogue {
    /// Starts an empty catalogue of your own.
    pub fn builder() -> CatalogueBuilder {
        CatalogueBuilder::default()
    }

    /// Creates a catalogue of these tables.
    fn of(tables: Tables) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(tables))))
    }

    /// Returns the tables in force. A decision reads them once, so that it is made with the old
    /// catalogue or with the new one.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        Arc::clone(&lock(&self.0))
    }

    /// Replaces the roles and implications by those of `new`, for all clones, while the process
    /// runs. Use it when the file or the table that you read roles from has changed.
    ///
    /// Once it has returned, lookups that begin are answered with the new catalogue:
    ///
    /// - The stores of this project, and stores of your own that call the methods of this catalogue
    ///   in each lookup, follow it: role of a key, role of a membership, and what scopes imply.
    /// - Every [`Cached`](crate::store::Cached) drops each answer whose scopes the old catalogue
    ///   returned, whatever its role is. A lookup in flight that has used the old one is not
    ///   cached, and a request that arrives later does not get its answer. So each credential in
    ///   use is looked up again: replace the catalogue while the database answers.
    /// - A request whose credential was looked up before that is answered, however long its handler
    ///   takes.
    /// - A role that `new` does not have is refused with 503, like any
    ///   [unknown role](crate::guide::many_machines#roles).
    ///
    /// A credential that has scopes of its own does not get others by that, except what they imply.
    /// If `new` says the same as the catalogue in force, nothing changes and nothing is dropped.
    /// `new` and its clones stay catalogues of their own.
    ///
    /// A [`Record`](crate::store::Record) that you keep yourself, outside of these stores, does not
    /// follow; [`Record::is_current`](crate::store::Record::is_current) returns false for it.
    /// Reaches the stores of this process only; other nodes replace theirs.
    ///
    /// ```
    /// use tower_api_key::{scope::Catalogue, store::MemoryStore};
    ///
    /// let catalogue = Catalogue::builder().role("editor", ["posts:read", "posts:write"]).build()?;
    /// let store = MemoryStore::with_catalogue(catalogue.clone());
    ///
    /// catalogue.replace(Catalogue::builder().role("editor", ["posts:read"]).build()?);
    /// assert_eq!(catalogue.scopes_of("editor").unwrap().len(), 1); // and so it is in the store
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    pub fn replace(&self, new: Self) {
        let new = new.tables();
        let mut current = lock(&self.0);
        if current.equals(&new) {
            return;
        }
        let renewed = Arc::new(new.renewed(&current));
        mem::replace(&mut *current, renewed).end();
    }

    /// Returns what `role` may do, including implied scopes; `None` if the catalogue has no such
    /// role.
    #[must_use]
    pub fn scopes_of(&self, role: &str) -> Option<ScopeSet> {
        self.tables().scopes_of(role).cloned()
    }

    /// Returns whether any role holds `scope`, or an implication names it.
    #[must_use]
    pub fn knows(&self, scope: &str) -> bool {
        self.tables().knows(scope)
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
        self.tables().expand(scopes)
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Catalogue").field(&self.tables()).finish()
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
        Catalogue::of(Tables::new(self.roles, self.implied))
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

    fn of(roles: &[(&str, &str)]) -> Catalogue {
        let add =
            |builder: CatalogueBuilder, (role, scope): &(&str, &str)| builder.role(role, [*scope]);
        let built = roles.iter().fold(Catalogue::builder(), add);
        built.implies("a", "b").build().unwrap()
    }

    #[test]
    fn a_replaced_catalogue_ends_what_it_returned_for_all_clones() {
        let catalogue = of(&[("r", "a"), ("s", "c")]);
        let clone = catalogue.clone();
        let earlier = [
            clone.scopes_of("r").unwrap(),
            clone.scopes_of("s").unwrap(), // which stays as it is
            clone.expand(["a"]),
            clone
                .expand(["a"])
                .intersection(&ScopeSet::from_iter(["a"])),
            ScopeSet::from_iter(["a"]).intersection(&clone.expand(["a"])),
        ];
        assert!(earlier.iter().all(ScopeSet::is_current));
        let detached = clone.expand(["a"]).detached();
        catalogue.replace(of(&[("r", "c"), ("s", "c")]));
        assert!(!earlier.iter().any(ScopeSet::is_current));
        assert!(detached.is_current());
        let now = clone.scopes_of("r").unwrap();
        assert!(now.is_current() && now.contains("c") && !now.contains("a"));
        assert!(clone.scopes_of("s").unwrap().is_current());
    }

    #[test]
    fn an_equal_catalogue_ends_nothing() {
        let catalogue = of(&[("r", "a"), ("s", "c")]);
        let earlier = catalogue.scopes_of("r").unwrap();
        catalogue.replace(of(&[("s", "c"), ("r", "a")]));
        catalogue.replace(catalogue.clone());
        assert!(earlier.is_current());
    }

    #[test]
    fn the_new_catalogue_stays_one_of_its_own() {
        let (catalogue, new) = (of(&[("r", "a")]), of(&[("r", "c")]));
        let of_new = new.scopes_of("r").unwrap();
        catalogue.replace(new.clone());
        let between = catalogue.scopes_of("r").unwrap();
        catalogue.replace(of(&[]));
        assert!(of_new.is_current() && !between.is_current());
        assert!(new.scopes_of("r").is_some() && catalogue.scopes_of("r").is_none());
    }

    #[test]
    fn requirements_keep_their_bits_if_the_names_stay() {
        let catalogue = of(&[("r", "a"), ("s", "c")]);
        let universe = |catalogue: &Catalogue| {
            let set = catalogue.scopes_of("r").unwrap();
            Arc::clone(&set.bits().unwrap().0)
        };
        let first = universe(&catalogue);
        catalogue.replace(of(&[("r", "c"), ("s", "a")]));
        assert!(Arc::ptr_eq(&first, &universe(&catalogue)));
        catalogue.replace(of(&[("r", "d")]));
        assert!(!Arc::ptr_eq(&first, &universe(&catalogue)));
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
