//! A lookup: which credential a store is asked for, and what it can answer at once.

use std::{fmt, sync::Arc};

use super::Record;
use crate::{credential::Kind, secret::Digest};

/// A lookup of one credential, as a store receives it.
///
/// ```
/// use tower_api_key::store::{LookupKey, Lookup};
///
/// // As a layer would ask for `ak_example.…`; in a test of a store.
/// let lookup = Lookup::new(LookupKey::OrgKey { id: "example" }, None);
/// assert!(matches!(lookup.key(), LookupKey::OrgKey { id: "example" }));
/// ```
///
/// `Debug` omits the presented id and digest: a client that swaps the parts of a token puts the
/// secret where the id belongs. Log the id of the record that was found instead.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    key: RawKey<'a>,
    organization: Option<&'a str>,
    /// Whether a cache must pass it on to its store.
    uncached: bool,
}

/// What a credential is found by. The bytes of an id are token68; only callers that want text pay
/// for the conversion.
#[derive(Clone, Copy)]
pub(crate) enum RawKey<'a> {
    Id(&'a [u8]),
    Digest(&'a Digest),
}

impl<'a> Lookup<'a> {
    /// Creates a lookup as the layer does; for testing a store.
    #[must_use]
    pub fn new(key: LookupKey<'a>, organization: Option<&'a str>) -> Self {
        let key = match key {
            LookupKey::OrgKey { id } => RawKey::Id(id.as_bytes()),
            LookupKey::PersonalToken { digest } => RawKey::Digest(digest),
        };
        Self::by(key, organization)
    }

    /// Creates a lookup without a check for UTF-8.
    pub(crate) fn by(key: RawKey<'a>, organization: Option<&'a str>) -> Self {
        Self {
            key,
            organization,
            uncached: false,
        }
    }

    /// Makes every cache on the way pass the lookup on: neither what it has cached nor its limit of
    /// misses applies.
    pub(crate) fn uncached(self) -> Self {
        Self {
            uncached: true,
            ..self
        }
    }

    /// Returns whether a cache must pass the lookup on.
    pub(crate) fn is_uncached(&self) -> bool {
        self.uncached
    }

    /// Returns what the credential is found by.
    pub(crate) fn raw_key(&self) -> RawKey<'a> {
        self.key
    }

    /// Returns what the presented credential is looked up by.
    #[must_use]
    pub fn key(&self) -> LookupKey<'a> {
        match self.key {
            RawKey::Id(id) => LookupKey::OrgKey {
                id: std::str::from_utf8(id).unwrap_or_default(),
            },
            RawKey::Digest(digest) => LookupKey::PersonalToken { digest },
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
            RawKey::Id(_) => Kind::OrgKey,
            RawKey::Digest(_) => Kind::PersonalToken,
        };
        f.debug_struct("Lookup")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

/// What a credential is looked up by.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third kind has to be a compile error in every store"
)]
pub enum LookupKey<'a> {
    /// An organization key, found by the part between its prefix and its dot, or for a key
    /// [without an id](crate::credential::TokenShape::OrgKeyWithoutId) by one that is computed from
    /// its digest.
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

impl fmt::Debug for LookupKey<'_> {
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
