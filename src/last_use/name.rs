//! Names of credentials, as the keys of maps that are read with what a record has.

use std::hash::{Hash, Hasher};

use crate::{credential::Kind, id::CredentialId, sync::Equivalent};

/// Identifies a credential.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) id: CredentialId,
}

/// A name, borrowed from a record.
pub(super) struct Borrowed<'a>(pub(super) Kind, pub(super) &'a str);

impl Borrowed<'_> {
    pub(super) fn to_name(&self) -> Name {
        Name {
            kind: self.0,
            id: self.1.into(),
        }
    }
}

impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed(self.kind, self.id.as_str()).hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }
}

impl Eq for Name {}

impl Equivalent<Name> for Borrowed<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.0 == name.kind && self.1 == name.id.as_str()
    }
}
