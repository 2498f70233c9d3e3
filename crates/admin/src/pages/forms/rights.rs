//! What a new credential may do: everything that its creator may, or some of it.

use std::collections::BTreeMap;

use tower_api_key::{credential::Kind, scope::Catalogue};

use super::InputError;
use crate::pages::{
    fields::{Fields, Query},
    session::{Membership, Session},
};

/// What somebody may choose from: what they hold themselves.
#[derive(Debug)]
pub(in crate::pages) struct Offer {
    /// The organizations in which a credential can act: the current one for a key, for a token each
    /// of which its owner is a member.
    pub(in crate::pages) places: Vec<Scoped>,
    /// Every scope that is held in one of them, in byte order.
    pub(in crate::pages) scopes: Vec<OfferedScope>,
    /// The role that a key gets which may do everything, if its creator has one.
    pub(in crate::pages) role: Option<Box<str>>,
}

/// An organization, and the scopes that are held there.
#[derive(Debug)]
pub(in crate::pages) struct Scoped {
    pub(in crate::pages) id: String,
    pub(in crate::pages) name: String,
    pub(in crate::pages) scopes: Vec<String>,
}

/// A scope that can be ticked.
#[derive(Debug)]
pub(in crate::pages) struct OfferedScope {
    pub(in crate::pages) name: String,
    /// What it implies besides.
    pub(in crate::pages) implied: Vec<String>,
    /// The names of the organizations in which it is held.
    pub(in crate::pages) held_in: Vec<String>,
}

impl Offer {
    /// Returns what a session may choose from for a credential of `kind`.
    pub(in crate::pages) fn of(session: &Session, kind: Kind, catalogue: &Catalogue) -> Self {
        let memberships: Vec<&Membership> = match kind {
            Kind::OrgKey => session.organization().into_iter().collect(),
            Kind::PersonalToken => session.memberships().iter().collect(),
        };
        let places: Vec<Scoped> = memberships
            .iter()
            .map(|membership| Scoped {
                id: membership.id().to_string(),
                name: membership.name().to_owned(),
                scopes: texts(membership.scopes(catalogue).iter()),
            })
            .collect();
        let role = match kind {
            Kind::OrgKey => session.organization().and_then(Membership::role),
            Kind::PersonalToken => None,
        };
        Self {
            scopes: offered(&places, catalogue),
            places,
            role: role.map(Into::into),
        }
    }

    /// Returns the scopes of a key that may do everything that its creator may.
    pub(super) fn all_scopes(&self) -> Vec<String> {
        self.scopes.iter().map(|scope| scope.name.clone()).collect()
    }
}

fn texts<'t>(scopes: impl Iterator<Item = &'t str>) -> Vec<String> {
    scopes.map(str::to_owned).collect()
}

/// Returns each scope that is held somewhere, once.
fn offered(places: &[Scoped], catalogue: &Catalogue) -> Vec<OfferedScope> {
    let mut held = BTreeMap::<&str, Vec<String>>::new();
    for place in places {
        for scope in &place.scopes {
            held.entry(scope).or_default().push(place.name.clone());
        }
    }
    held.into_iter()
        .map(|(name, held_in)| OfferedScope {
            name: name.to_owned(),
            implied: texts(catalogue.expand([name]).iter().filter(|one| *one != name)),
            held_in,
        })
        .collect()
}

/// What is filled in about the rights.
#[derive(Clone, Debug)]
pub(in crate::pages) struct RightsDraft {
    /// Whether only the ticked scopes are meant.
    pub(in crate::pages) only_scopes: bool,
    pub(in crate::pages) scopes: Vec<String>,
    /// Whether only the ticked organizations are meant. For tokens alone.
    pub(in crate::pages) only_organizations: bool,
    pub(in crate::pages) organizations: Vec<String>,
}

impl RightsDraft {
    /// Reads what is filled in. Without a choice, what is ticked is the choice; a choice that there
    /// is not is the smaller one.
    pub(super) fn read(fields: &Fields) -> Self {
        let scopes = fields.texts("scope");
        let organizations = fields.texts("organization");
        let only = |choice: &str, ticked: &[String]| match fields.get(choice) {
            Some(chosen) => chosen != "all",
            None => !ticked.is_empty(),
        };
        Self {
            only_scopes: only("rights", &scopes),
            only_organizations: only("organizations", &organizations),
            scopes,
            organizations,
        }
    }

