//! Scenarios with many concurrent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tower_api_key::credential::Kind;
use tower_api_key::store::ManageStore;
use tower_api_key::store::Owner;

use tokio::task::JoinSet;

use super::{Scenario, answered, in_own_process, principal};
use crate::{
    EXCLUSIVE,
    client::{Sent, Wire, http1::Connection, http2::Session, send_wire, with_timeout},
    seen,
};

#[tokio::test]
async fn scenario_con_002() {
    let scenario = Scenario::start("CON-002").await;
    let session = Session::open(scenario.port()).await.unwrap();
    let given_up = session.start(&scenario.wire()).await.unwrap();
    scenario.server.store.until_waiting(1).await;
    drop(given_up);
    // The lookup of the reset stream is dropped too.
    scenario.server.store.until_waiting(0).await;
    let reset = Sent::Rejected("reset by the caller".to_owned());
    let other = "another stream on the connection -> 200 once the store answers";
    scenario.check(
        &reset,
        &seen(&scenario.server),
        &["client_disconnect", other],
    );

    let second = session.start(&scenario.wire()).await.unwrap();
    scenario.server.store.until_waiting(1).await;
    scenario.set_fault("ok");
    let answer = answered(with_timeout(crate::client::http2::read(second)).await);
    assert_eq!(answer.status, 200);
    assert_eq!(
        seen(&scenario.server).calls.len(),
        1,
        "the stream that was reset never reaches the service"
    );
}

const UNKNOWN_KEYS: usize = 10_000;
const GROWTH_MAX: usize = 16 << 20;

/// In its own process, because memory is counted per process.
#[test]
fn scenario_con_005() {
    if in_own_process("concurrency::scenario_con_005") {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.unwrap().block_on(flood_of_unknown_keys());
    }
}

async fn flood_of_unknown_keys() {
    let scenario = Arc::new(Scenario::start("CON-005").await);
    let sent = scenario.send().await;
    let growth = "resident memory growth < 16 MiB";
    scenario.check(&sent, &seen(&scenario.server), &[growth]);
    scenario.check_group(&sent).await;
    let refused = answered(sent).fingerprint();

    let before = resident();
    let mut connection = Connection::open(scenario.port()).await.unwrap();
    for number in 0..UNKNOWN_KEYS {
        let wire = scenario.wire_with(Some(&format!(
            "ak_kFlood{number:08}.ChTzReoN2X6gi1yNPXNHcLsEyC5o2naA2GxhtOzoQVp"
        )));
        let answer = answered(with_timeout(connection.exchange(&wire)).await);
        assert_eq!(
            String::from_utf8_lossy(&answer.fingerprint()),
            String::from_utf8_lossy(&refused)
        );
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "resident memory grew by {grown} bytes");

    let key = scenario.wire_with(Some(&scenario.token("KEY_A")));
    assert_eq!(answered(send_wire(&key, scenario.port()).await).status, 200);
}

/// The resident bytes of this process. Without `/proc` they are unknown, and the scenario fails.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status")
        .expect("this scenario reads memory from /proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a line VmRSS");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .expect("a number of kB")
        << 10
}

const CALLERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_con_006() {
    let _quiet = EXCLUSIVE.lock().await;
    let scenario = Scenario::start("CON-006").await;
    let (deleted, accepted) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (ready, mut all_ready) = tokio::sync::mpsc::channel::<()>(CALLERS);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (wire, port) = (scenario.wire(), scenario.port());
        let (deleted, accepted, mut ready) = (
            Arc::clone(&deleted),
            Arc::clone(&accepted),
            Some(ready.clone()),
        );
        callers.spawn(async move {
            let mut connection = Connection::open(port).await.unwrap();
            let mut after = 0;
            while after < 5 {
                let begun_after = deleted.load(Ordering::SeqCst);
                let status = answered(with_timeout(connection.exchange(&wire)).await).status;
                assert!(
                    status == 401 || (status == 200 && !begun_after),
                    "answered {status}, deleted: {begun_after}"
                );
                accepted.fetch_add(usize::from(status == 200), Ordering::SeqCst);
                after += usize::from(begun_after);
                ready.take();
            }
        });
    }
    drop(ready);
    // Ends once every caller has been answered.
    assert!(all_ready.recv().await.is_none());
    scenario
        .records()
        .delete(&Owner::of(Kind::OrgKey, "org_alpha01"), "kAlphaTest0001")
        .await
        .unwrap();
    deleted.store(true, Ordering::SeqCst);
    callers.join_all().await;
    assert!(
        accepted.load(Ordering::SeqCst) >= CALLERS,
        "the key was valid before"
    );
    scenario.send_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_con_007() {
    let scenario = Scenario::start("CON-007").await;
    let mut requests = JoinSet::new();
    for _ in 0..CALLERS {
        let (wire, port) = (scenario.wire(), scenario.port());
        requests.spawn(async move { send_wire(&wire, port).await });
    }
    for sent in requests.join_all().await {
        assert_eq!(answered(sent).status, 200);
    }
    scenario.send_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_h2_007() {
    let scenario = Scenario::start("H2-007").await;
    let [a, b, unknown] = ["KEY_A", "KEY_B", "UNKNOWN_KEY"].map(|name| scenario.token(name));
    let wanted = [
        (Some(a.as_str()), 200, Some("org_alpha01")),
        (Some(b.as_str()), 200, Some("org_bravo02")),
        (None, 401, None),
        (Some(unknown.as_str()), 401, None),
    ];
    let wires: Vec<(Wire, u16, Option<&str>)> = wanted
        .map(|(token, status, organization)| (scenario.wire_with(token), status, organization))
        .into();
    let session = Arc::new(Session::open(scenario.port()).await.unwrap());
    let mut streams = JoinSet::new();
    for (wire, status, organization) in wires.iter().cycle().take(100) {
        let (session, wire, status) = (Arc::clone(&session), wire.clone(), *status);
        let organization = organization.map(str::to_owned);
        streams.spawn(async move {
            let answer = answered(with_timeout(session.exchange(&wire)).await);
            assert_eq!(answer.status, status);
            if status == 200 {
                assert_eq!(principal(&answer)["org"].as_str(), organization.as_deref());
            }
        });
    }
    streams.join_all().await;
    assert_eq!(seen(&scenario.server).calls.len(), 50);
    scenario.send_and_check().await;
}
