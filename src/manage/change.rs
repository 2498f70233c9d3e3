//! Small changes: rename, disable, enable, delete.

use super::{
    Actor, MAX_ATTEMPTS, ManageError, Manager,
    deadline::Deadline,
    rules::{check_name, check_regrant},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    store::{
        AuditAction, CredentialInfo, EffectiveStatus, ManageStore, Owner, Status, StoreError,
        StoreFault, WriteError,
        backend::{Commit, EndStatus, EndTarget, Ending, Update},
    },
};

impl<S: ManageStore> Manager<S> {
    /// Returns a credential, including a deleted one. For the page or endpoint that shows one key;
    /// to show many, use [`list`](Self::list).
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::UnknownCredential`],
    /// [`ManageError::Unavailable`].
    pub async fn get(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        self.within_deadline(self.find(&owner, id)).await
    }

    /// Renames a credential. The name is for people only: nothing depends on it, and two
    /// credentials may have the same.
    ///
    /// # Errors
    /// As for [`delete`](Self::delete), and [`ManageError::InvalidName`].
    pub async fn rename(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        name: &str,
    ) -> Result<CredentialInfo, ManageError> {
        self.owner(actor, kind)?;
        check_name(name)?;
        let rename = |before| {
            Ok(CredentialInfo {
                name: name.into(),
                ..before
            })
        };
        self.within_deadline(self.change(actor, kind, id, AuditAction::Renamed, rename))
            .await
    }

    /// Disables a credential until it is [enabled](Self::enable) again. A credential that is
    /// already disabled is left as it is. Use it while you find out whether a key has leaked; if it
    /// has, [delete](Self::delete) or [rotate](Self::rotate) it.
    ///
    /// Concurrent changes to the credential do not affect the outcome; see
    /// [`delete`](Self::delete).
    ///
    /// # Errors
    /// As for [`delete`](Self::delete).
    pub async fn disable(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
    ) -> Result<CredentialInfo, ManageError> {
        self.end_one(
            self.deadline(),
            actor,
            kind,
            id,
            EndStatus::Disabled,
            AuditAction::Disabled,
        )
        .await
    }

    /// Enables a disabled credential.
    ///
    /// The actor must hold what the credential may do and last as long as it does. The credential
    /// counts against the owner's [cap](Self::with_max_credentials) like a new one.
    ///
    /// # Errors
    /// As for [`delete`](Self::delete), and [`ManageError::ScopeNotHeld`],
    /// [`ManageError::RestrictionsBeyondCreator`], [`ManageError::ConditionsBeyondCreator`],
    /// [`ManageError::ExpiryBeyondCreator`], [`ManageError::CapReached`], [`ManageError::Busy`].
    pub async fn enable(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
    ) -> Result<CredentialInfo, ManageError> {
        let enable = |before| {
            check_regrant(actor, &before, &self.store.catalogue().tables())?;
            Ok(CredentialInfo {
                status: Status::Active,
                ..before
            })
        };
        self.within_deadline(self.change(actor, kind, id, AuditAction::Enabled, enable))
            .await
    }

    /// Deletes a credential. It is refused from the next request on, where the cache of the layers
    /// is in this manager's store, and no call restores it.
    ///
    /// A single statement deletes it, without comparing it with what was read before, so its bearer
    /// cannot delay the deletion by renaming, rotating or enabling the credential.
    ///
    /// ```
    /// # use tower_api_key::{Principal, credential::Kind, manage::*, store::ManageStore};
    /// /// `DELETE /keys/{id}`; that it is already gone is a success, too.
    /// async fn delete_key(
    ///     manager: &Manager<impl ManageStore>,
    ///     caller: &Principal,
    ///     id: &str,
    /// ) -> Result<(), ManageError> {
    ///     match manager.delete(&Actor::from_principal(caller), Kind::OrgKey, id).await {
    ///         Ok(_) | Err(ManageError::Deleted) => Ok(()),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::UnknownCredential`], [`ManageError::Deleted`] if
    /// it is already deleted; [`ManageError::Unavailable`], also if the store reports that it ended
    /// nothing and the credential is still there.
    #[doc(alias = "revoke")]
    pub async fn delete(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
    ) -> Result<CredentialInfo, ManageError> {
        self.end_one(
            self.deadline(),
            actor,
            kind,
            id,
            EndStatus::Deleted,
            AuditAction::Deleted,
        )
        .await
    }

