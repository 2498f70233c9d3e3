//! The key type of the map of organization keys, compared and hashed as the bytes of the
//! credential's id.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{store::Record, sync::Equivalent};

/// An id, borrowed from the record that contains it, so that it is not stored twice.
///
/// Two are equal exactly if their ids are. The map relies on that: while it grows, it looks for an
/// entry in two tables and takes the first that is equal.
pub(super) struct KeyId(Arc<Record>);

/// An id, borrowed from a request. It is bytes, so it need not be checked for UTF-8.
pub(super) struct ById<'a>(pub(super) &'a [u8]);

impl KeyId {
    /// Returns the map key of a record.
    pub(super) fn of(record: &Arc<Record>) -> Self {
        Self(Arc::clone(record))
    }

    fn bytes(&self) -> &[u8] {
        self.0.id().as_bytes()
    }
}

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ById(self.bytes()).hash(state);
    }
}

impl PartialEq for KeyId {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for KeyId {}

impl Hash for ById<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl Equivalent<KeyId> for ById<'_> {
    fn equivalent(&self, key: &KeyId) -> bool {
        self.0 == key.bytes()
    }
}
