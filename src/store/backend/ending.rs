//! Ending credentials: which ones, their new status, and what the audit trail records.

use super::Authority;
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    id::CredentialId,
    store::{AuditAction, AuditActor, AuditEvent, Owner, Status},
};

/// Credentials to delete or to disable, with what the audit trail records.
///
/// A store changes every credential of the owner that [`target`](Self::target) selects (to disable:
/// those that are active; to delete: those that are not deleted), and stores [`event`](Self::event)
/// for each, in one transaction. What other transactions add meanwhile it may end in a second one.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct Ending {
    /// The credentials' owner.
    pub owner: Owner,
    /// Which of them.
    pub target: EndTarget,
    /// Their new status.
    pub to: EndStatus,
    /// On whose behalf, checked again in the transaction of the change.
    pub authority: Authority,
    /// When they are ended.
    pub at: UnixMillis,
    /// The action that the audit events record.
    pub action: AuditAction,
    /// Who did it.
    pub by: AuditActor,
    /// Where the actor acted from, as passed by the service.
    pub origin: Option<Box<str>>,
}

/// Which credentials of an owner to end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store has to handle each")]
pub enum EndTarget {
    /// The credential with this public id.
    One(CredentialId),
    /// All of them.
    All,
}

/// The new status of credentials that are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every store has to handle each")]
pub enum EndStatus {
    /// Disabled: they can be enabled again.
    Disabled,
    /// Deleted: they can never be restored.
    Deleted,
}

impl EndStatus {
    /// Returns the status that the credentials have afterwards.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Disabled => Status::Disabled,
            Self::Deleted => Status::Deleted,
        }
    }

    /// Returns whether a credential with the status `status` is changed.
    pub(crate) fn applies_to(self, status: Status) -> bool {
        match self {
            Self::Disabled => !matches!(status, Status::Disabled | Status::Deleted),
            Self::Deleted => status != Status::Deleted,
        }
    }
}

impl Ending {
    /// Creates the ending of [`ManageStore::delete`](super::ManageStore::delete): one credential,
    /// now, by the operator `store`.
    pub(super) fn deleting(owner: Owner, id: CredentialId) -> Self {
        Self {
            owner,
            target: EndTarget::One(id),
            to: EndStatus::Deleted,
            authority: Authority::Unconditional,
            at: SystemClock.now(),
            action: AuditAction::Deleted,
            by: AuditActor::Operator("store".into()),
            origin: None,
        }
    }

    /// Returns the audit event of one ended credential.
    #[must_use]
    pub fn event(&self, credential: CredentialId) -> AuditEvent {
        AuditEvent {
            origin: self.origin.clone(),
            ..AuditEvent::new(
                self.at,
                self.action,
                self.owner.clone(),
                credential,
                self.by.clone(),
            )
        }
    }
}
