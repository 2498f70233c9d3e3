//! The key of the map of keys.

use std::hash::{Hash, Hasher};

use crate::principal::CredentialId;

/// A key's id as the key of a map, hashed as bytes so that a request's need not be made text of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyId(CredentialId);

/// The same, borrowed from a request.
pub(super) struct ById<'a>(pub(super) &'a [u8]);

impl KeyId {
    pub(super) fn new(id: &str) -> Self {
        Self(id.into())
    }
}

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ById(self.0.as_str().as_bytes()).hash(state);
    }
}

impl Hash for ById<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl papaya::Equivalent<KeyId> for ById<'_> {
    fn equivalent(&self, key: &KeyId) -> bool {
        self.0 == key.0.as_str().as_bytes()
    }
}
