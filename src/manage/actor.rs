//! Who manages: what they are allowed follows from it, and never from a request's body.

use std::fmt;

use super::{ManageError, text::visible};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{OrgId, UserId},
    principal::Principal,
    scope::{AcceptedScopes, Catalogue, ScopeSet},
    store::{AuditActor, Authority, Owner, Requirements},
};

/// Somebody who manages credentials: who they are, whose credentials they reach, and the most that they can hand out.
///
/// ```
/// use tower_api_key::{manage::Actor, store::Owner};
///
/// # fn handler(caller: tower_api_key::Principal) {
/// let by_request = Actor::from_principal(&caller).with_origin("192.0.2.1");
/// let by_session = Actor::user("alice"); // whom the service itself has authenticated
/// let by_command = Actor::operator("backoffice", Owner::Organization("org_1".into()));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Actor {
    pub(super) who: AuditActor,
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
    pub fn from_principal(principal: &Principal) -> Self {
        let record = principal.record();
        let who = match (principal.kind(), record.user()) {
            (Kind::PersonalToken, Some(user)) => AuditActor::Token {
                id: record.id().into(),
                user: user.clone(),
            },
            _ => AuditActor::Key(record.id().into()),
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

    /// A person whom the service has authenticated by itself, as with a session. Reaches their own tokens. The store must know
    /// them, and refuses their changes while they are disabled.
    #[must_use]
    pub fn user(user: impl Into<UserId>) -> Self {
        let user = user.into();
        let (who, user) = (AuditActor::Person(user.clone()), Some(user));
        let holds = Holds::Only(ScopeSet::empty());
        Self {
            who,
            origin: None,
            organization: None,
            user,
            holds,
            expires_at: None,
        }
    }

    /// States for a [`user`](Self::user) that they act in an organization, and what they may do there. Reaches its keys
    /// too. The store refuses their changes unless they are a member of it, in a role that holds all of `scopes`: state
    /// what their role holds, or less. What the scopes imply in the store's catalogue need not be stated.
    ///
    /// For somebody else it changes nothing: their organization is part of who they are.
    #[must_use]
    pub fn acting_in(self, organization: impl Into<OrgId>, scopes: ScopeSet) -> Self {
        match self.who {
            AuditActor::Person(_) => Self {
                organization: Some(organization.into()),
                holds: Holds::Only(scopes),
                ..self
            },
            _ => self,
        }
    }

    /// The service itself, or whoever runs it, under a name of their own for the audit trail. Reaches the credentials of
    /// `owner` and may hand out everything there: for commands, jobs and the first key of an organization. Of the
    /// name the same is left out as of an [origin](Self::with_origin).
    #[must_use]
    pub fn operator(name: &str, owner: Owner) -> Self {
        let (organization, user) = match owner {
            Owner::Organization(id) => (Some(id), None),
            Owner::User(id) => (None, Some(id)),
        };
        let who = AuditActor::Operator(visible(name));
        Self {
            who,
            origin: None,
            organization,
            user,
            holds: Holds::Everything,
            expires_at: None,
        }
    }

    /// States from where they act, for the audit trail: a client's address, a host, a request's id. Characters
    /// that cannot be seen or that reorder others are left out, and so is what is beyond 200 characters.
    #[must_use]
    pub fn with_origin(self, origin: impl fmt::Display) -> Self {
        Self {
            origin: Some(visible(&origin.to_string())),
            ..self
        }
    }

    /// Whoever has shown a credential of `owner`; for nothing but ending that one.
    pub(super) fn bearer(owner: Owner, origin: Option<&str>) -> Self {
        let operator = Self::operator("", owner);
        Self {
            who: AuditActor::Holder,
            origin: origin.map(visible),
            ..operator
        }
    }

    /// Refuses ids that the service has stated and that no store can keep. Those of a principal come from the store.
    pub(super) fn check_ids(&self) -> Result<(), ManageError> {
        if !matches!(self.who, AuditActor::Person(_) | AuditActor::Operator(_)) {
            return Ok(());
        }
        let organization = self.organization.as_ref().map(OrgId::as_str);
        let ids = organization
            .into_iter()
            .chain(self.user.as_ref().map(UserId::as_str));
        match ids.into_iter().find(|id| id.chars().any(char::is_control)) {
            Some(id) => Err(ManageError::InvalidId(id.into())),
            None => Ok(()),
        }
    }

    /// Returns whose credentials of `kind` they manage, if any: an organization's keys only by holding one of `accepted`.
    pub(super) fn owner(
        &self,
        kind: Kind,
        accepted: &AcceptedScopes,
        catalogue: &Catalogue,
    ) -> Option<Owner> {
        match kind {
            Kind::OrgKey => {
                let allowed = self
                    .held(catalogue)
                    .is_none_or(|held| accepted.met_by(&held));
                self.organization
                    .clone()
                    .filter(|_| allowed)
                    .map(Owner::Organization)
            }
            Kind::PersonalToken => self.user.clone().map(Owner::User),
        }
    }

    /// Returns what has to be true of them still when a change that is decided at `at` is made.
    pub(crate) fn authority(&self, at: UnixMillis) -> Authority {
        let Holds::Only(scopes) = &self.holds else {
            return Authority::Unconditional;
        };
        let requirements = Requirements {
            organization: self.organization.clone(),
            scopes: scopes.clone(),
            expires_at: self.expires_at,
            ..Requirements::new(at)
        };
        match &self.who {
            AuditActor::Key(id) => Authority::Credential {
                kind: Kind::OrgKey,
                id: id.clone(),
                requirements,
            },
            AuditActor::Token { id, .. } => Authority::Credential {
                kind: Kind::PersonalToken,
                id: id.clone(),
                requirements,
            },
            AuditActor::Person(id) => Authority::User {
                id: id.clone(),
                requirements,
            },
            AuditActor::Operator(_) | AuditActor::Holder | AuditActor::Unknown => {
                Authority::Unconditional
            }
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(self.holds, Holds::Everything)
    }

    /// The first of `scopes` that they do not hold themselves.
    pub(super) fn lacks<'s>(&self, scopes: &'s ScopeSet, catalogue: &Catalogue) -> Option<&'s str> {
        let held = self.held(catalogue)?;
        scopes.iter().find(|scope| !held.contains(scope))
    }

    /// What they hold, with what it implies; `None` for everything. The scopes of [`acting_in`](Self::acting_in) come as
    /// the service has stated them, and only the store's catalogue says what they imply.
    fn held(&self, catalogue: &Catalogue) -> Option<ScopeSet> {
        match &self.holds {
            Holds::Everything => None,
            Holds::Only(scopes) => Some(catalogue.expand(scopes.iter())),
        }
    }

    /// Returns whether they last at least as long as something that ends at `end`.
    pub(super) fn lasts_until(&self, end: Option<UnixMillis>) -> bool {
        self.expires_at
            .is_none_or(|own| end.is_some_and(|end| end <= own))
    }
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self::from_principal(principal)
    }
}
