//! Management calls, their actors and their outcomes.

use std::collections::BTreeSet;

use super::{
    Attributes, By, Conditions, Credential, Edit, Event, Kind, Limits, Millis, Owner, Principal,
    World, catalogue,
};

/// What a key may do, or a token at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// What the role may do.
    Role(String),
    /// These scopes, and what they imply.
    Scopes(Vec<String>),
    /// A token that is not restricted: its rights follow from memberships.
    Nothing,
}

/// What a credential is, as a filter of lists names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is usable.
    Active,
    /// It is disabled, expired or not.
    Disabled,
    /// It has expired.
    Expired,
    /// It is deleted.
    Deleted,
}

/// A request to issue a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// A key or a token.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// What a key may do, or a token at most.
    pub grant: Grant,
    /// The only organizations of a token, if it is restricted to some.
    pub organizations: Option<BTreeSet<String>>,
    /// What is kept with it.
    pub attributes: Attributes,
    /// When it ends.
    pub expires_at: Option<Millis>,
}

/// A request to replace a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Which one.
    pub target: (Kind, String),
    /// How long both are valid.
    pub overlap: Millis,
    /// When the new one ends; `None` is when the old one would have.
    pub expires_at: Option<Option<Millis>>,
}

/// A request that may have an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Repeatable {
    Issue(Issue),
    Rotate(Rotate),
}

/// Which credentials a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state; by default all but deleted ones.
    pub state: Option<State>,
    /// Only those that end before it.
    pub expiring_before: Option<Millis>,
    /// Only those that were created before it and not used since.
    pub unused_since: Option<Millis>,
    /// Only those whose name contains it, in either case.
    pub name: Option<String>,
    /// Only those whose metadata has this pair.
    pub metadata: Option<(String, String)>,
}

/// A management call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Issues a credential, perhaps under an idempotency key.
    Issue(Issue, Option<String>),
    /// Replaces a credential, perhaps under an idempotency key.
    Rotate(Rotate, Option<String>),
    /// Gives a credential another name.
    Rename(Kind, String, String),
    /// Changes the name and the attributes of a credential.
    Edit(Kind, String, Edit),
    /// Disables a credential.
    Disable(Kind, String),
    /// Enables a credential.
    Enable(Kind, String),
    /// Deletes a credential.
    Delete(Kind, String),
    /// Deletes the credential with this whole token.
    RevokePresented(String),
    /// Deletes all credentials of the actor.
    RevokeAll(Kind),
    /// Imports a credential with this id and token, created at that time.
    Import(Issue, Minted, Option<Millis>),
    /// Returns one credential.
    Get(Kind, String),
    /// Returns the whole list, newest first.
    List(Kind, Filter),
    /// Returns the whole audit trail, newest first.
    Events(Kind),
}

/// The id and the token of a credential that was issued. They are random, so they
/// are passed to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// The public id.
    pub id: String,
    /// The whole token.
    pub token: String,
}

/// What a call returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new credential, or the one of an earlier request: `true` if the secret is returned.
    Issued(Credential, bool),
    /// A credential after the change.
    Info(Credential),
    /// The ids of what was deleted.
    Ended(BTreeSet<String>),
    /// A list.
    Listed(Vec<Credential>),
    /// An audit trail.
    Trail(Vec<Event>),
    /// Nothing was changed.
    Rejected(Rejected),
}

/// Why a call was rejected, by the code of the error.
pub type Rejected = &'static str;

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a history has few at a time")]
pub enum Actor {
    /// An operator, for an owner.
    Operator(Owner),
    /// A user who signed in, perhaps acting in an organization with these scopes.
    Session(String, Option<(String, Vec<String>)>),
    /// The principal of a request that was accepted, now or long ago.
    Held(Principal),
}

impl Actor {
    /// Returns the owner whose credentials of `kind` the actor manages.
    #[must_use]
    pub fn manages(&self, kind: Kind) -> Option<Owner> {
        let held = self.held();
        let may = held.is_none_or(|held| held.contains(super::MANAGEMENT_SCOPE));
        match kind {
            Kind::Key => self.organization().filter(|_| may).map(Owner::Organization),
            Kind::Token => {
                let limits = self.limits();
                let own = limits.scopes.as_ref();
                let may = own.is_none_or(|own| own.contains(super::MANAGEMENT_SCOPE));
                self.user().filter(|_| may).map(Owner::User)
            }
        }
    }

    fn organization(&self) -> Option<String> {
        match self {
            Self::Operator(Owner::Organization(id)) => Some(id.clone()),
            Self::Operator(Owner::User(_)) => None,
            Self::Session(_, acting) => acting.as_ref().map(|(id, _)| id.clone()),
            Self::Held(principal) => principal.organization.clone(),
        }
    }

    fn user(&self) -> Option<String> {
        match self {
            Self::Operator(Owner::User(id)) | Self::Session(id, _) => Some(id.clone()),
            Self::Operator(Owner::Organization(_)) => None,
            Self::Held(principal) => principal.user.clone(),
        }
    }

    /// Returns the scopes that the actor may grant; `None` for everything.
    pub(super) fn held(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Operator(_) => None,
            Self::Session(_, None) => Some(BTreeSet::new()),
            Self::Session(_, Some((_, scopes))) => Some(catalogue::expand(scopes)),
            Self::Held(principal) => Some(principal.scopes.clone()),
        }
    }

    /// Returns what the tokens that the actor grants may do at most, and where.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Held(principal) => principal.limits.clone(),
            _ => Limits::default(),
        }
    }

    /// Returns where what the actor grants is accepted at most.
    pub(super) fn conditions(&self) -> Conditions {
        match self {
            Self::Held(principal) => principal.attributes.conditions.clone(),
            _ => Conditions::default(),
        }
    }

    /// Returns whether the actor lasts as long as something that ends at `end`.
    pub(super) fn outlives(&self, end: Option<Millis>) -> bool {
        match self {
            Self::Held(Principal {
                expires_at: Some(own),
                ..
            }) => end.is_some_and(|end| end <= *own),
            _ => true,
        }
    }

    /// Returns what the audit trail calls the actor.
    pub(super) fn by(&self) -> By {
        match self {
            Self::Operator(_) => By::Operator,
            Self::Session(user, _) => By::User(user.clone()),
            Self::Held(Principal {
                user: Some(user),
                id,
                ..
            }) => By::Token(id.clone(), user.clone()),
            Self::Held(principal) => By::Key(principal.id.clone()),
        }
    }

    /// Returns whether the actor is at this moment still what it was taken for. A change needs it.
    pub(super) fn stands(&self, world: &World, now: Millis) -> bool {
        match self {
            Self::Operator(_) => true,
            Self::Session(user, acting) => {
                let enabled = world.users.get(user).is_some_and(|user| !user.disabled);
                enabled
                    && acting.as_ref().is_none_or(|(organization, scopes)| {
                        let holds = world.scopes_there(user, organization);
                        world.role(user, organization).is_some()
                            && scopes.iter().all(|scope| holds.contains(scope))
                    })
            }
            Self::Held(was) => world.principal_now(was, now).is_some_and(|is| {
                was.scopes.is_subset(&is.scopes)
                    && is.attributes.conditions.cover(&was.attributes.conditions)
                    && is
                        .expires_at
                        .is_none_or(|end| was.expires_at.is_some_and(|old| old <= end))
            }),
        }
    }
}
