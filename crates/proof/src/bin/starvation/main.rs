//! Starvation: a credential ends at the first call, whatever its holder does meanwhile.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin starvation [-- --quick] [--only NAME]
//! ```
//!
//! `NAME` is `memory`, `sqlite` or `postgres`. While 64 tasks rename, rotate and enable the
//! credential, it is ended once: deleted, disabled, revoked by its token, or with all of its
//! owner's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

#[path = "../../../../sqlx/tests/it/support/pg.rs"]
mod pg;
mod storm;

use std::process::ExitCode;

use tower_api_key::{
    scope::Catalogue,
    store::{Directory, ManageStore, MemoryStore},
};
use tower_api_key_proof::rig::{Options, Report, millis};
use tower_api_key_sqlx::SqliteStore;

use storm::{ORG, Outcome, USER};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    let rounds = options.count(100, 8);
    let chosen = |name| options.value("--only").is_none_or(|only| only == name);
    let mut report = Report::new("starvation");
    if chosen("memory") {
        run(&mut report, "memory", MemoryStore::new(), rounds).await;
    }
    if chosen("sqlite") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let store = SqliteStore::open(path, Catalogue::anyreach()).await;
        run(&mut report, "SQLite", store.unwrap(), rounds).await;
    }
    if chosen("postgres")
        && let Some(cluster) = pg::Cluster::start()
    {
        let store = cluster.unmigrated_store(&pg::fresh_schema());
        store.migrate().await.unwrap();
        run(&mut report, "PostgreSQL", store, rounds).await;
    }
    report.exit_code()
}

/// Ends `rounds` credentials, in each way in turn.
async fn run<S>(report: &mut Report, name: &str, store: S, rounds: usize)
where
    S: ManageStore + Directory + Clone,
{
    store.create_organization(ORG, None).await.unwrap();
    store.create_user(USER).await.unwrap();
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        storm::end_one(&store, round, &mut outcome).await;
    }
    let Outcome {
        ended,
        failures,
        slowest,
        changes,
    } = outcome;
    let row = format!("{name}: credentials ended during a storm");
    let figure = format!(
        "{ended} of {rounds} at the first call, the slowest in {}, among {changes} changes",
        millis(slowest)
    );
    let target = format!("{rounds} of {rounds}");
    report.row(&row, figure, &target, ended == rounds);
    for failure in failures.iter().take(10) {
        report.note(&row, failure);
    }
}
