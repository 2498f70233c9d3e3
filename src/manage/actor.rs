//! Actors: who performs a management call. What an actor may do follows from the actor itself,
//! never from a request's body.

use std::fmt;

use super::{ManageError, text::visible};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{OrgId, UserId},
    principal::Principal,
    scope::{AcceptedScopes, ScopeSet, Tables},
    store::{
        AuditActor, Conditions, Owner, Restrictions,
        backend::{Authority, Requirements},
    },
};

/// The actor of a management call: who it is, whose credentials it manages, and the most it can
/// grant.
///
/// Create it from what authenticated the caller, never from the request's body:
///
/// | caller | constructor |
/// |---|---|
/// | a request behind an [`AuthLayer`](crate::AuthLayer) | [`from_principal`](Self::from_principal) |
/// | a user who signed in to your console | [`user`](Self::user), and [`acting_in`](Self::acting_in) for an organization |
/// | a command, a job, a migration | [`operator`](Self::operator) |
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
#[must_use]
pub struct Actor {
    pub(super) who: AuditActor,
    pub(super) origin: Option<Box<str>>,
    organization: Option<OrgId>,
    user: Option<UserId>,
    grants: Grants,
    expires_at: Option<UnixMillis>,
    restrictions: Restrictions,
    conditions: Conditions,
}

/// What an actor may do in its organization.
#[derive(Clone, Debug)]
enum Grants {
    /// An operator's rights.
    Everything,
    /// These scopes, and what they imply in the store's catalogue.
    Only(ScopeSet),
}

