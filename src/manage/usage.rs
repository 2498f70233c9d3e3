//! The writing of what [`LastUse`] has noted.

use std::time::Duration;

use super::{ManageError, Manager};
use crate::{
    last_use::LastUse,
    observe,
    store::{ManageStore, StoreError, USE_GRANULARITY_MILLIS},
};

/// How many uses one transaction writes at most, so that a revocation need not wait long for its turn.
const BATCH: usize = 1000;

impl<S: ManageStore> Manager<S> {
    /// Writes the uses that were noted since the last time, once a minute, for ever. For a task of its own.
    ///
    /// A store that fails, such as a database that is read-only, costs no request anything: the uses are kept for the next
    /// minute, and the failure is told to [`observe`](mod@crate::observe).
    pub async fn run_usage_recorder(self, uses: LastUse) {
        loop {
            tokio::time::sleep(Duration::from_millis(USE_GRANULARITY_MILLIS.unsigned_abs())).await;
            if let Err(error) = self.record_uses(&uses).await {
                observe::management_failed(&error);
            }
        }
    }

    /// Writes the uses that were noted since the last time, and returns of how many credentials these were; before the
    /// service stops, say. What is written of one credential is a minute apart. Of the credentials that were used, those
    /// whose digest was made without the store's current [pepper](crate::secret::Peppers) get another.
    ///
    /// # Errors
    /// [`ManageError::Unavailable`]; what was not written is kept.
    pub async fn record_uses(&self, uses: &LastUse) -> Result<usize, ManageError> {
        uses.forget_idle();
        let unwritten = uses.unwritten();
        for some in unwritten.chunks(BATCH) {
            let record = async { Ok(self.store.record_uses(some).await?) };
            let events = self.within_deadline(record).await?;
            events.iter().for_each(|event| self.notify(event));
            uses.wrote(some);
        }
        self.rehash(uses).await?;
        Ok(unwritten.len())
    }

    async fn rehash(&self, uses: &LastUse) -> Result<(), ManageError> {
        for (name, presented) in uses.outdated() {
            let rehash = async {
                Ok(self
                    .store
                    .rehash(name.kind, name.id.as_str(), &presented)
                    .await?)
            };
            match self.within_deadline(rehash).await {
                // What is wrong with one row must not keep the others where they are.
                Ok(_)
                | Err(ManageError::Unavailable(
                    StoreError::UnknownPepper(_) | StoreError::Corrupt(_),
                )) => uses.forget_outdated(&name),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
