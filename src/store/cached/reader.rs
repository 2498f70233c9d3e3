//! Reading from the store behind a cache.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::Cached;
use crate::{
    secret::{Pepper, SaltedDigests},
    store::{CredentialStore, Directory, Lookup, Peek, Record, StoreError},
};

/// Reads from the store behind a [`Cached`], past the cache. Returned by [`Cached::store`].
///
/// Use it to compare what is cached with what is stored, or to check that the store answers, as a
/// health check does.
///
/// It cannot write: a change that bypassed the cache would not be seen by it.
pub struct StoreReader<S>(Arc<S>);

impl<S> Cached<S> {
    /// Returns the store behind the cache, to read from.
    ///
    /// Make changes through the cache itself: it is a [`ManageStore`](crate::store::ManageStore)
    /// and a [`Directory`] if its store is.
    ///
    /// ```
    /// use tower_api_key::store::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), StoreError> {
    /// let cache = Cached::new(MemoryStore::new());
    /// let lookup = Lookup::new(LookupKey::OrgKey { id: "example" }, None);
    /// assert!(cache.store().find(&lookup).await?.is_none()); // asks the store itself
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(&self) -> StoreReader<S> {
        StoreReader(Arc::clone(&self.store))
    }
}

#[async_trait]
impl<S: CredentialStore> CredentialStore for StoreReader<S> {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        self.0.peek(lookup)
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.0.decoy_pepper()
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.0.salted_digests()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.find(lookup).await
    }
}

#[async_trait]
impl<S: Directory> Directory for StoreReader<S> {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.0.is_descendant_of(organization, ancestor).await
    }
}

impl<S> Clone for StoreReader<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for StoreReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreReader").finish_non_exhaustive()
    }
}
