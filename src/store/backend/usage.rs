//! Uses of credentials: what of them is recorded.

use std::net::IpAddr;

use super::Granularity;
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    store::{AuditAction, AuditActor, AuditEvent, Owner},
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
    /// The credential that replaced it.
    pub successor: Option<Successor>,
    /// Whether [`AuditAction::UsedAfterRotation`] has already been recorded.
    pub reported: bool,
}

/// The credential that replaced another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// Its public id.
    pub id: CredentialId,
    /// When it was issued.
    pub issued_at: UnixMillis,
}

/// What to store of a use, as [`Usage::decide`] returns it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsageDecision {
    /// Whether to record the use.
    pub record: bool,
    /// The audit event to store with it, and to return.
    pub event: Option<AuditEvent>,
}

impl LastUsage {
    /// Creates what a store knows about a credential that was neither used nor rotated.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            recorded: None,
            first: None,
            successor: None,
            reported: false,
        }
    }
}

impl Successor {
    /// Creates a successor from its public id and when it was issued.
    #[must_use]
    pub fn new(id: impl Into<CredentialId>, issued_at: UnixMillis) -> Self {
        Self {
            id: id.into(),
            issued_at,
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

    /// Decides whether to record the use, and whether it is an audit event. Pass the
    /// [clipped](Self::clipped) use, and do both in one transaction.
    ///
    /// What is recorded is the later of the recorded use and this one as the last use, and the
    /// earlier of the first use and this one as the first. If this one is then the last use, its
    /// address and its user agent replace those of the one before, also if it has none.
    #[must_use]
    pub fn decide(&self, known: LastUsage) -> UsageDecision {
        let due = known.recorded.is_none_or(|last| {
            let first = known.first.unwrap_or(last);
            let apart = match known.successor {
                Some(_) => self.granularity.of_rotated_millis(),
                None => self.granularity.millis_at(self.at, first),
            };
            self.at.0 >= last.0.saturating_add(apart)
        });
        let first = known.successor.filter(|successor| {
            !known.reported && (self.after_rotation || self.at >= successor.issued_at)
        });
        let action = AuditAction::UsedAfterRotation;
        let event = first.map(|successor| AuditEvent {
            related: Some(successor.id),
            ..AuditEvent::new(self.at, action, known.owner, &self.id, AuditActor::Bearer)
        });
        UsageDecision {
            record: due || event.is_some(),
            event,
        }
    }
}
