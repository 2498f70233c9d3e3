//! Revocation by those who hold no right to manage but the credential itself, and of everything at once.

use super::{Action, Actor, CredentialInfo, Filter, ManageError, Manager, Owner, TRIES};
use crate::{
    credential::{Kind, Presented},
    principal::CredentialId,
    rejection::Cause,
    secret::verify,
    store::{Alteration, Commit, ListQuery, ManagedStore, Standing, StoreError, WriteError},
};

/// How many credentials one transaction of [`Manager::revoke_all`] deletes at most.
const BATCH: u32 = 100;

impl<S: ManagedStore> Manager<S> {
    /// Deletes the credential that `token` is, whole and in plain text, for reports of leaked ones: whoever has it may end it,
    /// and nobody learns anything from one that is not good. `origin` is for the audit trail.
    ///
    /// # Errors
    /// [`ManageError::UnknownCredential`] for everything that is no credential here, however close;
    /// [`ManageError::Deleted`]; [`ManageError::Busy`], [`ManageError::Store`].
    pub async fn revoke_presented(&self, token: &str, origin: Option<&str>) -> Result<CredentialInfo, ManageError> {
        let token = self.format.classify(token.as_bytes()).map_err(|_| ManageError::UnknownCredential)?;
        let presented = Presented::new(&token);
        let found = self.store.find(&presented.lookup(|| None)).await?;
        let verified = verify::check(&presented, found, self.store.decoy()).map_err(|denial| match denial.cause {
            Cause::Store(_) => StoreError::Mismatched.into(),
            _ => ManageError::UnknownCredential,
        })?;
        let record = verified.into_record();
        let owner = Owner::of_record(&record).ok_or(ManageError::UnknownCredential)?;
        let holder = Actor::holder(owner, origin);
        let gone = |before| Ok(CredentialInfo { standing: Standing::Deleted, ..before });
        self.change(&holder, record.kind(), record.id(), Action::Revoked, gone).await
    }

    /// Deletes all of the actor's credentials of `kind`, also those that are issued meanwhile, in transactions of up to 100;
    /// returns their ids. After an error some are deleted and others not: call it again.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::Busy`], [`ManageError::Store`].
    pub async fn revoke_all(&self, actor: &Actor, kind: Kind) -> Result<Vec<CredentialId>, ManageError> {
        let owner = self.owner(actor, kind)?;
        let mut revoked = Vec::new();
        let mut tries = 0;
        while tries < TRIES {
            let now = self.clock.now();
            let query = ListQuery { filter: Filter::default(), after: None, limit: BATCH, now };
            let living = self.store.credentials(&owner, &query).await?;
            if living.is_empty() {
                return Ok(revoked);
            }
            let ids = living.iter().map(|credential| credential.id.clone()).collect::<Vec<_>>();
            let events = living.iter().map(|credential| actor.event(now, Action::Deleted, credential)).collect();
            let gone = |before: CredentialInfo| Alteration {
                after: CredentialInfo { standing: Standing::Deleted, ..before.clone() },
                before,
            };
            let changes = living.into_iter().map(gone).collect();
            match self.commit(&Commit { owner: owner.clone(), insert: None, changes, events }).await {
                Ok(()) => {
                    revoked.extend(ids);
                    tries = 0;
                }
                Err(WriteError::Changed) => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManageError::Busy)
    }
}
