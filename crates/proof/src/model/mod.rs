//! The model: what the protocol and management promise, as a program that is obviously right.
//!
//! [`World`] is everything that a store knows. [`answer`](World::answer) returns what a request
//! gets, [`manage`](World::manage) what a management call returns and changes, and
//! [`arrange`](World::arrange) the same for organizations, users and memberships. There is no
//! cache, no concurrency and no clock: the time is an argument. Histories of random steps run
//! against a real store and against the model, and every answer must be equal: see
//! [`history`](crate::history).
//!
//! It is written from the documented protocol and the rules of management. It calls nothing of the
//! crate that it describes.
//!
//! # Adding a feature: first here
//!
//! Whoever adds a feature adds it to the model first, then a step that exercises it, sees the
//! histories fail, and then writes the feature.
//!
//! # What a history can express, and what it cannot
//!
//! | it can | it cannot |
//! |---|---|
//! | each call of a `Manager`, by operators, sessions and principals that were accepted earlier | a store that fails, hangs or panics |
//! | requests with every kind of credential and header, on each kind of route | gRPC, the browser guard, other texts and prefixes |
//! | requests from a few addresses and with a few user agents, to services of an environment | proxies, conditions of a service's own |
//! | changes of organizations, users and memberships | damaged rows, changes by hand |
//! | clocks that are moved both ways, and differ between nodes | time that passes while a call waits |
//! | several nodes with caches of their own, a feed that is lost and restored | a bounded time to live, a cache that evicts |
//! | a node that restarts, a call that is dropped half-way, two calls at once | more than two calls at once, a power failure |
//! | last uses, collected by each node, with an address and a user agent from some services | peppers and rehashing |
//! | reports of expiry before thresholds that change, expiry of unused credentials, removal of old ones | a sweep or a report beside other changes, and the outbox of the reports |

mod answer;
mod arrange;
mod attributes;
mod background;
mod call;
pub mod catalogue;
mod lists;
mod manage;
mod names;
mod refusal;
mod uses;

use std::collections::{BTreeMap, BTreeSet};

pub use answer::{Answer, Limits, Principal, Request, Route};
pub use arrange::Arrangement;
pub use attributes::{Attributes, Conditions, Edit, Surroundings};
pub(crate) use call::Repeatable;
pub use call::{Actor, Call, Filter, Grant, Issue, Minted, Outcome, Rejected, Rotate, State};
pub(crate) use uses::Stage;
pub use uses::{Keeps, Origin, Uses};

/// Milliseconds since 1970.
pub type Millis = i64;

/// The policy of the managers: how many usable credentials an owner may have.
pub const CAP: usize = 4;
/// The policy of the managers: how long an overlap of a rotation may be.
pub const MAX_OVERLAP: Millis = 7 * 24 * 3_600_000;
/// The scope that managing the keys of an organization takes.
pub const MANAGEMENT_SCOPE: &str = "organizations:manage";
/// To how many organizations a token can be restricted.
pub const MAX_ORGANIZATIONS: usize = 100;
/// 2200-01-01: an expiry after it was given in another unit.
pub const LATEST_EXPIRY: Millis = 7_258_118_400_000;

/// The two kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A key of an organization.
    Key,
    /// A personal token of a user.
    Token,
}

/// Who owns a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// An organization owns keys.
    Organization(String),
    /// A user owns tokens.
    User(String),
}

/// What was done to a credential itself. Whether it has expired, and whether its owner is gone, is
/// not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may be used.
    Active,
    /// It may be enabled again.
    Disabled,
    /// It can never be used again.
    Deleted,
}

/// A credential, as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The public id.
    pub id: String,
    /// The owner.
    pub owner: Owner,
    /// The name.
    pub name: String,
    /// What a key may do; what a token may do at most, [`Grant::Nothing`] if that is not
    /// restricted.
    pub grant: Grant,
    /// The only organizations of a token, if it is restricted to some.
    pub organizations: Option<BTreeSet<String>>,
    /// What is kept with it.
    pub attributes: Attributes,
    /// What was done to it.
    pub status: Status,
    /// Who issued it, imported it, or made it by a rotation.
    pub created_by: Option<By>,
    /// When it was created.
    pub created_at: Millis,
    /// When it ends; `None` means never.
    pub expires_at: Option<Millis>,
    /// The first recorded use.
    pub first_used_at: Option<Millis>,
    /// The last recorded use.
    pub last_used_at: Option<Millis>,
    /// Where it came from.
    pub last_origin: Origin,
    /// The credential that it replaced.
    pub rotated_from: Option<String>,
    /// The credential that replaced it.
    pub rotated_to: Option<String>,
    /// When it was replaced.
    pub rotated_at: Option<Millis>,
    /// When it was deleted.
    pub deleted_at: Option<Millis>,
}

/// A credential with what its owner does not see.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) shown: Credential,
    /// The whole token.
    pub(crate) token: String,
    /// The latest part of its overlap of which the audit trail has a use.
    pub(crate) stage: Stage,
}

/// An organization. The id of a deleted one stays taken.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) parent: Option<String>,
    pub(crate) deleted: bool,
}

/// A user, and the role in each organization of which they are a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) disabled: bool,
    pub(crate) roles: BTreeMap<String, String>,
}

