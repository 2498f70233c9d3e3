//! Removes old rows from the store.

use std::time::Duration;

use super::{ManageError, Manager};
use crate::{
    observe,
    store::{ManageStore, Retention, Swept, backend::Sweep},
};

/// How often the store is swept.
const ROUND: Duration = Duration::from_secs(3600);

impl<S: ManageStore> Manager<S> {
    /// Once an hour, forever, removes what ended long enough ago. Spawn it as a task, on one node or
    /// on several:
    ///
    /// ```no_run
    /// use tower_api_key::{manage::*, store::{MemoryStore, Retention}};
    ///
    /// # async fn serve() {
    /// let manager = Manager::new(MemoryStore::new());
    /// tokio::spawn(manager.run_retention(Retention::default()));
    /// # }
    /// ```
    ///
    /// Failures, such as a missing right in the database, are reported to
    /// [`observe`](mod@crate::observe), and the next round tries again.
    pub async fn run_retention(self, retention: Retention) {
        loop {
            if let Err(error) = self.sweep(&retention).await {
                observe::management_failed(&error);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Removes what is older than `retention` keeps, in small batches, and returns how much. No
    /// lookup waits for it.
    ///
    /// A removed credential leaves its kind and id, and the digest of a token, which stay taken;
    /// otherwise it is an unknown one. It was refused before, so no answer to a request changes. A
    /// node whose clock is ahead of the store's removes nothing too early.
    ///
    /// # Errors
    /// [`ManageError::Unavailable`], the first failure; what was removed stays removed, and what
    /// could be removed has been.
    pub async fn sweep(&self, retention: &Retention) -> Result<Swept, ManageError> {
        let mut sweep = Sweep::new(retention, self.clock.now());
        let (mut all, mut failed) = (Swept::default(), None);
        loop {
            let remove = async { Ok(self.store.sweep(&sweep).await?) };
            let batch = self.within_deadline(remove).await?;
            all.add(batch.swept);
            failed = failed.or(batch.failed);
            if batch.uses_through.is_none() {
                sweep.uses = None; // all were looked at
            }
            if !batch.more && batch.uses_through.is_none() {
                return failed.map_or(Ok(all), |error| Err(error.into()));
            }
            sweep.uses_after = batch.uses_through;
            tokio::task::yield_now().await; // other writers have their turn
        }
    }
}
