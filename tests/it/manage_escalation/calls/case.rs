//! Random cases: who calls, with which rights, and what is called.

use proptest::{collection::vec, prelude::*, sample::select};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{NewKey, NewToken},
    store::{Attributes, Conditions},
};

use super::{ORGANIZATIONS, PLACES};
use crate::manage_escalation::{Grant, conditions, creator, expiry, lists};

/// The rights that an actor has or asks for.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    /// A role does not restrict a token.
    pub(super) grant: Grant,
    pub(super) organizations: Option<Vec<&'static str>>,
    pub(super) conditions: Conditions,
    pub(super) end: Option<UnixMillis>,
}

impl Rights {
    /// Takes some parts from `other`: of rights without any relation almost none are granted.
    pub(super) fn partly(self, other: &Self, parts: u8) -> Self {
        let own = |part: u8| if parts & part == 0 { &self } else { other };
        Self {
            grant: own(1).grant.clone(),
            organizations: own(2).organizations.clone(),
            conditions: own(4).conditions.clone(),
            end: own(8).end,
        }
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes::default().with_conditions(self.conditions.clone())
    }

    pub(super) fn key(&self) -> NewKey {
        let new = NewKey::named("key").with_attributes(self.attributes());
        let new = new.expiring_at(self.end);
        match &self.grant {
            Grant::Role(role) => new.with_role(role),
            Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
        }
    }

    pub(super) fn token(&self) -> NewToken {
        let new = NewToken::named("token").with_attributes(self.attributes());
        let mut new = new.expiring_at(self.end);
        if let Grant::Scopes(scopes) = &self.grant {
            new = new.with_scopes(scopes.iter().map(String::as_str));
        }
        match &self.organizations {
            Some(listed) => new.with_organizations(listed.iter().copied()),
            None => new,
        }
    }
}

/// What a manager does to credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Issue,
    Rotate,
    Enable,
    Edit,
    Rename,
    Disable,
    Delete,
    Import,
    RevokeAll,
    RevokePresented,
    ExpireUnused,
    WatchExpiry,
    RecordUses,
    Sweep,
}

/// What happens before a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meanwhile {
    Nothing,
    /// So many milliseconds pass.
    Wait(i64),
    /// Alice gets another role in the first organization, or leaves it.
    Role(Option<&'static str>),
    /// An operator sets other conditions of the actor's credential.
    Edit,
    /// An operator disables it.
    Disable,
    /// An operator makes the same call, under the same idempotency key.
    Same,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) meanwhile: Meanwhile,
    pub(super) call: Call,
    pub(super) kind: Kind,
    /// Which of the credentials of this kind.
    pub(super) target: usize,
    pub(super) rights: Rights,
}

/// Who calls, in which of the organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Key,
    Token(usize),
    Session(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) by: By,
    /// The roles of Alice in the two organizations.
    pub(super) roles: [Option<&'static str>; 2],
    pub(super) rights: Rights,
    /// Those of a key and of a token that exist already.
    pub(super) others: [Rights; 2],
    pub(super) steps: Vec<Step>,
    /// The organization and the place of the requests that are made at the end.
    pub(super) asked: (usize, usize),
}

pub(super) fn rights() -> impl Strategy<Value = Rights> {
    let organizations = lists().prop_map(|(_, listed)| {
        let existing = |one: &&str| ORGANIZATIONS.contains(&Some(*one));
        Some(listed?.into_iter().filter(existing).collect())
    });
    (creator(), organizations, conditions(), expiry()).prop_map(
        |(grant, organizations, conditions, end)| Rights {
            grant,
            organizations,
            conditions,
            end,
        },
    )
}

pub(super) fn step() -> impl Strategy<Value = (Step, u8)> {
    use Call::*;
    let others = [
        Rename,
        Disable,
        Delete,
        Import,
        RevokeAll,
        RevokePresented,
        ExpireUnused,
        WatchExpiry,
        RecordUses,
        Sweep,
    ];
    let call = prop_oneof![
        4 => select(vec![Issue, Rotate, Enable, Edit]),
        1 => select(others.to_vec()),
    ];
    let meanwhile = prop_oneof![
        8 => Just(Meanwhile::Nothing),
        2 => (1..6_i64).prop_map(Meanwhile::Wait),
        1 => select(vec![None, Some("viewer"), Some("admin")]).prop_map(Meanwhile::Role),
        1 => Just(Meanwhile::Edit),
        1 => Just(Meanwhile::Disable),
        2 => Just(Meanwhile::Same),
    ];
    let kind = select(vec![Kind::OrgKey, Kind::PersonalToken]);
    (meanwhile, call, kind, 0..4_usize, rights(), any::<u8>()).prop_map(
        |(meanwhile, call, kind, target, rights, parts)| {
            let step = Step {
                meanwhile,
                call,
                kind,
                target,
                rights,
            };
            (step, parts)
        },
    )
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let by = prop_oneof![
        3 => Just(By::Key),
        3 => (0..ORGANIZATIONS.len()).prop_map(By::Token),
        2 => (0..ORGANIZATIONS.len()).prop_map(By::Session),
    ];
    let role = || select(vec![None, Some("viewer"), Some("admin"), Some("admin")]);
    let others = [(rights(), any::<u8>()), (rights(), any::<u8>())];
    let asked = (0..ORGANIZATIONS.len(), 0..PLACES.len());
    let parts = (
        by,
        [role(), role()],
        rights(),
        others,
        vec(step(), 1..=3),
        asked,
    );
    parts.prop_map(|(by, roles, rights, others, steps, asked)| Case {
        by,
        roles,
        others: others.map(|(other, parts)| other.partly(&rights, parts)),
        steps: Vec::from_iter(steps.into_iter().map(|(step, parts)| Step {
            rights: step.rights.clone().partly(&rights, parts),
            ..step
        })),
        rights,
        asked,
    })
}
