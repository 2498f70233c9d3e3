//! Where credentials are kept: the trait, its contract, and the stores that come with the crate.
//!
//! # The contract
//!
//! A store is asked one question, "which record belongs to this credential, seen from this organization?", and has three
//! answers:
//!
//! - `Ok(Some(record))`: there is such a credential. The layer decides what it is worth; the store does not look at
//!   secrets, expiry or scopes. A credential that is deleted or whose owner is gone may be answered with its
//!   [`Status`], for the sake of the logs, or with `Ok(None)`.
//! - `Ok(None)`: there is none. The store knows this for sure.
//! - `Err(_)`: could not tell. It becomes a 503, never a 401, a 403 or an accept, and nobody caches it.
//!
//! A key is looked up by its id, a personal token by its digest, both compared byte for byte. For a personal token with
//! [`organization`](Lookup::organization), the record says what its owner may do *there*: with
//! [`in_organization`](Record::in_organization) and the role when the organization exists and the owner is a member of
//! it, without them otherwise. A removed member or a changed role shows in the next answer.
//!
//! A store never sees a plain-text token.

mod audit;
mod backend;
mod cached;
mod change;
mod directory;
mod error;
mod guard;
mod info;
mod lookup;
mod memory;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod peppers;
#[cfg(feature = "postgres")]
pub mod postgres;
mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

pub use audit::{AuditAction, AuditActor, AuditEvent};
pub(crate) use backend::LastUsage;
pub use backend::{
    ActorState, Authority, Cap, Commit, EndStatus, EndTarget, Ending, ListQuery, ManageStore,
    NewCredential, Requirements, USE_GRANULARITY_MILLIS, Update, Usage,
};
pub use cached::{Cached, MonotonicClock, StoreReader};
pub use change::{Change, Feed, FeedEvent};
pub(crate) use directory::erased_user;
pub use directory::{OrgTree, StoreAdmin};
pub use error::{BoxError, StoreError, WriteError};
pub(crate) use guard::{DEFAULT_DEADLINE, guarded};
pub use info::{CredentialInfo, EffectiveStatus, Filter, Owner};
pub(crate) use lookup::Key;
pub use lookup::{Credential, Lookup, Peek};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub(crate) use record::Grant;
pub use record::{Record, Status};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use crate::secret::Pepper;

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
    /// Answers at once when the answer is in memory; [`Peek::Unknown`], the default, sends the caller to
    /// [`find`](Self::find).
    ///
    /// Must not block. An answer from here spares the request an allocation, a clone of the inner service and the
    /// deadline.
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let _ = lookup;
        Peek::Unknown
    }

    /// Returns a pepper under which a digest is made for a credential that is not known, so that it costs what a known one
    /// does; `None`, the default, where no digest is made under a pepper.
    fn decoy_pepper(&self) -> Option<&Pepper> {
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

    fn decoy_pepper(&self) -> Option<&Pepper> {
        (**self).decoy_pepper()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        (**self).find(lookup).await
    }
}
