//! Records of keys, found by their id.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::store::Record;

/// The record of a key. Found by its id, but equal only to itself: so a new record can stand beside the one that it replaces
/// until that one is taken out, and a reader finds one of the two at any moment. Hashed as bytes, so that a request's
/// need not be made text of.
pub(super) struct KeyRecord(pub(super) Arc<Record>);

/// An id, borrowed from a request.
pub(super) struct ById<'a>(pub(super) &'a [u8]);

impl Hash for KeyRecord {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ById(self.0.id().as_bytes()).hash(state);
    }
}

impl PartialEq for KeyRecord {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for KeyRecord {}

impl Hash for ById<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl papaya::Equivalent<KeyRecord> for ById<'_> {
    fn equivalent(&self, key: &KeyRecord) -> bool {
        self.0 == key.0.id().as_bytes()
    }
}
