//! Revocation by those who hold no right to manage but the credential itself, and of everything at once.

use super::{Actor, ManageError, Manager};
use crate::{
    authenticate::{Presented, verify},
    credential::Kind,
    id::CredentialId,
    rejection::Cause,
    store::{AuditAction, CredentialInfo, EndStatus, EndTarget, ManageStore, Owner, StoreError},
};

impl<S: ManageStore> Manager<S> {
    /// Deletes the credential that `token` is, whole and in plain text, for reports of leaked ones: whoever has it may end it,
    /// and nobody learns anything from one that is not good. `origin` is for the audit trail.
    ///
    /// # Errors
    /// [`ManageError::UnknownCredential`] for everything that is no credential here, however close;
    /// [`ManageError::Deleted`]; [`ManageError::Unavailable`].
    pub async fn revoke_presented(
        &self,
        token: &str,
        origin: Option<&str>,
    ) -> Result<CredentialInfo, ManageError> {
        let token = self
            .format
            .classify(token.as_bytes())
            .map_err(|_| ManageError::UnknownCredential)?;
        let presented = Presented::new(&token);
        let deadline = self.deadline();
        let lookup = presented.lookup(|| None);
        let found = deadline
            .hold(async { Ok(self.store.find(&lookup).await?) })
            .await?;
        let verified =
            verify::check(&presented, found, self.store.decoy_pepper()).map_err(|denial| {
                match denial.cause {
                    Cause::Store(_) => StoreError::Mismatched.into(),
                    _ => ManageError::UnknownCredential,
                }
            })?;
        let record = verified.into_record();
        let owner = Owner::of_record(&record).ok_or(ManageError::UnknownCredential)?;
        let bearer = Actor::bearer(owner, origin);
        self.end_one(
            deadline,
            &bearer,
            record.kind(),
            record.id(),
            EndStatus::Deleted,
            AuditAction::Revoked,
        )
        .await
    }

    /// Deletes all of the actor's credentials of `kind` in one act, and returns their ids. What one of them issues at the
    /// same time is deleted too, or refused.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::Unavailable`].
    pub async fn revoke_all(
        &self,
        actor: &Actor,
        kind: Kind,
    ) -> Result<Vec<CredentialId>, ManageError> {
        let owner = self.owner(actor, kind)?;
        let end = self.end(
            actor,
            &owner,
            EndTarget::All,
            EndStatus::Deleted,
            AuditAction::Deleted,
        );
        self.within_deadline(end).await
    }
}
