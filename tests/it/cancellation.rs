//! Every public future is dropped at every point at which it waits: what it was to change is then
//! changed entirely or not at all, a cache shows what the store has, and nothing is held.

mod api;
mod calls;
mod layers;
mod lookups;

use tokio::task::yield_now;

/// More often than any call waits, so that tasks of cancelled calls have ended.
const STEPS: usize = 24;

/// Lets every task end that does not wait for a timer.
async fn settle() {
    for _ in 0..STEPS {
        yield_now().await;
    }
}
