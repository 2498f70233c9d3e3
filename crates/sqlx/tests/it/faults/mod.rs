//! One table of faults: what the four views of a service returned while its database was broken.
//!
//! A [row](run) starts a service (a cache that follows a feed, a layer, a manager), brings a fault
//! about, asks each view, heals the fault and asks again. Over all rows: an error never becomes an
//! accept, a denial or a cached answer; a revoked credential is not accepted once the stated bound
//! has passed; a change is refused or made, never half; after healing all is as before, without a
//! restart unless the guide demands one.
//!
//! ```sh
//! cargo test -p tower-api-key-sqlx --all-features --test it faults:: -- --nocapture
//! ```
//!
//! The same table for a store of one's own (it fails, hangs, panics, slows, lies) is in the core's
//! tests, in `faults`.

mod manage;
mod other_process;
mod postgres;
mod scene;
mod sqlite;
mod table;
mod tested;
mod tmpfs;
mod words;

use scene::Scene;
use table::{Cells, Table};
use tested::Tested;

/// Runs a row: `bring` brings the fault about and returns what `heal` needs to end it.
///
/// `heal` returns a store if the guide demands that the service be restarted; the service must then
/// be out of order until it is.
async fn run<S: Tested, G>(
    table: &mut Table,
    (name, expected, healed): (&'static str, Cells<&'static str>, &'static str),
    mut scene: Scene<S>,
    bring: impl AsyncFnOnce(&Scene<S>) -> G,
    heal: impl AsyncFnOnce(&Scene<S>, G) -> Option<S>,
) {
    scene.assert_before(name).await;
    let fault = bring(&scene).await;
    let mut said = scene.during(&expected).await;
    let reopened = heal(&scene, fault).await;
    let after = match reopened {
        None => scene.after(name).await,
        Some(store) => scene.after_restart(name, store).await,
    };
    said.management = scene.outcome(&said.management, name).await;
    table.add(name, (&expected, healed), (&said, &after));
}