    /// Deletes or disables one credential, and returns its info afterwards.
    ///
    /// A store that ended nothing is believed only if the credential then has the status. If it has
    /// not, others disabled and enabled it in between, and it is ended again; or the store does
    /// nothing.
    pub(super) async fn end_one(
        &self,
        deadline: Deadline,
        actor: &Actor,
        kind: Kind,
        id: &str,
        to: EndStatus,
        action: AuditAction,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        let id = CredentialId::from(id);
        for _ in 0..MAX_ATTEMPTS {
            let end = self.end(actor, &owner, EndTarget::One(id.clone()), to, action);
            let ended = deadline.hold(end).await?;
            let known = deadline.hold(self.find(&owner, id.as_str())).await;
            if !ended.is_empty() {
                return Ok(after_end(known, owner, id, to));
            }
            let info = known?;
            match info.status {
                Status::Deleted => return Err(ManageError::Deleted),
                status if status == to.status() => return Ok(info),
                _ => {}
            }
        }
        Err(StoreError::from(StoreFault::ended_nothing()).into())
    }

    /// Ends credentials in one statement, whatever their state, and passes the audit events to the
    /// hook.
    pub(super) async fn end(
        &self,
        actor: &Actor,
        owner: &Owner,
        target: EndTarget,
        to: EndStatus,
        action: AuditAction,
    ) -> Result<Vec<CredentialId>, ManageError> {
        let at = self.clock.now();
        let (by, origin) = (actor.who.clone(), actor.origin.clone());
        let ending = Ending {
            owner: owner.clone(),
            target,
            to,
            authority: self.authority(actor, at),
            at,
            action,
            by,
            origin,
        };
        let ended = self.store.end(&ending).await?;
        ended
            .iter()
            .for_each(|id| self.notify(&ending.event(id.clone())));
        Ok(ended)
    }

    /// Reads the credential, decides, and commits the decision. If another request changed the
    /// credential in between, it starts again.
    pub(super) async fn change(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        action: AuditAction,
        decide: impl Fn(CredentialInfo) -> Result<CredentialInfo, ManageError>,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        for _ in 0..MAX_ATTEMPTS {
            let before = self.find(&owner, id).await?;
            if before.status == Status::Deleted {
                return Err(ManageError::Deleted);
            }
            if before.damaged {
                return Err(ManageError::Damaged);
            }
            let after = decide(before.clone())?;
            if after == before {
                self.confirm(actor, &owner).await?;
                return Ok(after);
            }
            let now = self.clock.now();
            let commit = Commit {
                events: vec![actor.event(now, action, &after)],
                cap: self
                    .cap_of(now)
                    .filter(|_| becomes_accepted(&before, &after, now)),
                changes: vec![Update {
                    before,
                    after: after.clone(),
                }],
                ..Commit::new(owner.clone(), self.authority(actor, now))
            };
            match self.commit(&commit).await {
                Ok(()) => return Ok(after),
                Err(WriteError::Changed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManageError::Busy)
    }
}

/// Returns the info of a credential as its end left it. The change is made: a failure to read the
/// credential afterwards must not look like one of it.
fn after_end(
    known: Result<CredentialInfo, ManageError>,
    owner: Owner,
    id: CredentialId,
    to: EndStatus,
) -> CredentialInfo {
    let info = known.unwrap_or_else(|_| CredentialInfo {
        damaged: true,
        ..CredentialInfo::new(id, owner, UnixMillis(0))
    });
    CredentialInfo {
        status: to.status(),
        // Another request may have deleted it after this one disabled it.
        deleted_at: info.deleted_at.filter(|_| to == EndStatus::Deleted),
        ..info
    }
}

/// Returns whether a change makes a credential usable, so that the cap must be checked.
fn becomes_accepted(before: &CredentialInfo, after: &CredentialInfo, now: UnixMillis) -> bool {
    before.effective_status(now) != EffectiveStatus::Active
        && after.effective_status(now) == EffectiveStatus::Active
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_cannot_be_read_after_its_end_is_damaged_and_ended() {
        let owner = Owner::Organization("org_1".into());
        for to in [EndStatus::Disabled, EndStatus::Deleted] {
            let unread = Err(ManageError::Busy);
            let info = after_end(unread, owner.clone(), "k1".into(), to);
            assert_eq!((info.id.as_str(), &info.owner), ("k1", &owner));
            assert_eq!((info.status, info.damaged), (to.status(), true));
        }
    }

    #[test]
    fn a_credential_that_is_deleted_while_it_is_disabled_is_returned_as_disabled() {
        let deleted = || CredentialInfo {
            status: Status::Deleted,
            deleted_at: Some(UnixMillis(7)),
            ..CredentialInfo::new("k1", Owner::Organization("org_1".into()), UnixMillis(0))
        };
        for (to, deleted_at) in [
            (EndStatus::Disabled, None),
            (EndStatus::Deleted, Some(UnixMillis(7))),
        ] {
            let info = after_end(Ok(deleted()), deleted().owner, "k1".into(), to);
            assert_eq!((info.status, info.deleted_at), (to.status(), deleted_at));
        }
    }
}
