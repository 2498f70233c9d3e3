//! The protocol, case by case, over real sockets: `conformance/cases.json`, and one named test per
//! scenario.
//!
//! `CONFORMANCE_CASES`, `CONFORMANCE_SCENARIOS` and `CONFORMANCE_FIXTURES` select other files of
//! the same format.
//!
//! A binary of its own: clients in other languages run it by name, and its measurements of time and
//! memory must not include other tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first failure"
)]

#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/check.rs"]
mod check;
#[path = "conformance/client.rs"]
mod client;
#[path = "it/support/own_process.rs"]
mod process;
#[path = "conformance/scenarios.rs"]
mod scenarios;
#[path = "conformance/selftest.rs"]
mod selftest;
#[path = "conformance/server.rs"]
mod server;

use std::collections::HashMap;
use std::io::Write as _;

use serde_json::Value;

use case::{Case, Version};
use check::{Seen, Setting, Verdict, check};
use client::Sent;
use server::{Environment, LOOKUP_TIMEOUT, Server};

/// Held by tests that measure time and by tests that use much of it, so that they do not overlap.
static EXCLUSIVE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Reads a file of the corpus: the one named by the variable, or the copy beside the tests.
fn corpus(variable: &str, copy: &str) -> String {
    let beside = || format!("{}/tests/conformance/{copy}", env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var(variable).unwrap_or_else(|_| beside());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn cases() -> Vec<Result<Case, (String, String)>> {
    Case::read_all(&corpus("CONFORMANCE_CASES", "cases.json"))
}

fn fixtures() -> Value {
    serde_json::from_str(&corpus("CONFORMANCE_FIXTURES", "fixtures.json"))
        .expect("the fixtures are JSON")
}

/// What a check knows about these servers.
fn setting<'a>(fixtures: &'a Value, proved: &'a [&'a str]) -> Setting<'a> {
    let lookup_timeout_ms = u64::try_from(LOOKUP_TIMEOUT.as_millis()).expect("a short time");
    Setting {
        fixtures,
        lookup_timeout_ms,
        proved,
    }
}

/// Takes what the parts behind the layer received since the last call.
fn seen(server: &Server) -> Seen {
    Seen {
        calls: server.probe.take_calls(),
        lookups: server.store.take_lookups(),
    }
}

/// A group whose members must be indistinguishable: same group, method, version and form of the
/// refusal.
type Group = (String, String, Version, String);

/// Runs cases against servers, one per environment, and counts the results.
struct Runner {
    fixtures: Value,
    servers: HashMap<String, Result<Server, String>>,
    groups: HashMap<Group, (String, Vec<u8>)>,
    passed: usize,
    failed: usize,
    /// Lines for standard output.
    lines: Vec<String>,
}

impl Runner {
    async fn run(&mut self, case: &Case) {
        let verdict = self.verdict(case).await.unwrap_or_else(|why| Verdict {
            failures: vec![why],
            ..Verdict::default()
        });
        self.lines.extend(
            verdict
                .deviations
                .iter()
                .map(|why| format!("ACCEPTED ALTERNATIVE {}: {why}", case.id)),
        );
        if verdict.failures.is_empty() {
            self.passed += 1;
        } else {
            self.fail(&case.id, &verdict.failures.join("; "));
        }
    }

    fn fail(&mut self, id: &str, why: &str) {
        self.failed += 1;
        self.lines.push(format!("FAILED {id}: {why}"));
    }

    /// Sends a case; returns `Err` if the case itself cannot be read.
    async fn verdict(&mut self, case: &Case) -> Result<Verdict, String> {
        if case.repeat.is_some() {
            return Err("a case with steps needs its own test".to_owned());
        }
        let environment = case.environment();
        if !self.servers.contains_key(&environment.to_string()) {
            let started = start(&self.fixtures, &environment).await;
            self.servers.insert(environment.to_string(), started);
        }
        let server = self.servers[&environment.to_string()]
            .as_ref()
            .map_err(Clone::clone)?;
        let sent = client::send(case, server.ports).await?;
        let mut verdict = check(case, setting(&self.fixtures, &[]), &sent, &seen(server));
        verdict.failures.extend(self.group_difference(case, &sent));
        Ok(verdict)
    }

    /// Compares a response with that of the first member of its group, byte for byte.
    fn group_difference(&mut self, case: &Case, sent: &Sent) -> Option<String> {
        let (group, Sent::Answered(answer)) =
            (case.expect.get("indistinguishable_group")?.as_str()?, sent)
        else {
            return None;
        };
        let shape = format!(
            "{:?} {}",
            case.content_type().filter(|kind| kind.contains("grpc")),
            case.body_key()
        );
        let key = (
            group.to_owned(),
            case.method.clone(),
            case.http_version,
            shape,
        );
        let (first, bytes) = self
            .groups
            .entry(key)
            .or_insert_with(|| (case.id.clone(), answer.fingerprint()));
        (*bytes != answer.fingerprint()).then(|| {
            let [got, wanted] = [&answer.fingerprint(), &*bytes]
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            format!("expected the bytes of {first} in group {group}: {wanted:?}, got {got:?}")
        })
    }
}

async fn start(fixtures: &Value, environment: &Value) -> Result<Server, String> {
    let environment = Environment::read(environment).map_err(|error| error.to_string())?;
    Server::start(fixtures, &environment)
        .await
        .map_err(|error| error.to_string())
}

/// Writes to standard output directly, because the harness hides `println!` output of passing
/// tests.
fn print_lines(lines: &str) {
    writeln!(std::io::stdout(), "\n{lines}").expect("standard output takes text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case() {
    let _quiet = EXCLUSIVE.lock().await;
    let mut runner = Runner {
        fixtures: fixtures(),
        servers: HashMap::new(),
        groups: HashMap::new(),
        passed: 0,
        failed: 0,
        lines: Vec::new(),
    };
    for case in cases() {
        match case {
            Ok(case) => runner.run(&case).await,
            Err((id, why)) => runner.fail(&id, &format!("cannot be read: {why}")),
        }
    }
    let Runner {
        passed,
        failed,
        mut lines,
        ..
    } = runner;
    // No case here is disputed; the one disputed scenario reports it in its own test.
    lines.push(format!("{passed} passed, {failed} failed, 0 disputed"));
    print_lines(&lines.join("\n"));
    assert_eq!(failed, 0, "cases failed, see above");
}
