//! A store over a list from a configuration file.
//!
//! The list is [read](list) without judging it, [checked](entry) entry by entry, and turned into a
//! [snapshot] of finished records, which a reload replaces as a whole.

mod entry;
mod error;
mod fields;
mod list;
mod snapshot;
mod taken;
mod value;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub use error::{StaticError, StaticProblem};
pub use list::StaticCredentials;

use super::{CredentialStore, Lookup, Peek, Record, StoreError};
use crate::{
    scope::Catalogue,
    sync::{Map, Mutex, lock},
};
use snapshot::Snapshot;

/// A store over a list of credentials from a configuration file: for a small service that needs no
/// database. [`StaticCredentials`] has the form of the list.
///
/// Whoever edits the file issues and revokes credentials; a [`Manager`](crate::manage::Manager)
/// cannot. Lookups are answered from memory and take no lock.
///
/// ```
/// use tower_api_key::{AuthLayer, scope::Catalogue, store::StaticStore};
///
/// let list = r#"
///     [[keys]]
///     id = "billing"
///     digest = "9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53"
///     organization = "org_1"
///     role = "viewer"
/// "#;
/// let store = StaticStore::new(toml::from_str(list)?, Catalogue::anyreach())?;
/// let auth = AuthLayer::new(store.clone());
///
/// store.reload(toml::from_str("keys = []")?)?; // the key is revoked
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Do not put a [`Cached`](super::Cached) around it, which would save nothing and delay what a
/// reload changes. If there is one, apply
/// [`Change::Everything`](super::Change::Everything) to it after each reload.
///
/// If the catalogue is [replaced](Catalogue::replace), the same list is read with the new one: a
/// role that it does not have is refused with 503, and a scope that it does not have grants
/// nothing, until you reload a list without them.
///
/// Clones share the list. The example `static_keys` mints keys, and reloads its file on SIGHUP.
#[derive(Clone)]
#[must_use]
pub struct StaticStore(Arc<Shared>);

/// What the clones of a store share.
struct Shared {
    catalogue: Catalogue,
    /// The list in force: the one entry of a map, which readers use without a lock.
    current: Map<(), Snapshot>,
    /// Held while the list in force is replaced.
    writer: Mutex<()>,
}

impl StaticStore {
    /// Creates a store over `list`, whose roles and scopes are those of `catalogue`.
    ///
    /// # Errors
    /// [`StaticError`] for the first mistake in the list.
    pub fn new(list: StaticCredentials, catalogue: Catalogue) -> Result<Self, StaticError> {
        let (current, writer) = (Map::new(), Mutex::new(()));
        current.insert((), Snapshot::of(list, catalogue.tables())?);
        Ok(Self(Arc::new(Shared {
            catalogue,
            current,
            writer,
        })))
    }

    /// Replaces the list, for all clones. A lookup is answered from the old list or from the new
    /// one, and from the new one if it begins after this has returned: what is not in it is
    /// revoked.
    ///
    /// The store sees only what was parsed. Replace the file as a whole, by renaming another one to
    /// its name, so that no half of it is read.
    ///
    /// # Errors
    /// [`StaticError`] for the first mistake in the list. The old list then stays in force.
    pub fn reload(&self, list: StaticCredentials) -> Result<(), StaticError> {
        let _writer = lock(&self.0.writer); // so that the list of the later call stays in force
        let snapshot = Snapshot::of(list, self.0.catalogue.tables())?;
        self.0.current.insert((), snapshot);
        Ok(())
    }

    /// Answers a lookup whose record is not current. The first one resolves the whole list again.
    fn resolve_again(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let current = &self.0.current;
        let _writer = lock(&self.0.writer);
        if current.with(&(), Snapshot::is_current) == Some(false) {
            let tables = self.0.catalogue.tables();
            if let Some(resolved) = current.with(&(), |list| list.resolved(tables)) {
                current.insert((), resolved);
            }
        }
        let found = current.with(&(), |list| list.find(lookup));
        found.unwrap_or(Ok(None))
    }
}

#[async_trait]
impl CredentialStore for StaticStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        let answer = |current: &Snapshot| current.peek(lookup);
        self.0.current.with(&(), answer).unwrap_or(Peek::NotFound)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        match self.peek(lookup) {
            Peek::Found(record) => Ok(Some(record)),
            Peek::NotFound => Ok(None),
            Peek::Unknown => self.resolve_again(lookup),
        }
    }
}

// Written by hand because the snapshot is keyed by digests.
impl fmt::Debug for StaticStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, tokens) = self.0.current.with(&(), Snapshot::len).unwrap_or_default();
        f.debug_struct("StaticStore")
            .field("keys", &keys)
            .field("tokens", &tokens)
            .finish_non_exhaustive()
    }
}
