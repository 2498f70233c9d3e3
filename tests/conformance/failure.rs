//! Scenarios in which the store fails, recovers or returns another record, and what the logs may
//! contain.

use std::io;
use std::sync::{Arc, Mutex};
use tower_api_key::credential::Kind;
use tower_api_key::store::ManageStore;
use tower_api_key::store::Owner;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Scenario, in_own_process, run_without_steps};
use crate::seen;

#[tokio::test]
async fn scenario_sto_015() {
    let scenario = Scenario::start("STO-015").await;
    scenario.set_fault("error");
    scenario.expect_status(503).await;
    scenario.set_fault("ok");
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_sto_016() {
    let scenario = Scenario::start("STO-016").await;
    scenario.expect_status(200).await;
    scenario.set_fault("error");
    scenario.send_and_check().await;
    // With or without a cache, a deleted key is never accepted.
    scenario
        .records()
        .delete(&Owner::of(Kind::OrgKey, "org_alpha01"), "kAlphaTest0001")
        .await
        .unwrap();
    let after = super::answered(scenario.send().await).status;
    assert!(
        matches!(after, 401 | 503),
        "a deleted key got status {after}"
    );
}

#[tokio::test]
async fn scenario_sto_018() {
    run_without_steps("STO-018").await;
}

#[tokio::test]
async fn scenario_sto_021() {
    run_without_steps("STO-021").await;
}

/// The log output of this thread.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// In its own process, because an event that another thread reaches first without a subscriber
/// stays disabled for this one; and on a single thread, so that the server's tasks use the same
/// subscriber.
#[test]
fn scenario_rsp_019() {
    if in_own_process("failure::scenario_rsp_019") {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(refusal_with_logs_captured());
    }
}

async fn refusal_with_logs_captured() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(captured.clone())
        .finish();
    let _subscribed = subscriber.set_default();
    let scenario = Scenario::start("RSP-019").await;
    let sent = scenario.send().await;
    scenario.check(&sent, &seen(&scenario.server), &["logs_must_not_contain"]);
    scenario.check_group(&sent).await;

    let logs = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let secrets = scenario.case.expect["logs_must_not_contain"]
        .as_array()
        .unwrap();
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(
            !logs.contains(secret.as_str().unwrap()),
            "the logs contain a secret: {logs}"
        );
    }
    assert!(
        !cfg!(feature = "tracing") || logs.contains("tower_api_key"),
        "nothing was captured: {logs}"
    );
}
