//! Who manages: what they are allowed follows from it, and never from a request's body.

use std::fmt;

use super::{Owner, Who};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    principal::{AcceptedScopes, OrgId, Principal, ScopeSet, UserId},
};

/// Somebody who manages credentials: who they are, whose credentials they reach, and the most that they can hand out.
///
/// ```
/// use tower_api_key::manage::{Actor, Owner};
///
/// # fn handler(caller: tower_api_key::Principal) {
/// let by_request = Actor::principal(&caller).with_origin("192.0.2.1");
/// let by_session = Actor::person("alice"); // whom the service itself has authenticated
/// let by_command = Actor::operator("backoffice", Owner::Organization("org_1".into()));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Actor {
    pub(super) who: Who,
    pub(super) origin: Option<Box<str>>,
    organization: Option<OrgId>,
    user: Option<UserId>,
    holds: Holds,
    expires_at: Option<UnixMillis>,
}

/// What somebody may do in their organization.
#[derive(Clone, Debug)]
enum Holds {
    Everything,
    Only(ScopeSet),
}

impl Actor {
    /// The caller of a request. Reaches the keys of the organization that the request acts in, and, with a personal token,
    /// its owner's tokens; hands out no more than the presented credential holds, and for no longer than it lasts.
    #[must_use]
    pub fn principal(principal: &Principal) -> Self {
        let record = principal.record();
        let who = match (principal.kind(), record.user()) {
            (Kind::PersonalToken, Some(user)) => Who::Token { id: record.id().into(), user: user.clone() },
            _ => Who::Key(record.id().into()),
        };
        Self {
            who,
            origin: None,
            organization: record.organization().cloned(),
            user: record.user().cloned(),
            holds: Holds::Only(record.scopes().clone()),
            expires_at: record.expires_at(),
        }
    }

    /// A person whom the service has authenticated by itself, as with a session. Reaches their own tokens. The service answers
    /// for what it states here.
    #[must_use]
    pub fn person(user: impl Into<UserId>) -> Self {
        let user = user.into();
        let (who, user) = (Who::Person(user.clone()), Some(user));
        let holds = Holds::Only(ScopeSet::empty());
        Self { who, origin: None, organization: None, user, holds, expires_at: None }
    }

    /// States for a [`person`](Self::person) that they act in an organization, and what they may do there. Reaches its keys
    /// too.
    ///
    /// For somebody else it changes nothing: their organization is part of who they are.
    #[must_use]
    pub fn acting_in(self, organization: impl Into<OrgId>, scopes: ScopeSet) -> Self {
        match self.who {
            Who::Person(_) => Self { organization: Some(organization.into()), holds: Holds::Only(scopes), ..self },
            _ => self,
        }
    }

    /// The service itself, or whoever runs it, under a name of their own for the audit trail. Reaches the credentials of
    /// `owner` and may hand out everything there: for commands, jobs and the first key of an organization.
    #[must_use]
    pub fn operator(name: &str, owner: Owner) -> Self {
        let (organization, user) = match owner {
            Owner::Organization(id) => (Some(id), None),
            Owner::User(id) => (None, Some(id)),
        };
        let who = Who::Operator(name.into());
        Self { who, origin: None, organization, user, holds: Holds::Everything, expires_at: None }
    }

    /// States from where they act, for the audit trail: a client's address, a host, a request's id. What is beyond 200
    /// characters is left out, and so are control characters.
    #[must_use]
    pub fn with_origin(self, origin: impl fmt::Display) -> Self {
        Self { origin: Some(storable(&origin.to_string())), ..self }
    }

    /// Whoever has shown a credential of `owner`; for nothing but ending that one.
    pub(super) fn holder(owner: Owner, origin: Option<&str>) -> Self {
        let operator = Self::operator("", owner);
        Self { who: Who::Holder, origin: origin.map(storable), ..operator }
    }

    /// Returns whose credentials of `kind` they manage, if any: an organization's keys only by holding one of `accepted`.
    pub(super) fn owner(&self, kind: Kind, accepted: &AcceptedScopes) -> Option<Owner> {
        match kind {
            Kind::OrgKey => {
                let allowed = match &self.holds {
                    Holds::Everything => true,
                    Holds::Only(scopes) => accepted.met_by(scopes),
                };
                self.organization.clone().filter(|_| allowed).map(Owner::Organization)
            }
            Kind::PersonalToken => self.user.clone().map(Owner::User),
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(self.holds, Holds::Everything)
    }

    /// The first of `scopes` that they do not hold themselves.
    pub(super) fn lacks<'s>(&self, scopes: &'s ScopeSet) -> Option<&'s str> {
        match &self.holds {
            Holds::Everything => None,
            Holds::Only(held) => scopes.iter().find(|scope| !held.contains(scope)),
        }
    }

    /// Returns whether they count for as long as something that ends at `end`.
    pub(super) fn lasts_until(&self, end: Option<UnixMillis>) -> bool {
        self.expires_at.is_none_or(|own| end.is_some_and(|end| end <= own))
    }
}

/// It may be what a client has sent.
fn storable(origin: &str) -> Box<str> {
    origin.chars().filter(|c| !c.is_control()).take(200).collect::<String>().into()
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self::principal(principal)
    }
}
