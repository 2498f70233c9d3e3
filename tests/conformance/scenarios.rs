//! The scenarios: cases with steps in prose. Each is its own test, named after its id.
//!
//! This module has the shared steps; the scenarios are in `lifecycle`, `failure` and `concurrency`.

mod concurrency;
mod failure;
mod lifecycle;

use serde_json::{Value, json};
use tower_api_key::store::MemoryStore;

use crate::case::{Case, expand};
use crate::check::{Seen, check};
use crate::client::{self, Answer, Sent, Wire};
use crate::process;
use crate::server::{Fault, Server};
use crate::{EXCLUSIVE, cases, corpus, fixtures, print_lines, seen, setting, start};

/// A scenario and its server.
struct Scenario {
    case: Case,
    fixtures: Value,
    server: Server,
}

impl Scenario {
    /// Starts the server that the scenario's set-up describes, as far as the set-up is not a step.
    async fn start(id: &str) -> Self {
        let (case, fixtures) = (scenario(id), fixtures());
        let steps = ["before", "during", "capture", "client", "no_clock_advance"];
        let mut environment = case.environment();
        let setup = environment["setup"]
            .as_object_mut()
            .expect("a set-up is a map");
        setup.retain(|key, _| !steps.contains(&key.as_str()));
        let server = start(&fixtures, &environment)
            .await
            .expect("the server starts");
        Self {
            case,
            fixtures,
            server,
        }
    }

    /// The scenario's own request.
    fn wire(&self) -> Wire {
        Wire::of(&self.case).expect("the case can be sent")
    }

    /// The scenario's request with another credential, or none.
    fn wire_with(&self, token: Option<&str>) -> Wire {
        let mut wire = self.wire();
        wire.fields
            .retain(|(name, _)| !name.eq_ignore_ascii_case(b"authorization"));
        if let Some(token) = token {
            wire.fields.push((
                b"authorization".to_vec(),
                format!("Bearer {token}").into_bytes(),
            ));
        }
        wire
    }

    /// The token of a fixture, by name.
    fn token(&self, name: &str) -> String {
        let named = ["keys", "pats"]
            .iter()
            .find_map(|kind| self.fixtures[kind].get(name)?.get("token"));
        let token = named
            .or_else(|| self.fixtures["unknown"].get(name))
            .and_then(Value::as_str);
        token
            .unwrap_or_else(|| panic!("the fixtures have no {name}"))
            .to_owned()
    }

    fn records(&self) -> &MemoryStore {
        &self.server.records
    }

    fn port(&self) -> u16 {
        if self.case.path_kind == crate::case::PathKind::Grpc {
            self.server.ports.grpc
        } else {
            self.server.ports.http
        }
    }

    async fn send(&self) -> Sent {
        client::send(&self.case, self.server.ports)
            .await
            .expect("the case can be sent")
    }

    /// An earlier step: sends the scenario's request and expects this status.
    async fn expect_status(&self, status: u16) {
        assert_eq!(
            answered(self.send().await).status,
            status,
            "a step before the scenario's request"
        );
    }

    fn set_fault(&self, text: &str) {
        self.server
            .store
            .set(Fault::read(text, &self.fixtures).expect("a known fault"));
    }

    /// The last step: sends the scenario's request and compares the answer with the expectations.
    async fn send_and_check(&self) {
        seen(&self.server);
        let sent = self.send().await;
        self.check(&sent, &seen(&self.server), &[]);
        self.check_group(&sent).await;
    }

    /// Compares an answer with the expectations, except those that the test itself proves.
    fn check(&self, sent: &Sent, seen: &Seen, proved: &[&str]) {
        let verdict = check(&self.case, setting(&self.fixtures, proved), sent, seen);
        assert!(
            verdict.failures.is_empty(),
            "{}: {}",
            self.case.id,
            verdict.failures.join("; ")
        );
        if !verdict.deviations.is_empty() {
            print_lines(&format!(
                "ACCEPTED ALTERNATIVE {}: {}",
                self.case.id,
                verdict.deviations.join("; ")
            ));
        }
    }

    /// Compares with a plain case of the same group, sent to the same server.
    async fn check_group(&self, sent: &Sent) {
        let alike = |other: &Case| {
            other.expect.get("indistinguishable_group")
                == self.case.expect.get("indistinguishable_group")
                && (&other.method, other.http_version)
                    == (&self.case.method, self.case.http_version)
                && other.environment() == json!({ "setup": {}, "config": {}, "requires_any": null })
        };
        if !self.case.expect.contains_key("indistinguishable_group") {
            return;
        }
        let other = cases()
            .into_iter()
            .flatten()
            .find(alike)
            .expect("a case of the same group");
        let reference = client::send(&other, self.server.ports)
            .await
            .expect("the case can be sent");
        let [own, reference] = [sent.clone(), reference].map(|sent| answered(sent).fingerprint());
        assert_eq!(
            String::from_utf8_lossy(&own),
            String::from_utf8_lossy(&reference),
            "distinguishable from {}",
            other.id
        );
    }
}

/// The answer, where one is required.
fn answered(sent: Sent) -> Answer {
    match sent {
        Sent::Answered(answer) => answer,
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// The principal that a plain service received, as in its response.
fn principal(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("the service answers with JSON")
}

fn scenarios() -> Vec<Result<Case, (String, String)>> {
    Case::read_all(&corpus("CONFORMANCE_SCENARIOS", "scenarios.json"))
}

fn scenario(id: &str) -> Case {
    scenarios()
        .into_iter()
        .flatten()
        .find(|case| case.id == id)
        .unwrap_or_else(|| panic!("no scenario {id}"))
}

/// Runs a scenario in a new process. Returns `true` inside that process.
fn in_own_process(name: &str) -> bool {
    let _quiet = EXCLUSIVE.blocking_lock();
    process::in_own_process(&format!("scenarios::{name}"))
}

/// Sends a scenario without steps as a plain case.
async fn run_without_steps(id: &str) {
    Scenario::start(id).await.send_and_check().await;
}

#[test]
fn every_scenario_has_a_test() {
    let program = std::env::current_exe().expect("the test binary has a path");
    let listed = std::process::Command::new(program)
        .arg("--list")
        .output()
        .expect("the tests can be listed");
    let listed = String::from_utf8(listed.stdout).expect("a list is text");
    for scenario in scenarios() {
        let id = scenario.map_or_else(
            |(id, why)| panic!("{id} cannot be read: {why}"),
            |case| case.id,
        );
        let name = format!("::scenario_{}: test", id.to_lowercase().replace('-', "_"));
        assert!(listed.contains(&name), "{id} has no test");
    }
}

#[test]
fn values_of_scenarios_are_read() {
    let all = scenarios()
        .into_iter()
        .flatten()
        .flat_map(|case| case.headers);
    assert!(all.into_iter().all(|(_, value)| expand(&value).is_ok()));
}
