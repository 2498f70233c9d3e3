//! Uses of credentials: what of them is recorded.

use std::net::IpAddr;

use super::Granularity;
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    store::{
        AuditAction::{
            self, SuccessorUsed, UsedAfterRotation, UsedAtHalfOfOverlap, UsedAtNineTenthsOfOverlap,
        },
        AuditActor, AuditEvent, Owner,
    },
};

/// A use of a credential, as [`LastUse::unwritten`](crate::LastUse::unwritten) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Usage {
    /// The credential's kind.
    pub kind: Kind,
    /// The credential's public id.
    pub id: CredentialId,
    /// When it was last used.
    pub at: UnixMillis,
    /// Whether a lookup that knew of the rotation accepted the credential at least once.
    /// Distinguishes a use after the rotation from one before it, whatever the nodes' clocks show.
    pub after_rotation: bool,
    /// How far after the recorded use it must be to be recorded.
    pub granularity: Granularity,
    /// The address of the client, if [`LastUse`](crate::LastUse::with_client_address) keeps it.
    pub address: Option<IpAddr>,
    /// The user agent of the client, if [`LastUse`](crate::LastUse::with_user_agent) keeps it.
    pub user_agent: Option<Box<str>>,
}

/// What the store knows about the uses of a credential, for [`Usage::decide`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastUsage {
    /// The credential's owner.
    pub owner: Owner,
    /// The last recorded use.
    pub recorded: Option<UnixMillis>,
    /// The first recorded use. If the store does not know it, the last one counts.
    pub first: Option<UnixMillis>,
    /// The credential that it replaced.
    pub predecessor: Option<CredentialId>,
    /// The credential that replaced it.
    pub successor: Option<Successor>,
    /// The latest stage of the overlap whose event is in the trail.
    pub stage: OverlapStage,
}

/// How much of the overlap of a rotation had passed at a use of the old credential. The trail has
/// one event for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store has to keep each")]
pub enum OverlapStage {
    /// It was not used since the rotation.
    #[default]
    Unused,
    /// Less than half: [`AuditAction::UsedAfterRotation`].
    Begun,
    /// Half: [`AuditAction::UsedAtHalfOfOverlap`].
    Half,
    /// Nine tenths: [`AuditAction::UsedAtNineTenthsOfOverlap`].
    NineTenths,
}

/// The credential that replaced another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// Its public id.
    pub id: CredentialId,
    /// When it was issued.
    pub issued_at: UnixMillis,
    /// When the overlap ends: the expiry of the old credential.
    pub overlap_ends_at: Option<UnixMillis>,
}

/// What to store of a use, as [`Usage::decide`] returns it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsageDecision {
    /// Whether to record the use.
    pub record: bool,
    /// The stage of the overlap to store with it.
    pub stage: OverlapStage,
    /// The audit events to store with it, and to return.
    pub events: Vec<AuditEvent>,
}

impl LastUsage {
    /// Creates what a store knows about a credential that was neither used nor rotated.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            recorded: None,
            first: None,
            predecessor: None,
            successor: None,
            stage: OverlapStage::Unused,
        }
    }
}

impl OverlapStage {
    /// Every stage, in the order in which they are reached.
    const ALL: [Self; 4] = [Self::Unused, Self::Begun, Self::Half, Self::NineTenths];

    /// Returns the number that a store keeps: 0 to 3.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Unused => 0,
            Self::Begun => 1,
            Self::Half => 2,
            Self::NineTenths => 3,
        }
    }

    /// Returns the last stage that a stored number reaches.
    #[must_use]
    pub fn of_number(number: i64) -> Self {
        let reached = Self::ALL
            .into_iter()
            .rfind(|stage| i64::from(stage.number()) <= number);
        reached.unwrap_or_default()
    }

    /// Returns the event of the first use in this stage, after the one of the first use at all.
    fn later_action(self) -> Option<AuditAction> {
        match self {
            Self::Unused | Self::Begun => None,
            Self::Half => Some(UsedAtHalfOfOverlap),
            Self::NineTenths => Some(UsedAtNineTenthsOfOverlap),
        }
    }
}

impl Successor {
    /// Creates a successor from its public id, when it was issued, and when the overlap ends.
    #[must_use]
    pub fn new(
        id: impl Into<CredentialId>,
        issued_at: UnixMillis,
        overlap_ends_at: Option<UnixMillis>,
    ) -> Self {
        Self {
            id: id.into(),
            issued_at,
            overlap_ends_at,
        }
    }

