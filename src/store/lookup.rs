//! The question to a store, and what it can say at once.

use std::{fmt, sync::Arc};

use super::Record;
use crate::{credential::Kind, secret::Digest};

/// The question to a store.
///
/// `Debug` leaves the presented id and digest out: whoever sends a token with its parts swapped has put the secret where
/// the id belongs. Log the id of a record that was found instead.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    key: Key<'a>,
    organization: Option<&'a str>,
}

/// What a credential is found by. The bytes of an id are token68; whoever wants text pays for the conversion.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    Id(&'a [u8]),
    Digest(&'a Digest),
}

impl<'a> Lookup<'a> {
    /// Makes a question, as the layer does; for the tests of a store.
    #[must_use]
    pub fn new(credential: Credential<'a>, organization: Option<&'a str>) -> Self {
        let key = match credential {
            Credential::OrgKey { id } => Key::Id(id.as_bytes()),
            Credential::PersonalToken { digest } => Key::Digest(digest),
        };
        Self { key, organization }
    }

    pub(crate) fn by(key: Key<'a>, organization: Option<&'a str>) -> Self {
        Self { key, organization }
    }

    pub(crate) fn key(&self) -> Key<'a> {
        self.key
    }

    /// Returns the credential that was presented.
    #[must_use]
    pub fn credential(&self) -> Credential<'a> {
        match self.key {
            Key::Id(id) => Credential::OrgKey {
                id: std::str::from_utf8(id).unwrap_or_default(),
            },
            Key::Digest(digest) => Credential::PersonalToken { digest },
        }
    }

    /// Returns the organization that a personal token names; `None` for a key, and where no organization is needed.
    #[must_use]
    pub fn organization(&self) -> Option<&'a str> {
        self.organization
    }
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.key {
            Key::Id(_) => Kind::OrgKey,
            Key::Digest(_) => Kind::PersonalToken,
        };
        f.debug_struct("Lookup")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

/// How a credential is looked up.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third kind has to be a compile error in every store"
)]
pub enum Credential<'a> {
    /// An organization key, by the part between its prefix and its dot.
    OrgKey {
        /// At least one character of token68, none of them a dot.
        id: &'a str,
    },
    /// A personal token, by the digest of the whole token.
    PersonalToken {
        /// The digest that the presented token has.
        digest: &'a Digest,
    },
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrgKey { .. } => "OrgKey(..)",
            Self::PersonalToken { .. } => "PersonalToken(..)",
        })
    }
}

/// What a store says at once.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three outcomes are the contract"
)]
pub enum Peek {
    /// There is such a credential.
    Found(Arc<Record>),
    /// There is none, for sure.
    NotFound,
    /// Not known without waiting: ask [`find`](super::CredentialStore::find).
    Unknown,
}