    /// Adds it to a query that fills in a form.
    pub(super) fn add_to(&self, query: Query) -> Query {
        let choice = |only| if only { "some" } else { "all" };
        query
            .with("rights", choice(self.only_scopes))
            .with_all("scope", &self.scopes)
            .with("organizations", choice(self.only_organizations))
            .with_all("organization", &self.organizations)
    }

    /// Returns the only scopes that the credential is to have; `None` for all.
    pub(super) fn scopes(&self, offer: &Offer) -> Result<Option<&[String]>, InputError> {
        let held = |scope: &String| offer.scopes.iter().any(|one| one.name == *scope);
        match self.only_scopes {
            false => Ok(None),
            true if self.scopes.is_empty() => Err(InputError::NoRights),
            true if !self.scopes.iter().all(held) => Err(InputError::ForeignRight),
            true => Ok(Some(&self.scopes)),
        }
    }

    /// Returns the only organizations in which the token is to act; `None` for all.
    pub(super) fn organizations(&self, offer: &Offer) -> Result<Option<&[String]>, InputError> {
        let member = |id: &String| offer.places.iter().any(|one| one.id == *id);
        match self.only_organizations {
            false => Ok(None),
            true if self.organizations.is_empty() => Err(InputError::NoOrganizations),
            true if !self.organizations.iter().all(member) => Err(InputError::ForeignOrganization),
            true => Ok(Some(&self.organizations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_api_key::clock::UnixMillis;

    use super::*;

    fn offer(kind: Kind) -> Offer {
        let session = Session::new("user_1", "0123456789abcdef", UnixMillis(0))
            .with_membership(Membership::in_role("org_1", "One", "editor"))
            .with_membership(Membership::in_role("org_2", "Two", "reader"))
            .acting_in("org_2");
        let catalogue = Catalogue::builder()
            .role("editor", ["posts:write"])
            .role("reader", ["posts:read"])
            .implies("posts:write", "posts:read")
            .build()
            .unwrap();
        Offer::of(&session, kind, &catalogue)
    }

    fn draft(fields: &[(&str, &str)]) -> RightsDraft {
        let pairs = fields
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        RightsDraft::read(&Fields(pairs.collect()))
    }

    #[test]
    fn a_key_is_offered_what_is_held_in_its_organization_and_a_token_what_is_held_anywhere() {
        let key = offer(Kind::OrgKey);
        assert_eq!(key.role.as_deref(), Some("reader"));
        assert_eq!(key.all_scopes(), ["posts:read"]);
        let token = offer(Kind::PersonalToken);
        assert_eq!((token.role, token.places.len()), (None, 2));
        let scopes: Vec<_> = token
            .scopes
            .iter()
            .map(|one| (&*one.name, one.implied.concat(), one.held_in.join(",")))
            .collect();
        let wanted = [
            ("posts:read", String::new(), "One,Two".to_owned()),
            ("posts:write", "posts:read".to_owned(), "One".to_owned()),
        ];
        assert_eq!(scopes, wanted);
    }

    #[test]
    fn only_what_is_held_can_be_ticked() {
        let key = offer(Kind::OrgKey);
        for (fields, scopes) in [
            (vec![], Ok(None)),
            (vec![("rights", "all"), ("scope", "posts:read")], Ok(None)),
            (vec![("rights", "some")], Err(InputError::NoRights)),
            (vec![("rights", "everything")], Err(InputError::NoRights)),
            (
                vec![("scope", "posts:read")],
                Ok(Some(vec!["posts:read".to_owned()])),
            ),
            (
                vec![("scope", "posts:write")],
                Err(InputError::ForeignRight),
            ),
        ] {
            let draft = draft(&fields);
            let read = draft.scopes(&key).map(|some| some.map(<[String]>::to_vec));
            assert_eq!(read, scopes, "{fields:?}");
        }
        let token = offer(Kind::PersonalToken);
        for (fields, organizations) in [
            (vec![], Ok(None)),
            (
                vec![("organizations", "some")],
                Err(InputError::NoOrganizations),
            ),
            (
                vec![("organization", "org_2")],
                Ok(Some(vec!["org_2".to_owned()])),
            ),
            (
                vec![("organization", "org_3")],
                Err(InputError::ForeignOrganization),
            ),
        ] {
            let draft = draft(&fields);
            let read = draft.organizations(&token);
            let read = read.map(|some| some.map(<[String]>::to_vec));
            assert_eq!(read, organizations, "{fields:?}");
        }
    }
}