    /// Returns how much of the overlap had passed at `at`.
    fn stage_at(&self, at: UnixMillis) -> OverlapStage {
        let Some(ends_at) = self.overlap_ends_at else {
            return OverlapStage::Begun;
        };
        let since = |end: UnixMillis| i128::from(end.0) - i128::from(self.issued_at.0);
        let (passed, whole) = (since(at), since(ends_at));
        if passed * 10 >= whole * 9 {
            OverlapStage::NineTenths
        } else if passed * 2 >= whole {
            OverlapStage::Half
        } else {
            OverlapStage::Begun
        }
    }
}

impl Usage {
    /// Creates a use at `at`, accepted by lookups that knew of no rotation, with the default
    /// granularity.
    pub fn new(kind: Kind, id: impl Into<CredentialId>, at: UnixMillis) -> Self {
        Self {
            kind,
            id: id.into(),
            at,
            after_rotation: false,
            granularity: Granularity::default(),
            address: None,
            user_agent: None,
        }
    }

    /// Returns the use as it is recorded: never later than `now` by the store's own clock, so that
    /// a node whose clock is ahead cannot hide later uses.
    pub fn clipped(&self, now: UnixMillis) -> Self {
        Self {
            at: UnixMillis(self.at.0.min(now.0)),
            ..self.clone()
        }
    }

    /// Decides whether to record the use, and which audit events it is. Pass the
    /// [clipped](Self::clipped) use, and do both in one transaction.
    ///
    /// What is recorded is the later of the recorded use and this one as the last use, and the
    /// earlier of the first use and this one as the first. If this one is then the last use, its
    /// address and its user agent replace those of the one before, also if it has none.
    #[must_use]
    pub fn decide(&self, known: LastUsage) -> UsageDecision {
        let LastUsage {
            owner,
            recorded,
            first,
            predecessor,
            successor,
            stage: reported,
        } = known;
        let due = recorded.is_none_or(|last| {
            let apart = match successor {
                Some(_) => 1, // whether it is still in use must not be hidden by a use before
                None => self.granularity.millis_at(self.at, first.unwrap_or(last)),
            };
            self.at.0 >= last.0.saturating_add(apart)
        });
        let event = |action, related| AuditEvent {
            related: Some(related),
            ..AuditEvent::new(self.at, action, owner.clone(), &self.id, AuditActor::Bearer)
        };
        let is_first = recorded.is_none() && first.is_none();
        let predecessor = predecessor.filter(|_| is_first);
        let mut events = Vec::from_iter(predecessor.map(|old| event(SuccessorUsed, old)));
        let mut stage = reported;
        let successor = successor.filter(|new| self.after_rotation || self.at >= new.issued_at);
        if let Some(successor) = successor {
            stage = reported.max(successor.stage_at(self.at));
            // Of the stages that passed without a use, only the last one is reported.
            let begun = (reported < OverlapStage::Begun).then_some(UsedAfterRotation);
            let later = (stage > reported).then(|| stage.later_action()).flatten();
            let actions = begun.into_iter().chain(later);
            events.extend(actions.map(|action| event(action, successor.id.clone())));
        }
        UsageDecision {
            record: due || !events.is_empty(),
            stage,
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        Usage {
            kind: Kind::OrgKey,
            id: "new".into(),
            at: UnixMillis(1_000),
            granularity: Granularity::default(),
            after_rotation: false,
            address: None,
            user_agent: None,
        }
    }

    /// Retention removes the last use of a credential, but the first one is known for longer.
    #[test]
    fn a_successor_is_reported_at_its_first_use_alone() {
        for (recorded, first, reported) in [
            (None, None, true),
            (None, Some(10), false),
            (Some(10), None, false),
            (Some(10), Some(10), false),
        ] {
            let known = LastUsage {
                owner: Owner::Organization("org_1".into()),
                recorded: recorded.map(UnixMillis),
                first: first.map(UnixMillis),
                predecessor: Some("old".into()),
                successor: None,
                stage: OverlapStage::default(),
            };
            let events = usage().decide(known).events;
            let is_reported = events.iter().any(|event| event.action == SuccessorUsed);
            assert_eq!(is_reported, reported, "{recorded:?}, {first:?}");
        }
    }
}
