//! Small changes: rename, disable, enable, delete.

use super::{
    Action, Actor, CredentialInfo, ManageError, Manager, TRIES,
    rules::{check_handing_out, check_name},
};
use crate::{
    credential::Kind,
    store::{Alteration, Commit, ManagedStore, Standing, WriteError},
};

impl<S: ManagedStore> Manager<S> {
    /// Finds a credential, also a deleted one.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::UnknownCredential`], [`ManageError::Store`].
    pub async fn get(&self, actor: &Actor, kind: Kind, id: &str) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        self.find(&owner, id).await
    }

    /// Gives a credential another name.
    ///
    /// # Errors
    /// As for [`delete`](Self::delete), and [`ManageError::InvalidName`].
    pub async fn rename(&self, actor: &Actor, kind: Kind, id: &str, name: &str) -> Result<CredentialInfo, ManageError> {
        self.owner(actor, kind)?;
        check_name(name)?;
        self.change(actor, kind, id, Action::Renamed, |before| Ok(CredentialInfo { name: name.into(), ..before })).await
    }

    /// Switches a credential off, until it is [enabled](Self::enable). One that is off already stays as it is.
    ///
    /// # Errors
    /// As for [`delete`](Self::delete).
    pub async fn disable(&self, actor: &Actor, kind: Kind, id: &str) -> Result<CredentialInfo, ManageError> {
        let off = |before| Ok(CredentialInfo { standing: Standing::Disabled, ..before });
        self.change(actor, kind, id, Action::Disabled, off).await
    }

    /// Switches a credential on again. Takes an actor who holds what it may do.
    ///
    /// # Errors
    /// As for [`delete`](Self::delete), and [`ManageError::ScopeNotHeld`].
    pub async fn enable(&self, actor: &Actor, kind: Kind, id: &str) -> Result<CredentialInfo, ManageError> {
        let on = |before| {
            check_handing_out(actor, &before, self.store.catalogue())?;
            Ok(CredentialInfo { standing: Standing::Active, ..before })
        };
        self.change(actor, kind, id, Action::Enabled, on).await
    }

    /// Deletes a credential: it is refused from the next request on, and never comes back.
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::UnknownCredential`], [`ManageError::Deleted`] for one that was deleted
    /// before, [`ManageError::Busy`], [`ManageError::Store`].
    pub async fn delete(&self, actor: &Actor, kind: Kind, id: &str) -> Result<CredentialInfo, ManageError> {
        let gone = |before| Ok(CredentialInfo { standing: Standing::Deleted, ..before });
        self.change(actor, kind, id, Action::Deleted, gone).await
    }

    /// Reads, decides, and commits what was decided if nothing has changed meanwhile; else once more.
    pub(super) async fn change(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        action: Action,
        decide: impl Fn(CredentialInfo) -> Result<CredentialInfo, ManageError>,
    ) -> Result<CredentialInfo, ManageError> {
        let owner = self.owner(actor, kind)?;
        for _ in 0..TRIES {
            let before = self.find(&owner, id).await?;
            if before.standing == Standing::Deleted {
                return Err(ManageError::Deleted);
            }
            let after = decide(before.clone())?;
            if after == before {
                return Ok(after);
            }
            let events = vec![actor.event(self.clock.now(), action, &after)];
            let changes = vec![Alteration { before, after: after.clone() }];
            let commit = Commit { owner: owner.clone(), insert: None, changes, events };
            match self.commit(&commit).await {
                Ok(()) => return Ok(after),
                Err(WriteError::Changed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManageError::Busy)
    }
}
