//! New credentials: checked, entered in the book, and put into the maps.

use std::sync::Arc;

use super::{
    MemoryStore,
    book::Book,
    key::{ById, KeyRecord},
};
use crate::{
    credential::is_key_id,
    principal::OrgId,
    store::{
        Record,
        WriteError::{self, GrantOnToken, InvalidId, Taken},
    },
};

impl MemoryStore {
    pub(super) fn insert_key(&self, record: Record) -> Result<(), WriteError> {
        if !is_key_id(record.id()) {
            return Err(InvalidId(record.id().into()));
        }
        let mut book = self.book();
        book.living(record.organization().map_or("", OrgId::as_str))?;
        let keys = self.keys.pin();
        if keys.contains(&ById(record.id().as_bytes())) {
            return Err(Taken(record.id().into()));
        }
        drop(keys);
        self.add_key(&mut book, record);
        Ok(())
    }

    pub(super) fn add_key(&self, book: &mut Book, record: Record) {
        let record = book.share_grant(record);
        self.keys.pin().insert(KeyRecord(Arc::new(record)));
    }

    pub(super) fn insert_token(&self, record: Record) -> Result<(), WriteError> {
        if record.organization().is_some() || record.role().is_some() || !record.scopes().is_empty() {
            return Err(GrantOnToken);
        }
        let mut book = self.book();
        if self.tokens.pin().contains_key(&record.digest().words()) {
            return Err(Taken(record.id().into()));
        }
        self.add_token(&mut book, &record)
    }

    pub(super) fn add_token(&self, book: &mut Book, record: &Record) -> Result<(), WriteError> {
        book.add_token(record)?;
        if let Some(user) = record.user().and_then(|owner| book.users.get(owner)) {
            self.tokens.pin().insert(record.digest().words(), book.entry(record, user, &self.catalogue));
        }
        Ok(())
    }
}
