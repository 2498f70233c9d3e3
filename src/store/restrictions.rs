//! Restrictions: what a personal token may do at most, whatever its owner may do.

use crate::{id::OrgId, scope::ScopeSet};

/// What a personal token may do at most. A token may do what its owner's role allows in an
/// organization *and* its restrictions allow; they can only take away.
///
/// Without a list everything is allowed that the owner may do, and an empty list allows nothing.
///
/// ```
/// use tower_api_key::{scope::Catalogue, secret::Digest, store::{Record, Restrictions}};
///
/// let catalogue = Catalogue::anyreach();
/// let only = Restrictions::default().with_scopes(catalogue.expand(["agents:manage"]));
/// let token = Record::personal_token("t1", Digest::of(b"pat_test"), "alice")
///     .restricted_to(only)
///     .in_organization("org_1")
///     .with_role("admin", &catalogue)?;
/// assert!(token.scopes().contains("agents:manage"));
/// assert!(!token.scopes().contains("billing:manage"));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Restrictions {
    scopes: Option<ScopeSet>,
    /// Sorted and without duplicates.
    organizations: Option<Box<[OrgId]>>,
}

impl Restrictions {
    /// Allows these scopes only. A store derives them from stored scopes with
    /// [`Catalogue::expand`](crate::scope::Catalogue::expand).
    pub fn with_scopes(self, scopes: ScopeSet) -> Self {
        Self {
            scopes: Some(scopes),
            ..self
        }
    }

    /// Allows these organizations only.
    pub fn with_organizations<T: Into<OrgId>>(
        self,
        organizations: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            organizations: Some(organization_list(organizations)),
            ..self
        }
    }

    /// Creates the restrictions of the lists that there are.
    pub(super) fn of_lists<T: Into<OrgId>>(
        scopes: Option<ScopeSet>,
        organizations: Option<impl IntoIterator<Item = T>>,
    ) -> Self {
        Self {
            scopes,
            organizations: organizations.map(organization_list),
        }
    }

    /// Returns the only scopes that are allowed; `None` if all are.
    #[must_use]
    pub fn scopes(&self) -> Option<&ScopeSet> {
        self.scopes.as_ref()
    }

    /// Returns the only organizations that are allowed, sorted; `None` if all are.
    #[must_use]
    pub fn organizations(&self) -> Option<&[OrgId]> {
        self.organizations.as_deref()
    }

    /// Returns whether they restrict nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scopes.is_none() && self.organizations.is_none()
    }

    /// Returns whether the token may act in `organization`.
    pub(crate) fn allow(&self, organization: &OrgId) -> bool {
        self.organizations()
            .is_none_or(|listed| position(listed, organization).is_some())
    }

    /// Returns whether everything is allowed that `other` allows.
    pub(crate) fn cover(&self, other: &Self) -> bool {
        let scopes = self.scopes().is_none_or(|own| {
            let others = other.scopes();
            others.is_some_and(|others| others.iter().all(|scope| own.contains(scope)))
        });
        let organizations = self.organizations().is_none_or(|_| {
            let others = other.organizations();
            others.is_some_and(|others| others.iter().all(|one| self.allow(one)))
        });
        scopes && organizations
    }

    /// Returns the restrictions of something to which both apply.
    pub(super) fn and(&self, other: &Self) -> Self {
        let organizations = match (self.organizations(), other.organizations()) {
            (Some(own), Some(_)) => {
                let both = own.iter().filter(|organization| other.allow(organization));
                Some(both.cloned().collect())
            }
            (one, other) => one.or(other).map(Into::into),
        };
        let scopes = match (self.scopes(), other.scopes()) {
            (Some(own), Some(others)) => Some(own.intersection(others)),
            (one, other) => one.or(other).cloned(),
        };
        Self {
            scopes,
            organizations,
        }
    }
}

/// Returns a list of organizations in the order of their bytes, each once.
pub(crate) fn organization_list<T: Into<OrgId>>(
    organizations: impl IntoIterator<Item = T>,
) -> Box<[OrgId]> {
    let mut organizations: Vec<OrgId> = organizations.into_iter().map(Into::into).collect();
    organizations.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    organizations.dedup();
    organizations.into()
}

/// Returns the place of an organization in a sorted list.
fn position(sorted: &[OrgId], organization: &OrgId) -> Option<usize> {
    sorted
        .binary_search_by(|listed| listed.as_str().cmp(organization.as_str()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names_and_an_empty_one_nothing() {
        let two = Restrictions::default().with_organizations(["b", "a", "b"]);
        let none = Restrictions::default().with_organizations([""; 0]);
        for (id, expected) in [("a", [true, true, false]), ("c", [true, false, false])] {
            let id = OrgId::from(id);
            let allowed = [&Restrictions::default(), &two, &none].map(|only| only.allow(&id));
            assert_eq!(allowed, expected, "{id:?}");
        }
        assert_eq!(two.organizations().map(<[OrgId]>::len), Some(2));
    }

    #[test]
    fn restrictions_are_empty_if_they_restrict_nothing() {
        let free = Restrictions::default();
        assert!(free.is_empty());
        let no_organization = free.clone().with_organizations([""; 0]);
        let no_scope = free.with_scopes(ScopeSet::empty());
        assert!(!no_organization.is_empty() && !no_scope.is_empty());
    }

    #[test]
    fn restrictions_cover_what_allows_no_more() {
        let scopes =
            |names: &[&str]| Restrictions::default().with_scopes(names.iter().copied().collect());
        let listed = |ids: &[&str]| Restrictions::default().with_organizations(ids.iter().copied());
        let free = Restrictions::default();
        for (one, other, expected) in [
            (&free, &free, true),
            (&free, &scopes(&["a"]), true),
            (&scopes(&["a"]), &free, false),
            (&scopes(&["a", "b"]), &scopes(&["b"]), true),
            (&scopes(&["a"]), &scopes(&["a", "b"]), false),
            (&scopes(&[]), &scopes(&[]), true),
            (&listed(&["x"]), &free, false),
            (&listed(&["x", "y"]), &listed(&["y"]), true),
            (&listed(&["x"]), &listed(&["y"]), false),
            (&scopes(&["a"]), &listed(&["x"]), false),
            (&listed(&["x"]), &scopes(&["a"]), false),
        ] {
            assert_eq!(one.cover(other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn both_restrictions_apply() {
        let scopes = |names: &[&str]| names.iter().copied().collect::<ScopeSet>();
        let none = Restrictions::default();
        let one = none.clone().with_scopes(scopes(&["a", "b"]));
        let one = one.with_organizations(["x", "y"]);
        let other = none.clone().with_scopes(scopes(&["b", "c"]));
        let other = other.with_organizations(["y", "z"]);
        let both = none.clone().with_scopes(scopes(&["b"]));
        let both = both.with_organizations(["y"]);
        assert_eq!(one.and(&other), both);
        assert_eq!((one.and(&none), none.and(&one)), (one.clone(), one));
    }
}
