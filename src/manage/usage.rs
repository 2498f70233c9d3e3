//! Writes the uses that [`LastUse`] has collected to the store.

use super::{ManageError, Manager};
use crate::{
    last_use::LastUse,
    observe,
    store::{ManageStore, StoreError},
};

/// Maximum number of uses per transaction, so that a revocation does not wait long behind it.
pub(super) const BATCH: usize = 1000;

impl<S: ManageStore> Manager<S> {
    /// Writes the collected uses once a minute, forever; more often if the
    /// [granularity](Self::with_use_granularity) is shorter. Spawn it as a task, and call
    /// [`record_uses`](Self::record_uses) once more when the service stops:
    ///
    /// ```no_run
    /// use tower_api_key::{LastUse, manage::*, store::MemoryStore};
    ///
    /// # async fn serve() -> Result<(), ManageError> {
    /// let (manager, uses) = (Manager::new(MemoryStore::new()), LastUse::new());
    /// let recorder = tokio::spawn(manager.clone().run_usage_recorder(uses.clone()));
    /// // serve until shutdown, with `with_last_use(uses.clone())` on the layers
    /// recorder.abort();
    /// manager.record_uses(&uses).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A failing store, such as a read-only database, affects no request: the uses are kept for the
    /// next round, and the failure is reported to [`observe`](mod@crate::observe).
    pub async fn run_usage_recorder(self, uses: LastUse) {
        loop {
            tokio::time::sleep(self.granularity.round()).await;
            if let Err(error) = self.record_uses(&uses).await {
                observe::management_failed(&error);
            }
        }
    }

    /// Writes the uses collected since the last call, and returns how many credentials were
    /// updated. Call it on shutdown.
    ///
    /// Writes per credential are as far apart as the [granularity](Self::with_use_granularity)
    /// says, except for the first use after a rotation, which is an audit event. Used credentials
    /// whose digest was not computed with the store's current [pepper](crate::secret::Peppers) are
    /// rehashed.
    ///
    /// A service without a manager, or with another place for its uses, does the same apart from
    /// the rehashing with [`LastUse::flush`].
    ///
    /// # Errors
    /// [`ManageError::Unavailable`]; what was not written is kept.
    pub async fn record_uses(&self, uses: &LastUse) -> Result<usize, ManageError> {
        let mut unwritten = uses.unwritten();
        for used in &mut unwritten {
            used.granularity = self.granularity;
        }
        for some in unwritten.chunks(BATCH) {
            let record = async { Ok(self.store.record_uses(some).await?) };
            let events = self.within_deadline(record).await?;
            events.iter().for_each(|event| self.notify(event));
            uses.mark_written(some);
        }
        self.rehash(uses).await?;
        Ok(unwritten.len())
    }

    /// Rehashes the digests that were presented and are out of date.
    async fn rehash(&self, uses: &LastUse) -> Result<(), ManageError> {
        for (name, presented) in uses.outdated() {
            let rehash = async {
                Ok(self
                    .store
                    .rehash(name.kind, name.id.as_str(), &presented)
                    .await?)
            };
            match self.within_deadline(rehash).await {
                // One bad row must not hold back the others.
                Ok(_)
                | Err(ManageError::Unavailable(
                    StoreError::UnknownPepper(_)
                    | StoreError::PlainDigest
                    | StoreError::UnknownSaltedDigest(_)
                    | StoreError::Corrupt(_),
                )) => uses.forget_outdated(&name),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
