//! The end of credentials: which, what becomes of them, and what the audit trail says.

use super::Authority;
use crate::{
    clock::UnixMillis,
    id::CredentialId,
    store::{AuditAction, AuditActor, AuditEvent, Owner, Status},
};

/// Credentials to delete or to disable, with what the audit trail says of it.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whose credentials these are.
    pub owner: Owner,
    /// Which of them.
    pub target: EndTarget,
    /// What becomes of them.
    pub to: EndStatus,
    /// On whose behalf, checked again in the transaction of the change.
    pub authority: Authority,
    /// When.
    pub at: UnixMillis,
    /// What the audit events say has happened.
    pub action: AuditAction,
    /// Who did it.
    pub by: AuditActor,
    /// From where, as the service has stated it.
    pub origin: Option<Box<str>>,
}

/// Which credentials of an owner to end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store has to handle each")]
pub enum EndTarget {
    /// The one with this public id.
    One(CredentialId),
    /// All of them.
    All,
}

/// What becomes of credentials that are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store has to handle each")]
pub enum EndStatus {
    /// They can be enabled again.
    Disabled,
    /// They never come back.
    Deleted,
}

impl EndStatus {
    /// Returns the standing that the credentials have afterwards.
    #[must_use]
    pub fn standing(self) -> Status {
        match self {
            Self::Disabled => Status::Disabled,
            Self::Deleted => Status::Deleted,
        }
    }

    /// Returns whether a credential that stands as `standing` is changed.
    #[must_use]
    pub fn applies_to(self, standing: Status) -> bool {
        match self {
            Self::Disabled => !matches!(standing, Status::Disabled | Status::Deleted),
            Self::Deleted => standing != Status::Deleted,
        }
    }
}

impl Ending {
    /// Returns the audit event of one credential that was ended.
    #[must_use]
    pub fn event(&self, credential: CredentialId) -> AuditEvent {
        AuditEvent {
            number: 0,
            at: self.at,
            action: self.action,
            owner: self.owner.clone(),
            credential,
            related: None,
            by: self.by.clone(),
            origin: self.origin.clone(),
        }
    }
}
