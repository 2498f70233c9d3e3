//! An acknowledged revocation survives `kill -9` of the PostgreSQL server, and of the process that
//! writes an SQLite file.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin kill_server [-- --quick] [--only NAME]
//! ```
//!
//! `NAME` is `postgres` or `sqlite`. Killing processes does not lose what the operating system has
//! in memory: this proves what is handed to it before an acknowledgement, not what a disk keeps
//! when the power fails.
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
mod postgres;
mod sqlite;

use std::process::ExitCode;

use tower_api_key::{secret::Digest, store::Record};
use tower_api_key_proof::rig::{Options, Report};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    if let Some(path) = options.value("--write") {
        sqlite::write(path, options.value("--round").unwrap_or_default()).await;
    }
    let mut report = Report::new("kill_server");
    let chosen = |name| options.value("--only").is_none_or(|only| only == name);
    if chosen("postgres") {
        postgres::run(&mut report, options.count(100, 5)).await;
    }
    if chosen("sqlite") {
        sqlite::run(&mut report, options.count(100, 5)).await;
    }
    report.exit_code()
}

const ORG: &str = "org_test";

fn key(id: &str) -> Record {
    Record::org_key(id, Digest::of(id.as_bytes()), ORG)
}
