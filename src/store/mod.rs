//! Stores, which keep credentials: the trait, its contract, and the stores that come with the
//! crate.
//!
//! # The contract
//!
//! A store answers one question, "which record belongs to this credential, seen from this
//! organization?", in one of three ways:
//!
//! - `Ok(Some(record))`: the credential exists. The layer decides whether to accept it; the store
//!   does not check secrets, expiry or scopes. For a credential that is deleted or whose owner is
//!   gone, return either a record with its [`Status`], for the sake of the logs, or `Ok(None)`.
//! - `Ok(None)`: there is no such credential, definitely.
//! - `Err(_)`: the store could not answer. It becomes a 503, never a 401 or a 403. A [`Cached`]
//!   keeps it for no longer than a lookup's deadline, so that an outage does not multiply lookups,
//!   and never as an answer; it accepts instead only with
//!   [`danger_with_stale_accepts`](Cached::danger_with_stale_accepts).
//!
//! A key is looked up by its id, a personal token by its digest, both compared byte for byte. For a
//! personal token with an [`organization`](Lookup::organization), the record describes what its
//! owner may do *there*: with [`in_organization`](Record::in_organization) and the role if the
//! organization exists and the owner is a member of it, without them otherwise. A removed member or
//! a changed role takes effect in the next answer.
//!
//! A store never sees a plain-text token.
//!
//! # Which store
//!
//! | store | keeps credentials | use it for |
//! |---|---|---|
//! | [`MemoryStore`] | until the process ends | tests, examples, credentials that are loaded at start |
//! | `StaticStore` (feature `serde`) | in a configuration file, which can be reloaded | small services whose operator issues the keys |
//! | `SqliteStore` of [`tower-api-key-sqlx`] | in a file | one machine |
//! | `PostgresStore` of [`tower-api-key-sqlx`] | in a database | many nodes |
//! | [`Cached`] around any of them | as that one | answers from memory, revoked at once |
//! | one of your own | in your tables | see the [guide](crate::guide::stores) |
//!
//! # Which trait
//!
//! - [`CredentialStore`] answers lookups. Every store implements it; one method is required.
//! - [`ManageStore`] commits what a [`Manager`](crate::manage::Manager) decides.
//! - [`Directory`] knows organizations and users. A service that keeps them in tables of its own
//!   implements it only for a [`RequireDescendantLayer`](crate::RequireDescendantLayer).
//!
//! All stores of this crate and its companions are cheap clones that share their content.
//!
//! [`tower-api-key-sqlx`]: https://docs.rs/tower-api-key-sqlx

mod attributes;
mod audit;
pub mod backend;
mod cached;
mod change;
mod decoys;
mod digest_form;
mod directory;
mod error;
mod filter;
mod grant;
mod guard;
mod info;
mod lookup;
mod memory;
mod record;
mod resolve;
mod restrictions;
#[cfg(feature = "serde")]
mod static_store;
mod status;

use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use attributes::is_environment;
pub use attributes::{
    Attributes, Conditions, InvalidAttributes, InvalidMetadata, InvalidNetwork, Metadata, Network,
};
pub use audit::{AuditAction, AuditActor, AuditEvent};
pub use backend::{ExpiryWatch, Granularity, ManageStore, Retention, Swept, Usage};
pub use cached::{Cached, MonotonicClock, StoreReader};
pub use change::{Change, Feed, FeedEvent};
pub(crate) use decoys::Decoys;
pub(crate) use digest_form::DigestForm;
pub use directory::Directory;
pub use error::{StoreError, StoreFault, WriteError};
pub use filter::Filter;
pub(crate) use grant::Grant;
pub(crate) use guard::{DEFAULT_DEADLINE, caught, guarded};
pub use info::{CredentialInfo, EffectiveStatus, Owner};
pub(crate) use lookup::RawKey;
pub use lookup::{Lookup, LookupKey, Peek};
pub use memory::MemoryStore;
#[cfg(feature = "serde")]
use memory::TokenEntry;
pub use record::Record;
pub use restrictions::Restrictions;
pub(crate) use restrictions::organization_list;
#[cfg(feature = "serde")]
pub use static_store::{StaticCredentials, StaticError, StaticProblem, StaticStore};
pub use status::Status;

use crate::secret::{Pepper, SaltedDigests};

/// A store that finds the record of a credential. See the [module](self) for the contract.
///
/// Implement it to let the layer accept credentials from your own tables: [`find`](Self::find) is
/// the only method that you need.
///
/// ```
/// use std::sync::Arc;
/// use tower_api_key::{scope::Catalogue, secret::Digest, store::*};
///
/// # struct Row { digest: [u8; 32], organization: String, role: String }
/// # struct Database;
/// # impl Database {
/// #     async fn key(&self, _: &str) -> Result<Option<Row>, std::io::Error> { Ok(None) }
/// # }
/// struct Keys(Database, Catalogue);
///
/// #[tower_api_key::async_trait]
/// impl CredentialStore for Keys {
///     async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
///         let LookupKey::OrgKey { id } = lookup.key() else {
///             return Ok(None); // this service has no personal tokens
///         };
///         let row = self.0.key(id).await.map_err(StoreError::unavailable)?;
///         let record = row.map(|row| {
///             Record::org_key(id, Digest::from_bytes(row.digest), row.organization)
///                 .with_role(&row.role, &self.1)
///         });
///         Ok(record.transpose().map_err(StoreError::corrupt)?.map(Arc::new))
///     }
/// }
/// ```
///
/// Test it with the contract suite of the feature `testing`.
///
/// Object-safe: `Arc<dyn CredentialStore>` is a store too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of credentials",
    note = "implement `CredentialStore` under `#[tower_api_key::async_trait]`, or pass a store by value: \
            `MemoryStore`, or `SqliteStore` and `PostgresStore` of the crate `tower-api-key-sqlx`"
)]
#[async_trait]
pub trait CredentialStore: Send + Sync + 'static {
    /// Answers at once if the answer is in memory. The default, [`Peek::Unknown`], makes the caller
    /// use [`find`](Self::find).
    ///
    /// Must not block. An answer from here saves the request an allocation, a clone of the inner
    /// service and the deadline.
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let _ = lookup;
        Peek::Unknown
    }

    /// Returns the pepper to hash unknown credentials with, so that they take as long as known
    /// ones; `None`, the default, if digests are not peppered.
    fn decoy_pepper(&self) -> Option<&Pepper> {
        None
    }

    /// Returns the salted digests that the store's keys may have, if any; `None` by default.
    ///
    /// For each key that is presented, known or not, every one of them is computed once, with the
    /// key's own salt or one of 16 bytes, beside one digest under a
    /// [pepper](Self::decoy_pepper) if the store has one. So what is refused costs the same,
    /// except that a salt of another length may take one more step of the hash. A
    /// [`Manager`](crate::manage::Manager) imports only keys whose salted digest is among them.
    fn salted_digests(&self) -> Option<&SaltedDigests> {
        None
    }

    /// Answers, waiting as long as it takes. The future is dropped when the deadline passes or the
    /// client disconnects; when called by a [`Cached`], when the cache's deadline passes or too
    /// many lookups continue for clients that have disconnected.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError>;
}

#[async_trait]
impl<S: CredentialStore + ?Sized> CredentialStore for Arc<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        (**self).peek(lookup)
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        (**self).decoy_pepper()
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        (**self).salted_digests()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        (**self).find(lookup).await
    }
}
