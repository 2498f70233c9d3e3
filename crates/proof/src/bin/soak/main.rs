//! Ten minutes of mixed traffic over axum, HTTP/1 and HTTP/2, on SQLite and on PostgreSQL, each
//! with two nodes that cache and follow their database: 1 % revocations, 10 % bad credentials,
//! issues and rotations. One node is killed and started again and again, and so is the PostgreSQL
//! server; the other node's memory and descriptors are sampled.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin soak [-- --quick] [--minutes 10] [--only NAME]
//! ```
//!
//! `NAME` is `sqlite` or `postgres`. Every answer is compared with what this program knows about
//! the credential when it sends the request and when it has the answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

mod faults;
mod keys;
mod misses;
mod node;
#[path = "../../../../sqlx/tests/it/support/pg.rs"]
mod pg;
mod samples;
mod scene;
mod tally;
mod traffic;

use std::{process::ExitCode, time::Duration};

use scene::Scene;
use tower_api_key_proof::rig::{Options, Report};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    if let Some(place) = options.value("--node") {
        node::serve(place, options.value("--schema")).await;
        return ExitCode::SUCCESS;
    }
    let minutes = options.value("--minutes").map(str::parse::<u64>);
    let time = match minutes {
        Some(minutes) => Duration::from_secs(60 * minutes.expect("a number of minutes")),
        None => Duration::from_secs(options.count(600, 30) as u64),
    };
    let chosen = |name| options.value("--only").is_none_or(|only| only == name);
    let mut scenes = Vec::new();
    if chosen("sqlite") {
        scenes.push(Scene::sqlite().await);
    }
    if chosen("postgres") {
        scenes.extend(Scene::postgres().await);
    }
    let runs: Vec<_> = scenes
        .into_iter()
        .map(|scene| tokio::spawn(scene.run(time)))
        .collect();
    let mut outcomes = Vec::new();
    for run in runs {
        outcomes.push(run.await.unwrap());
    }
    let mut report = Report::new("soak");
    for outcome in outcomes {
        outcome.report(&mut report);
    }
    report.exit_code()
}
