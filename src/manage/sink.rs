//! Passes the uses that [`LastUse`] has collected to the service, which has no manager or writes
//! them to something else than its store.

use std::{error::Error as _, future::Future, pin::pin, time::Duration};

use super::usage::BATCH;
use crate::{
    last_use::LastUse,
    observe,
    store::{StoreError, Usage, backend::BoxError, caught},
};

impl LastUse {
    /// Passes the collected uses to `write` once a minute, in batches of at most 1000, forever: a
    /// sink of your own instead of the table of a store, such as a queue. Spawn it as a task, and
    /// call [`flush`](Self::flush) once more when the service stops.
    ///
    /// Uses whose `write` fails or panics are kept for the next minute, and the failure is reported
    /// to [`observe`](mod@crate::observe). A use may be passed twice, so a sink keeps the later of two
    /// times. Each node passes its own uses: how often a row is then written is up to the sink,
    /// which may ask [`Usage::decide`]. Give `write` a time limit of its own, since the next minute
    /// waits for it.
    ///
    /// It rehashes nothing, and writes no audit event about a use after a rotation;
    /// [`after_rotation`](Usage::after_rotation) says that one was.
    ///
    /// # Example
    ///
    /// ```
    /// use tokio::sync::mpsc;
    /// use tower_api_key::{LastUse, store::Usage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), mpsc::error::SendError<Vec<Usage>>> {
    /// let (queue, _received) = mpsc::channel::<Vec<Usage>>(100);
    /// let write = move |some| {
    ///     let queue = queue.clone();
    ///     async move { queue.send(some).await }
    /// };
    /// let uses = LastUse::new();
    /// let task = tokio::spawn(uses.clone().run(write.clone()));
    /// // serve until shutdown, with `with_last_use(uses.clone())` on the layers
    /// task.abort();
    /// uses.flush(write).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<W, E>(self, write: impl Fn(Vec<Usage>) -> W)
    where
        W: Future<Output = Result<(), E>>,
        E: Into<BoxError>,
    {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let flush = async { self.flush(&write).await.map_err(StoreError::unavailable) };
            if let Err(error) = caught(pin!(flush)).await {
                observe::management_failed(error.source().unwrap_or(&error));
            }
        }
    }

    /// Passes what is unwritten to `write`, in batches of at most 1000, and returns how many uses
    /// that were. Call it on shutdown.
    ///
    /// # Errors
    /// The error of `write`; the uses of that batch and of those after it are kept.
    pub async fn flush<W, E>(&self, write: impl Fn(Vec<Usage>) -> W) -> Result<usize, E>
    where
        W: Future<Output = Result<(), E>>,
    {
        let unwritten = self.unwritten();
        for some in unwritten.chunks(BATCH) {
            write(some.to_vec()).await?;
            self.mark_written(some);
        }
        Ok(unwritten.len())
    }
}
