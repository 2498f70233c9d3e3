//! A list in force: the finished records of its credentials.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use super::{
    entry::{self, KEY_FIELDS, TOKEN_FIELDS},
    error::{Place, StaticError, StaticProblem},
    fields::Fields,
    list::StaticCredentials,
    taken::Taken,
};
use crate::{
    scope::Tables,
    store::{Lookup, Peek, RawKey, Record, StoreError, TokenEntry, resolve::unknown_role},
};

/// The names of the two lists.
const LISTS: &[&str] = &[KEYS, TOKENS];
const KEYS: &str = "keys";
const TOKENS: &str = "tokens";

/// The records of a list. A reload replaces all of them with those of another list, and the first
/// lookup after the catalogue was replaced with those that it makes of the same list.
pub(super) struct Snapshot {
    /// What the records were resolved with.
    tables: Arc<Tables>,
    /// The record of each key, by its id.
    keys: HashMap<Box<[u8]>, Arc<Record>, RandomState>,
    /// The records of each token, by its digest.
    tokens: HashMap<[u64; 4], TokenEntry, RandomState>,
}

impl Snapshot {
    /// Checks a list and creates its records.
    pub(super) fn of(list: StaticCredentials, tables: Arc<Tables>) -> Result<Self, StaticError> {
        let mut lists = Fields::of(list.0, Place::Whole, LISTS)?;
        let (keys, tokens) = (lists.list(KEYS)?, lists.list(TOKENS)?);
        if keys.is_none() && tokens.is_none() {
            return Err(lists.error(StaticProblem::NoList));
        }
        let mut taken = Taken::default();
        let mut snapshot = Self::empty(tables);
        for (number, value) in (1..).zip(keys.unwrap_or_default()) {
            let mut fields = Fields::of(value, Place::entry(KEYS, number), KEY_FIELDS)?;
            let record = entry::key(&mut fields, &snapshot.tables)?;
            let claimed = taken.claim(&record, KEYS, number);
            claimed.map_err(|problem| fields.error(problem))?;
            let id = record.id().as_bytes().into();
            snapshot.keys.insert(id, Arc::new(record));
        }
        for (number, value) in (1..).zip(tokens.unwrap_or_default()) {
            let mut fields = Fields::of(value, Place::entry(TOKENS, number), TOKEN_FIELDS)?;
            let entry = entry::token(&mut fields, &snapshot.tables)?;
            let claimed = taken.claim(&entry.alone, TOKENS, number);
            claimed.map_err(|problem| fields.error(problem))?;
            snapshot.tokens.insert(entry.alone.digest().words(), entry);
        }
        Ok(snapshot)
    }

    fn empty(tables: Arc<Tables>) -> Self {
        let (keys, tokens) = (HashMap::default(), HashMap::default());
        Self {
            tables,
            keys,
            tokens,
        }
    }

    /// Returns the records that other tables make of the same list. A key with a role that they do
    /// not have stays as it was, and is not answered with.
    pub(super) fn resolved(&self, tables: Arc<Tables>) -> Self {
        let mut resolved = Self::empty(tables);
        for (id, key) in &self.keys {
            let key = key
                .resolved(&resolved.tables)
                .map_or(Arc::clone(key), Arc::new);
            resolved.keys.insert(id.clone(), key);
        }
        for (digest, entry) in &self.tokens {
            let entry = entry.resolved(&resolved.tables);
            resolved.tokens.insert(*digest, entry);
        }
        resolved
    }

    /// Returns whether the records were resolved with the tables in force.
    pub(super) fn is_current(&self) -> bool {
        self.tables.is_current()
    }

    /// Answers a lookup that [`peek`](Self::peek) does not answer: its credential has a role that
    /// the tables do not have.
    pub(super) fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        match lookup.raw_key() {
            RawKey::Id(id) => {
                let found = self.keys.get(id).map(|key| {
                    let resolved = key.resolved(&self.tables).map(Arc::new);
                    resolved.map_err(|error| unknown_role(key, error, &self.tables))
                });
                found.transpose()
            }
            RawKey::Digest(digest) => {
                let entry = self.tokens.get(&digest.words());
                let answer = entry.map(|it| it.answer(lookup.organization(), &self.tables));
                answer.transpose()
            }
        }
    }

    /// Answers a lookup, if the record is current.
    pub(super) fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let found = match lookup.raw_key() {
            RawKey::Id(id) => self.keys.get(id),
            RawKey::Digest(digest) => {
                let entry = self.tokens.get(&digest.words());
                entry.map(|entry| entry.seen_from(lookup.organization()))
            }
        };
        match found {
            Some(record) if record.is_current() => Peek::Found(Arc::clone(record)),
            Some(_) => Peek::Unknown,
            None => Peek::NotFound,
        }
    }

    /// Returns the numbers of keys and of tokens.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.keys.len(), self.tokens.len())
    }
}
