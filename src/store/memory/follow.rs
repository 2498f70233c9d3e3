//! Following the catalogue: a record that was resolved with tables which have been replaced is
//! resolved again when it is looked up.

use std::sync::Arc;

use super::{MemoryStore, key::ById, state::State};
use crate::{
    scope::Tables,
    secret::Digest,
    store::{Lookup, RawKey, Record, StoreError, resolve::unknown_role},
};

impl MemoryStore {
    /// Answers a lookup whose record is not current, and keeps the new record for the next one.
    pub(super) fn resolve_again(
        &self,
        lookup: &Lookup<'_>,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let mut state = self.lock();
        let tables = self.tables();
        state.forget_grants_before(&tables);
        match lookup.raw_key() {
            RawKey::Id(id) => self.resolve_key(&mut state, id, &tables),
            RawKey::Digest(digest) => self.resolve_token(digest, lookup.organization(), &tables),
        }
    }

    fn resolve_key(
        &self,
        state: &mut State,
        id: &[u8],
        tables: &Tables,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let Some(key) = self.shared.keys.with(&ById(id), Arc::clone) else {
            return Ok(None);
        };
        let resolved = key.resolved(tables);
        let resolved = resolved.map_err(|error| unknown_role(&key, error, tables))?;
        Ok(Some(self.add_key(state, resolved)))
    }

    fn resolve_token(
        &self,
        digest: &Digest,
        organization: Option<&str>,
        tables: &Tables,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let digest = digest.words();
        let Some(entry) = self
            .shared
            .tokens
            .with(&digest, |entry| entry.resolved(tables))
        else {
            return Ok(None);
        };
        self.put_token(digest, entry.clone());
        entry.answer(organization, tables).map(Some)
    }
}
