//! Inserting credentials: checks them, adds them to the state, and puts their records into the
//! maps that readers use.

use std::sync::Arc;

use super::{MemoryStore, state::State};
use crate::{
    credential::check_credential_id,
    id::OrgId,
    store::{
        Record, StoreError,
        WriteError::{self, Taken, UnknownRole},
        backend::{check_grants, own_salt},
    },
};

impl MemoryStore {
    /// Inserts the record of a key that was checked.
    pub(super) fn insert_key(&self, record: Record) -> Result<(), WriteError> {
        check_credential_id(record.kind(), record.id())?;
        let mut state = self.lock();
        state.living(record.organization().map_or("", OrgId::as_str))?;
        if self.key(record.id()).is_some() || state.is_tombstone(&record) {
            return Err(Taken(record.id().into()));
        }
        self.add_key(&mut state, record);
        Ok(())
    }

    /// Refuses a record that no lookup could answer with: a peppered digest would match no token,
    /// since the store has no peppers. The state of the record's owner becomes its own status, and
    /// its scopes become what the catalogue makes of them.
    pub(super) fn checked(&self, record: Record) -> Result<Record, WriteError> {
        if let Some(pepper) = record.pepper() {
            return Err(StoreError::UnknownPepper(pepper.name().into()).into());
        }
        let record = match record.salt() {
            Some(salt) => {
                let own = own_salt(salt, self.salted.as_ref())?;
                record.with_salt(own)
            }
            None => record,
        };
        check_grants(&record)?;
        let (tables, status) = (self.tables(), record.status().by_itself());
        let of_role = record.role().and_then(|role| tables.scopes_of(role));
        let kept = record.with_status(status).kept(of_role);
        let unknown = || UnknownRole(kept.role().unwrap_or_default().into());
        kept.resolved(&tables).map_err(|_| unknown())
    }

    /// Adds a key that was checked, or replaces its record.
    pub(super) fn add_key(&self, state: &mut State, record: Record) -> Arc<Record> {
        let record = state.share_grant(record);
        self.put_key(record)
    }

    /// Inserts the record of a token.
    pub(super) fn insert_token(&self, record: Record) -> Result<(), WriteError> {
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
                state.entry(record, user, &self.tables()),
            );
        }
        Ok(())
    }
}