/// An audit event. Events of the same `group` were stored at once, in no order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Counts the changes.
    pub group: u64,
    /// What happened.
    pub action: &'static str,
    /// To which credential.
    pub credential: String,
    /// The owner.
    pub owner: Owner,
    /// When.
    pub at: Millis,
    /// The other credential of a rotation.
    pub related: Option<String>,
    /// Who did it.
    pub by: By,
    /// What the attributes were set to, if the action set them.
    pub attributes: Attributes,
}

/// Who did something, in the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A key.
    Key(String),
    /// A token of a user.
    Token(String, String),
    /// A user who signed in.
    User(String),
    /// An operator.
    Operator,
    /// The bearer of the credential.
    Bearer,
}

/// Everything that a store knows.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub(crate) organizations: BTreeMap<String, Organization>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) credentials: BTreeMap<(Kind, String), Stored>,
    pub(crate) by_token: BTreeMap<String, (Kind, String)>,
    /// What was asked for under an idempotency key, and what was issued.
    pub(crate) repeats: BTreeMap<(Owner, String), (Repeatable, String)>,
    pub(crate) trail: Vec<Event>,
    pub(crate) changes: u64,
    /// The kinds and ids of removed credentials.
    pub(crate) tombstones: BTreeSet<(Kind, String)>,
    /// The removed tokens.
    pub(crate) removed_tokens: BTreeSet<String>,
    /// How far was searched, by threshold.
    pub(crate) watched: BTreeMap<Millis, Millis>,
}

impl Owner {
    /// Returns the kind of this owner's credentials.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Organization(_) => Kind::Key,
            Self::User(_) => Kind::Token,
        }
    }

    /// Returns the id of the organization or the user.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Organization(id) | Self::User(id) => id,
        }
    }
}

impl Credential {
    /// Returns what the credential is at `now`, its owner aside.
    #[must_use]
    pub fn state(&self, now: Millis) -> State {
        match self.status {
            Status::Deleted => State::Deleted,
            Status::Disabled => State::Disabled,
            Status::Active if has_passed(self.expires_at, now) => State::Expired,
            Status::Active => State::Active,
        }
    }

    /// Returns the same, deleted at `now`.
    pub(crate) fn deleted(self, now: Millis) -> Self {
        Self {
            status: Status::Deleted,
            deleted_at: Some(now),
            ..self
        }
    }

    /// Returns the request that would issue the same again.
    pub(crate) fn again(&self) -> Issue {
        Issue {
            kind: self.owner.kind(),
            name: self.name.clone(),
            grant: self.grant.clone(),
            organizations: self.organizations.clone(),
            attributes: self.attributes.clone(),
            expires_at: self.expires_at,
        }
    }
}

/// Something that ends at `end` has ended when the clock shows `end`. `None` never ends.
pub(crate) fn has_passed(end: Option<Millis>, now: Millis) -> bool {
    end.is_some_and(|end| now >= end)
}

impl World {
    /// Returns whether the organization exists.
    #[must_use]
    pub fn has_organization(&self, id: &str) -> bool {
        self.organizations
            .get(id)
            .is_some_and(|found| !found.deleted)
    }

    /// Returns whether the owner exists.
    pub(crate) fn has_owner(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Organization(id) => self.has_organization(id),
            Owner::User(id) => self.users.contains_key(id),
        }
    }

    /// Returns every owner that ever existed, erased users aside.
    pub fn owners(&self) -> impl Iterator<Item = Owner> {
        let organizations = self.organizations.keys().cloned().map(Owner::Organization);
        organizations.chain(self.users.keys().cloned().map(Owner::User))
    }

    /// Returns the role of an enabled user in an organization that exists.
    pub(crate) fn role(&self, user: &str, organization: &str) -> Option<&str> {
        let user = self.users.get(user).filter(|user| !user.disabled)?;
        let role = user.roles.get(organization)?;
        self.has_organization(organization).then_some(role)
    }

    /// Returns an organization in which the user can act.
    #[must_use]
    pub fn organization_of(&self, user: &str) -> Option<String> {
        let mut memberships = self.users.get(user)?.roles.keys();
        memberships.find(|id| self.has_organization(id)).cloned()
    }

    /// Returns the scopes of an enabled user in an organization, empty if they are no member.
    pub(crate) fn scopes_there(&self, user: &str, organization: &str) -> BTreeSet<String> {
        let role = self.role(user, organization);
        role.map(catalogue::of_role).unwrap_or_default()
    }

    /// Puts the events after the first `known` into one group, so that their order does not matter.
    pub(crate) fn stored_at_once(&mut self, known: usize) {
        for event in self.trail.iter_mut().skip(known) {
            event.group = self.changes;
        }
    }

    /// Returns the audit trail, oldest event first.
    #[must_use]
    pub fn trail(&self) -> &[Event] {
        &self.trail
    }

    /// Returns the kind and the id of the credential with this whole token.
    #[must_use]
    pub fn named_by(&self, token: &str) -> Option<&(Kind, String)> {
        self.by_token.get(token)
    }

    /// Returns a credential of any owner.
    #[must_use]
    pub fn credential(&self, kind: Kind, id: &str) -> Option<&Credential> {
        let stored = self.credentials.get(&(kind, id.to_owned()))?;
        Some(&stored.shown)
    }
}
