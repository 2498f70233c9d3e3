//! The keys of cached answers: which credential, seen from which organization. Each has an owned
//! form, for the tables, and a borrowed one, so that a hit copies nothing.

use std::hash::{Hash, Hasher};

use crate::{
    credential::Kind,
    id::{CredentialId, OrgId},
    sync::Equivalent,
};

/// The key of a cached answer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct EntryKey {
    pub(super) name: Name,
    pub(super) organization: Option<OrgId>,
}

/// What the credential is found by: a key's id or a token's digest.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Name {
    Id(CredentialId),
    Digest([u64; 4]),
}

/// The key, borrowed from a request: a hit needs no UTF-8 check and no allocation.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) name: AskedName<'a>,
    pub(super) organization: Option<&'a str>,
}

/// A [`Name`], borrowed from a request.
#[derive(Clone, Copy)]
pub(super) enum AskedName<'a> {
    Id(&'a [u8]),
    Digest([u64; 4]),
}

impl EntryKey {
    /// Returns the kind of the credential.
    pub(super) fn kind(&self) -> Kind {
        match self.name {
            Name::Id(_) => Kind::OrgKey,
            Name::Digest(_) => Kind::PersonalToken,
        }
    }

    /// Returns the borrowed form, to look the key up.
    pub(super) fn borrowed(&self) -> Asked<'_> {
        Asked {
            name: match &self.name {
                Name::Id(id) => AskedName::Id(id.as_str().as_bytes()),
                Name::Digest(words) => AskedName::Digest(*words),
            },
            organization: self.organization.as_ref().map(OrgId::as_str),
        }
    }
}

impl Asked<'_> {
    /// Returns the owned form; `None` for an id that is not UTF-8, which no credential has.
    pub(super) fn to_key(self) -> Option<EntryKey> {
        let name = match self.name {
            AskedName::Id(id) => Name::Id(std::str::from_utf8(id).ok()?.into()),
            AskedName::Digest(words) => Name::Digest(words),
        };
        Some(EntryKey {
            name,
            organization: self.organization.map(OrgId::from),
        })
    }
}

impl Hash for EntryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.name {
            AskedName::Id(id) => state.write(id),
            AskedName::Digest(words) => words.iter().for_each(|word| state.write_u64(*word)),
        }
        if self.organization.is_some() {
            self.organization.hash(state);
        }
    }
}

impl Equivalent<EntryKey> for Asked<'_> {
    fn equivalent(&self, key: &EntryKey) -> bool {
        let named = match (&self.name, &key.name) {
            (AskedName::Id(id), Name::Id(own)) => *id == own.as_str().as_bytes(),
            (AskedName::Digest(words), Name::Digest(own)) => words == own,
            _ => false,
        };
        named && self.organization == key.organization.as_ref().map(OrgId::as_str)
    }
}
