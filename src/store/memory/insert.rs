//! New credentials: checked, entered in the book, and put into the maps.

use super::{MemoryStore, book::Book};
use crate::{
    credential::check_credential_id,
    id::OrgId,
    store::{
        Record,
        WriteError::{self, GrantOnToken, Taken},
    },
};

impl MemoryStore {
    pub(super) fn insert_key(&self, record: Record) -> Result<(), WriteError> {
        check_credential_id(record.kind(), record.id())?;
        let record = self.restricted(record);
        let mut book = self.book();
        book.living(record.organization().map_or("", OrgId::as_str))?;
        if self.key(record.id()).is_some() {
            return Err(Taken(record.id().into()));
        }
        self.add_key(&mut book, record);
        Ok(())
    }

    /// Takes away the scopes that the catalogue does not know.
    fn restricted(&self, record: Record) -> Record {
        if record
            .scopes()
            .iter()
            .all(|scope| self.catalogue.knows(scope))
        {
            return record;
        }
        let known = self.catalogue.expand(record.scopes().iter());
        record.with_scopes(known)
    }

    pub(super) fn add_key(&self, book: &mut Book, record: Record) {
        let record = book.share_grant(record);
        self.put_key(record);
    }

    pub(super) fn insert_token(&self, record: Record) -> Result<(), WriteError> {
        if record.organization().is_some() || record.role().is_some() || !record.scopes().is_empty()
        {
            return Err(GrantOnToken);
        }
        check_credential_id(record.kind(), record.id())?;
        let mut book = self.book();
        if self.tokens.pin().contains_key(&record.digest().words()) {
            return Err(Taken(record.id().into()));
        }
        self.add_token(&mut book, &record)
    }

    pub(super) fn add_token(&self, book: &mut Book, record: &Record) -> Result<(), WriteError> {
        book.add_token(record)?;
        if let Some(user) = record.user().and_then(|owner| book.users.get(owner)) {
            self.tokens.pin().insert(
                record.digest().words(),
                book.entry(record, user, &self.catalogue),
            );
        }
        Ok(())
    }
}
