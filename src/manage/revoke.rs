//! Revocation: by bearers who have no right beyond the credential itself, and of all credentials at
//! once.

use std::sync::Arc;

use super::{Actor, ManageError, Manager, deadline::Deadline};
use crate::{
    authenticate::{Presented, verify},
    credential::Kind,
    id::CredentialId,
    rejection::Cause,
    store::{
        AuditAction, CredentialInfo, Decoys, Filter, ManageStore, Owner, Record, Status,
        StoreError, StoreFault,
        backend::{EndStatus, EndTarget, ListQuery},
    },
};

impl<S: ManageStore> Manager<S> {
    /// Deletes the credential with this whole plain-text `token`, for example when it is reported
    /// as leaked. The bearer of a credential may revoke it; an invalid token reveals nothing.
    /// `origin` is recorded in the audit trail.
    ///
    /// ```
    /// use tower_api_key::{manage::*, store::ManageStore};
    ///
    /// /// The report of a secret scanner; returns whom to notify.
    /// async fn leaked(
    ///     manager: &Manager<impl ManageStore>,
    ///     token: &str,
    /// ) -> Result<Option<String>, ManageError> {
    ///     match manager.revoke_presented(token, Some("secret scanning")).await {
    ///         Ok(info) => Ok(Some(info.owner.id().to_owned())),
    ///         // Rotated away by its thief, perhaps: what it has issued is still there.
    ///         Err(ManageError::Deleted) => {
    ///             let info = manager.find_presented(token).await?;
    ///             Ok(Some(info.owner.id().to_owned()))
    ///         }
    ///         Err(ManageError::UnknownCredential) => Ok(None),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// It ends this credential and no other: see
    /// [when a key leaks](crate::guide::deploying#when-a-key-leaks) for those that it has issued.
    ///
    /// # Errors
    /// [`ManageError::UnknownCredential`] for everything that is not a credential here, however
    /// close; [`ManageError::Deleted`]; [`ManageError::Unavailable`], as for
    /// [`delete`](Self::delete).
    pub async fn revoke_presented(
        &self,
        token: &str,
        origin: Option<&str>,
    ) -> Result<CredentialInfo, ManageError> {
        let deadline = self.deadline();
        let (owner, record) = self.presented(deadline, token).await?;
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

    /// Returns the credential with this whole plain-text `token`, whatever its status is, also
    /// when it is deleted. Records no use.
    ///
    /// Use it to find out whose a reported token is, and after
    /// [`revoke_presented`](Self::revoke_presented) to look at what the credential has done. A
    /// store that does not return deleted credentials from a lookup does not know them here either,
    /// nor one that no longer has the pepper or the salted digest of a deleted credential.
    ///
    /// # Errors
    /// [`ManageError::UnknownCredential`] for everything that is not a credential here, however
    /// close; [`ManageError::Unavailable`].
    pub async fn find_presented(&self, token: &str) -> Result<CredentialInfo, ManageError> {
        let deadline = self.deadline();
        let (owner, record) = self.presented(deadline, token).await?;
        deadline.hold(self.find(&owner, record.id())).await
    }

    /// Finds the record of a token, whose secret it verifies, and its owner.
    async fn presented(
        &self,
        deadline: Deadline,
        token: &str,
    ) -> Result<(Owner, Arc<Record>), ManageError> {
        let token = self
            .format
            .classify(token.as_bytes())
            .map_err(|_| ManageError::UnknownCredential)?;
        let presented = Presented::new(&token);
        // A flood of unknown ids must not delay a revocation, nor what a cache knew a moment ago.
        let lookup = presented.lookup(|| None).uncached();
        let found = deadline
            .hold(async {
                match self.store.find(&lookup).await {
                    // One whose role is unknown can be ended, too.
                    Err(error) => match error.found() {
                        Some(record) => Ok(Some(Arc::clone(record))),
                        None => Err(error.into()),
                    },
                    Ok(found) => Ok(found),
                }
            })
            .await?;
        let decoys = Decoys::of(&self.store);
        let verified = verify::check(&presented, found, decoys.as_ref(), |salted| {
            Ok(salted(token.hashed))
        });
        let verified = verified.map_err(|denial| match denial.cause {
            Cause::StoreFault(fault) => StoreError::from(fault).into(),
            _ => ManageError::UnknownCredential,
        })?;
        let record = verified.into_record();
        let owner = Owner::of_record(&record).ok_or(ManageError::UnknownCredential)?;
        Ok((owner, record))
    }

    /// Deletes **all** of the actor's credentials of `kind`, and returns their ids. To revoke a
    /// single one, [`delete`](Self::delete) it. What exists is deleted in one transaction. A
    /// credential that one of them issues at the same time is refused, or deleted too, by a second
    /// transaction of stores that do not serialize changes, such as the PostgreSQL store.
    ///
    /// For the button that a customer presses after a break-in, and for customers who leave. A
    /// caller whose own credential is among them has none afterwards.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::Unavailable`], also if the store reports that it
    /// ended nothing and a credential is still there. After the latter all, some or none may be
    /// deleted: call again until it succeeds. The ids that an earlier call deleted are in the
    /// [audit trail](Self::events), not among those returned, and the
    /// [hook](Self::on_event) is not called for them.
    pub async fn revoke_all(
        &self,
        actor: &Actor,
        kind: Kind,
    ) -> Result<Vec<CredentialId>, ManageError> {
        let owner = self.owner(actor, kind)?;
        self.within_deadline(self.end_all(actor, &owner)).await
    }

    /// Ends all credentials. A store that ended nothing is believed only if nothing is listed, or
    /// if what is listed ends at the second call: it was issued after the first.
    async fn end_all(
        &self,
        actor: &Actor,
        owner: &Owner,
    ) -> Result<Vec<CredentialId>, ManageError> {
        let (to, action) = (EndStatus::Deleted, AuditAction::Deleted);
        let ended = self.end(actor, owner, EndTarget::All, to, action).await?;
        if !ended.is_empty() {
            return Ok(ended);
        }
        let any = ListQuery {
            filter: Filter::default(),
            after: None,
            limit: 1,
            now: self.clock.now(),
        };
        let Some(left) = self.store.credentials(owner, &any).await?.pop() else {
            return Ok(ended);
        };
        let ended = self.end(actor, owner, EndTarget::All, to, action).await?;
        let after = self.store.credential(owner, left.id.as_str()).await?;
        if after.is_some_and(|info| info.status != Status::Deleted) {
            return Err(StoreError::from(StoreFault::ended_nothing()).into());
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secret::work, store::MemoryStore};

    #[tokio::test]
    async fn a_reported_token_over_the_length_limit_is_not_hashed() {
        let manager = Manager::new(MemoryStore::new());
        for (length, hashed) in [(512, 1), (513, 0), (50_000, 0)] {
            let token = format!("{:A<length$}", "pat_");
            work::take();
            let revoked = manager.revoke_presented(&token, None).await;
            assert!(matches!(revoked, Err(ManageError::UnknownCredential)));
            assert_eq!(work::take().hashed, hashed, "{length}");
        }
    }
}