impl Actor {
    /// Creates an actor from a request's principal.
    ///
    /// It manages the keys of the organization that the request acts in and, with a personal token,
    /// its owner's tokens. It grants no more than the presented credential holds, and for no longer
    /// than that credential lasts; with a restricted token, only tokens that are restricted as much
    /// or more; and only what is accepted where the presented credential is. A token that is
    /// restricted to scopes manages its owner's tokens only if its list has
    /// one of the [management scopes](super::Manager::with_management_scopes).
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
            grants: Grants::Only(record.scopes().clone()),
            expires_at: record.expires_at(),
            restrictions: record.restrictions().cloned().unwrap_or_default(),
            conditions: record.conditions().cloned().unwrap_or_default(),
        }
    }

    /// Creates an actor for a user whom the service itself has authenticated, for example with a
    /// session.
    ///
    /// It manages the user's own tokens. The user must exist in the store, which refuses their
    /// changes while they are disabled.
    pub fn user(user: impl Into<UserId>) -> Self {
        let user = user.into();
        let (who, user) = (AuditActor::User(user.clone()), Some(user));
        let grants = Grants::Only(ScopeSet::empty());
        Self {
            who,
            origin: None,
            organization: None,
            user,
            grants,
            expires_at: None,
            restrictions: Restrictions::default(),
            conditions: Conditions::default(),
        }
    }

    /// Sets the organization that a [`user`](Self::user) acts in, and what they may do there. The
    /// user then manages its keys too.
    ///
    /// The store refuses their changes unless they are a member of the organization, in a role that
    /// holds all of `scopes`: pass what their role holds, or less. You need not list scopes that
    /// the store's catalogue implies.
    ///
    /// Has no effect on other actors: their organization is part of their identity.
    ///
    /// ```
    /// use tower_api_key::{manage::Actor, scope::Catalogue};
    ///
    /// // Alice has signed in to the console, where she is an admin of org_1.
    /// let catalogue = Catalogue::anyreach();
    /// if let Some(scopes) = catalogue.scopes_of("admin") {
    ///     let alice = Actor::user("alice").acting_in("org_1", scopes.clone());
    /// }
    /// ```
    pub fn acting_in(self, organization: impl Into<OrgId>, scopes: ScopeSet) -> Self {
        match self.who {
            AuditActor::User(_) => Self {
                organization: Some(organization.into()),
                grants: Grants::Only(scopes),
                ..self
            },
            _ => self,
        }
    }

    /// Creates an actor for the service itself or for the person who operates it. `name` identifies
    /// it in the audit trail.
    ///
    /// It manages the credentials of `owner` and may grant everything there. Use it for commands,
    /// jobs and the first key of an organization. `name` is cleaned like an
    /// [origin](Self::with_origin).
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
            grants: Grants::Everything,
            expires_at: None,
            restrictions: Restrictions::default(),
            conditions: Conditions::default(),
        }
    }

    /// Sets where the actor acts from, for the audit trail: a client's address, a host, a request
    /// id. Invisible and reordering characters are removed, and so is everything beyond 200
    /// characters.
    pub fn with_origin(self, origin: impl fmt::Display) -> Self {
        Self {
            origin: Some(visible(&origin.to_string())),
            ..self
        }
    }

    /// The bearer of a credential of `owner`, allowed only to revoke it.
    pub(super) fn bearer(owner: Owner, origin: Option<&str>) -> Self {
        let operator = Self::operator("", owner);
        Self {
            who: AuditActor::Bearer,
            origin: origin.map(visible),
            ..operator
        }
    }

    /// Refuses ids from the service that no store can keep. A principal's ids come from the store.
    pub(super) fn check_ids(&self) -> Result<(), ManageError> {
        if !matches!(self.who, AuditActor::User(_) | AuditActor::Operator(_)) {
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

    /// Returns the owner whose credentials of `kind` the actor manages, if any. Managing an
    /// organization's keys requires one of the `accepted` scopes. A token that is restricted to
    /// scopes manages its owner's tokens only if one of these is on its list.
    pub(super) fn owner(
        &self,
        kind: Kind,
        accepted: &AcceptedScopes,
        tables: &Tables,
    ) -> Option<Owner> {
        match kind {
            Kind::OrgKey => {
                let allowed = self.held(tables).is_none_or(|held| accepted.met_by(&held));
                self.organization
                    .clone()
                    .filter(|_| allowed)
                    .map(Owner::Organization)
            }
            Kind::PersonalToken => {
                let own = self.restrictions.scopes();
                let allowed = own.is_none_or(|own| accepted.met_by(own));
                self.user.clone().filter(|_| allowed).map(Owner::User)
            }
        }
    }

    /// Returns what must still be true of the actor when a change decided at `at` is committed.
    pub(crate) fn authority(&self, at: UnixMillis) -> Authority {
        let Grants::Only(scopes) = &self.grants else {
            return Authority::Unconditional;
        };
        let requirements = Requirements {
            organization: self.organization.clone(),
            scopes: scopes.clone(),
            expires_at: self.expires_at,
            conditions: self.conditions.clone(),
            restrictions: self.restrictions.clone(),
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
            AuditActor::User(id) => Authority::User {
                id: id.clone(),
                requirements,
            },
            AuditActor::Operator(_) | AuditActor::Bearer | AuditActor::Unknown => {
                Authority::Unconditional
            }
        }
    }

    /// Returns whether the actor may grant everything.
    pub(super) fn is_operator(&self) -> bool {
        matches!(self.grants, Grants::Everything)
    }

    /// Returns the first of `scopes` that the actor does not hold.
    pub(super) fn first_missing<'s>(
        &self,
        scopes: &'s ScopeSet,
        tables: &Tables,
    ) -> Option<&'s str> {
        let held = self.held(tables)?;
        scopes.iter().find(|scope| !held.contains(scope))
    }

    /// Returns the held scopes with what they imply; `None` for everything. The scopes of
    /// [`acting_in`](Self::acting_in) are those the service passed; only the store's catalogue
    /// knows what they imply.
    fn held(&self, tables: &Tables) -> Option<ScopeSet> {
        match &self.grants {
            Grants::Everything => None,
            Grants::Only(scopes) => Some(tables.expand(scopes.iter())),
        }
    }

    /// Returns what tokens that the actor grants may do at most.
    pub(super) fn restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Returns where credentials that the actor grants may be accepted at most.
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Returns whether the actor lasts at least as long as something that ends at `end`.
    pub(super) fn outlives(&self, end: Option<UnixMillis>) -> bool {
        self.expires_at
            .is_none_or(|own| end.is_some_and(|end| end <= own))
    }
}
