//! Floods: what a stranger can send costs a bounded number of store calls, and bounded memory.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin floods [-- --quick] [--only NAME]
//! ```
//!
//! `NAME` is one of `malformed`, `secrets`, `unknown`, `cold`, `outage`, `bodies`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

mod bodies;
mod cold;
mod fixture;
mod malformed;
mod outage;
#[path = "../../../../../tests/it/support/remote_store.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod remote_store;
mod secrets;
mod unknown;

use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};
use tower_api_key_proof::rig::{Options, Report};

fn main() -> ExitCode {
    let options = Options::from_args();
    if options.value("--serve").is_some() {
        threads().block_on(bodies::serve());
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new("floods");
    let million = options.count(1_000_000, 20_000);
    let chosen = |name| options.value("--only").is_none_or(|only| only == name);
    if chosen("malformed") {
        malformed::run(&mut report, million);
    }
    if chosen("secrets") {
        threads().block_on(secrets::run(&mut report, million));
    }
    if chosen("unknown") {
        unknown::run(&mut report, million);
    }
    if chosen("cold") {
        threads().block_on(cold::run(&mut report));
    }
    if chosen("outage") {
        threads().block_on(outage::run(&mut report));
    }
    if chosen("bodies") {
        threads().block_on(bodies::run(&mut report, options.count(1_000, 100)));
    }
    report.exit_code()
}

fn threads() -> Runtime {
    Builder::new_multi_thread().enable_all().build().unwrap()
}
