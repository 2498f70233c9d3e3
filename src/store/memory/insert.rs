//! Inserting credentials: checks them, adds them to the state, and puts their records into the
//! maps that readers use.

use super::{MemoryStore, state::State};
use crate::{
    credential::check_credential_id,
    id::OrgId,
    store::{
        Record, StoreError,
        WriteError::{self, GrantOnToken, Taken, UnknownRole},
    },
};

impl MemoryStore {
    /// Inserts the record of a key as it is, except for scopes outside the catalogue.
    pub(super) fn insert_key(&self, record: Record) -> Result<(), WriteError> {
        check_credential_id(record.kind(), record.id())?;
        let record = self.restricted(record);
        let mut state = self.lock();
        state.living(record.organization().map_or("", OrgId::as_str))?;
        if self.key(record.id()).is_some() {
            return Err(Taken(record.id().into()));
        }
        self.add_key(&mut state, record);
        Ok(())
    }

    /// Refuses a record that no lookup could answer with: a peppered digest would match no token,
    /// since the store has no peppers. What the record says of its owner becomes its own status.
    pub(super) fn checked(&self, record: Record) -> Result<Record, WriteError> {
        if let Some(pepper) = record.pepper() {
            return Err(StoreError::UnknownPepper(pepper.name().into()).into());
        }
        match record.role() {
            Some(role) if self.0.catalogue.scopes_of(role).is_none() => {
                Err(UnknownRole(role.into()))
            }
            _ => {
                let status = record.status().by_itself();
                Ok(record.with_status(status))
            }
        }
    }

    /// Removes the scopes that the catalogue does not know.
    fn restricted(&self, record: Record) -> Record {
        if record
            .scopes()
            .iter()
            .all(|scope| self.0.catalogue.knows(scope))
        {
            return record;
        }
        let known = self.0.catalogue.expand(record.scopes().iter());
        record.with_scopes(known)
    }

    /// Adds a key that was checked.
    pub(super) fn add_key(&self, state: &mut State, record: Record) {
        let record = state.share_grant(record);
        self.put_key(record);
    }

    /// Inserts the record of a token, which must not have rights of its own.
    pub(super) fn insert_token(&self, record: Record) -> Result<(), WriteError> {
        if record.has_grant() {
            return Err(GrantOnToken);
        }
        check_credential_id(record.kind(), record.id())?;
        let mut state = self.lock();
        if self.token(&record.digest().words()).is_some() {
            return Err(Taken(record.id().into()));
        }
        self.add_token(&mut state, &record)
    }

    /// Adds a token that was checked, with a record for each membership of its owner.
    pub(super) fn add_token(&self, state: &mut State, record: &Record) -> Result<(), WriteError> {
        state.add_token(record)?;
        if let Some(user) = record.user().and_then(|owner| state.users.get(owner)) {
            self.put_token(
                record.digest().words(),
                state.entry(record, user, &self.0.catalogue),
            );
        }
        Ok(())
    }
}
