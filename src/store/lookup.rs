//! A lookup: which credential a store is asked for, and what it can answer at once.

use std::{fmt, sync::Arc};

use super::Record;
use crate::{credential::Kind, secret::Digest};

/// A lookup of one credential, as a store receives it.
///
/// ```
/// use tower_api_key::store::{Credential, Lookup};
///
/// // As a layer would ask for `ak_example.…`; in a test of a store.
/// let lookup = Lookup::new(Credential::OrgKey { id: "example" }, None);
/// assert!(matches!(lookup.credential(), Credential::OrgKey { id: "example" }));
/// ```
///
/// `Debug` omits the presented id and digest: a client that swaps the parts of a token puts the
/// secret where the id belongs. Log the id of the record that was found instead.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    key: Key<'a>,
    organization: Option<&'a str>,
}

/// What a credential is found by. The bytes of an id are token68; only callers that want text pay
/// for the conversion.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    Id(&'a [u8]),
    Digest(&'a Digest),
}

impl<'a> Lookup<'a> {
    /// Creates a lookup as the layer does; for testing a store.
    #[must_use]
    pub fn new(credential: Credential<'a>, organization: Option<&'a str>) -> Self {
        let key = match credential {
            Credential::OrgKey { id } => Key::Id(id.as_bytes()),
            Credential::PersonalToken { digest } => Key::Digest(digest),
        };
        Self { key, organization }
    }

    /// Creates a lookup without a check for UTF-8.
    pub(crate) fn by(key: Key<'a>, organization: Option<&'a str>) -> Self {
        Self { key, organization }
    }

    /// Returns what the credential is found by.
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

    /// Returns the organization in which a personal token is used; `None` for a key, and where no
    /// organization is needed.
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
    /// An organization key, found by the part between its prefix and its dot.
    OrgKey {
        /// One or more token68 characters, none of them a dot.
        id: &'a str,
    },
    /// A personal token, found by the digest of the whole token.
    PersonalToken {
        /// The presented token's digest.
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

/// What a store can answer at once, without waiting and without blocking.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three outcomes are the contract"
)]
pub enum Peek {
    /// The credential exists.
    Found(Arc<Record>),
    /// There is no such credential, definitely.
    NotFound,
    /// Unknown without waiting: call [`find`](super::CredentialStore::find).
    Unknown,
}
