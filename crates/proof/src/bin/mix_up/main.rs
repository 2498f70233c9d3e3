//! No request sees another request's caller: one HTTP/2 connection, a thousand credentials, and a
//! hundred thousand concurrent requests, over axum and over tonic.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin mix_up [-- --quick]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

mod credentials;
mod grpc;
mod http;
#[path = "../../../../../tests/it/support/remote_store.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod remote_store;

use std::{process::ExitCode, sync::Arc, time::Duration};

use tower_api_key::store::Cached;
use tower_api_key_proof::rig::{Options, Report};

use crate::remote_store::{Behaviour, RemoteStore};

const CREDENTIALS: usize = 1_000;

/// Requests in flight at a time.
const AT_ONCE: usize = 200;

#[tokio::main]
async fn main() -> ExitCode {
    let requests = Options::from_args().count(100_000, 5_000);
    let mut report = Report::new("mix_up");
    let all = Arc::new(credentials::all(CREDENTIALS));
    let store = credentials::store(&all);
    let remote = || RemoteStore::new(store.clone(), Behaviour::Answers);

    let name = |place| format!("{requests} requests, {CREDENTIALS} credentials, {place}");
    let answers = http::run(store.clone(), &all, requests).await;
    answers.report(&mut report, &name("axum, a memory store"), requests);

    // Lookups that wait, many of them for one another.
    let brief = Cached::new(remote()).with_ttl(Duration::from_millis(5));
    let answers = http::run(brief, &all, requests).await;
    answers.report(
        &mut report,
        &name("axum, a cache with 5 ms to live"),
        requests,
    );

    let cached = Cached::new(remote()).with_ttl(Duration::MAX);
    let answers = grpc::run(cached, &all, requests).await;
    answers.report(&mut report, &name("tonic, a cache"), requests);
    report.exit_code()
}

/// What the requests were answered.
#[derive(Default)]
pub(crate) struct Answers {
    /// With the caller that they were sent by.
    right: usize,
    /// With another caller.
    wrong: usize,
    /// Otherwise, as with a refusal.
    other: usize,
}

impl Answers {
    pub(crate) fn add(&mut self, expected: &str, answered: Option<&str>) {
        match answered {
            Some(caller) if caller == expected => self.right += 1,
            Some(_) => self.wrong += 1,
            None => self.other += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.other += other.other;
    }

    fn report(&self, report: &mut Report, name: &str, requests: usize) {
        let Self {
            right,
            wrong,
            other,
        } = *self;
        let figure = format!("{wrong} ({right} right, {other} without a caller)");
        let held = wrong == 0 && other == 0 && right == requests;
        report.row(&format!("{name}: wrong callers"), figure, "0", held);
    }
}

/// Runs tasks that send `requests` in all, each with a number of its own.
pub(crate) async fn in_parallel<F>(requests: usize, send: impl Fn(usize) -> F) -> Answers
where
    F: Future<Output = Answers> + Send + 'static,
{
    let each = requests / AT_ONCE;
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| tokio::spawn(send(task * each)))
        .collect();
    let mut all = Answers::default();
    for task in tasks {
        all.merge(&task.await.unwrap());
    }
    all
}

/// The numbers of the requests of one task, the first of which is `first`.
pub(crate) fn numbers(first: usize, requests: usize) -> std::ops::Range<usize> {
    first..first + requests / AT_ONCE
}
