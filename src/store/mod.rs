//! Where credentials are kept: the trait, its contract, and the stores that come with the crate.
//!
//! # The contract
//!
//! A store is asked one question, "which record belongs to this credential, seen from this organization?", and has three
//! answers:
//!
//! - `Ok(Some(record))`: there is such a credential. The layer decides what it is worth; the store does not look at
//!   secrets, expiry or scopes. A credential that is deleted or whose owner is gone may be answered with its
//!   [`Standing`], for the sake of the logs, or with `Ok(None)`.
//! - `Ok(None)`: there is none. The store knows this for sure.
//! - `Err(_)`: could not tell. It becomes a 503, never a 401, a 403 or an accept, and nobody caches it.
//!
//! A key is looked up by its id, a personal token by its digest, both compared byte for byte. For a personal token with
//! [`organization`](Lookup::organization), the record says what its owner may do *there*: with
//! [`in_organization`](Record::in_organization) and the role when the organization exists and the owner is a member of
//! it, without them otherwise. A removed member or a changed role shows in the next answer.
//!
//! A store never sees a plain-text token.

mod admin;
mod authority;
mod cached;
mod ending;
mod feed;
mod guard;
mod ids;
mod managed;
mod memory;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod plain;
#[cfg(feature = "postgres")]
pub mod postgres;
mod record;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use admin::StoreAdmin;
pub(crate) use admin::erased_user;
pub use authority::{ActorState, Authority, Requirements};
pub use cached::{Cached, Monotonic, StoreReader};
pub use ending::{EndStatus, EndTarget, Ending};
pub use feed::{Change, Feed, FeedEvent};
pub(crate) use guard::{DEFAULT_DEADLINE, guarded};
pub use ids::{check_credential_id, check_organization_id, check_user_id};
pub use managed::{
    Alteration, Cap, Commit, Insert, ListQuery, ManagedStore, USE_GRANULARITY_MILLIS, Use,
};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub(crate) use record::Grant;
pub use record::{Record, Standing};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use write::WriteError;

use crate::{
    credential::Kind,
    secret::{Digest, Pepper},
};

/// Finds the record of a credential. See the [module](self) for the contract.
///
/// Object-safe: `Arc<dyn CredentialStore>` is a store too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of credentials",
    note = "implement `CredentialStore` under `#[tower_api_key::async_trait]`, or pass a store by value \
            or in an `Arc`: `MemoryStore`, `SqliteStore` (feature `sqlite`), `PostgresStore` \
            (feature `postgres`)"
)]
#[async_trait]
pub trait CredentialStore: Send + Sync + 'static {
    /// Answers at once when the answer is in memory; [`Peek::Ask`], the default, sends the caller to
    /// [`find`](Self::find).
    ///
    /// Must not block. An answer from here spares the request an allocation, a clone of the inner service and the
    /// deadline.
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let _ = lookup;
        Peek::Ask
    }

    /// Returns a pepper under which a digest is made for a credential that is not known, so that it costs what a known one
    /// does; `None`, the default, where no digest is made under a pepper.
    fn decoy(&self) -> Option<&Pepper> {
        None
    }

    /// Answers after whatever it takes. Dropped when the deadline passes or the client goes away; called by a [`Cached`],
    /// when the cache's deadline passes.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not tell.
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError>;
}

#[async_trait]
impl<S: CredentialStore + ?Sized> CredentialStore for Arc<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        (**self).peek(lookup)
    }

    fn decoy(&self) -> Option<&Pepper> {
        (**self).decoy()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        (**self).find(lookup).await
    }
}

/// Tells who is below whom among organizations that form a tree.
#[async_trait]
pub trait OrgTree: Send + Sync + 'static {
    /// Returns whether `organization` has `ancestor` above it, at any distance, and all organizations from the one to the
    /// other, both included, are live. An organization is not its own descendant.
    ///
    /// Nothing below a deleted or disabled organization can be reached from above it: ending an organization ends all
    /// access through it.
    ///
    /// # Errors
    /// [`StoreError`] when the tree could not tell.
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError>;
}

#[async_trait]
impl<T: OrgTree + ?Sized> OrgTree for Arc<T> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        (**self).is_descendant_of(organization, ancestor).await
    }
}

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
    /// Not known without waiting: ask [`find`](CredentialStore::find).
    Ask,
}

/// The store could not tell.
///
/// Its text and its source are for the operator. The client sees neither.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store failed: no connection, no pool, a refused query.
    #[error("the store failed")]
    Unavailable(#[source] BoxError),
    /// The credential's record is there and cannot be read.
    #[error("the record is damaged")]
    Corrupt(#[source] BoxError),
    /// No answer before the deadline.
    #[error("the store did not answer within {0:?}")]
    TimedOut(Duration),
    /// The record's digest was made under a pepper that the store was not given, or (the empty name) without one where that
    /// is not accepted.
    #[error("the digest was made under the pepper {0:?}, which the store does not accept")]
    UnknownPepper(Box<str>),
    /// The store panicked.
    #[error("the store panicked")]
    Panicked,
    /// The store answered for another credential or organization than the one asked for.
    #[error("the store answered for another credential or organization")]
    Mismatched,
}

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// The store failed, because of `source`.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    /// The credential's record cannot be read, because of `source`.
    pub fn corrupt(source: impl Into<BoxError>) -> Self {
        Self::Corrupt(source.into())
    }

    /// Returns a fixed word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::Corrupt(_) => "record_corrupt",
            Self::TimedOut(_) => "store_timed_out",
            Self::UnknownPepper(_) => "unknown_pepper",
            Self::Panicked => "store_panicked",
            Self::Mismatched => "store_mismatched",
        }
    }
}
