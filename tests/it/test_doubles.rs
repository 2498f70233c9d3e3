//! Test doubles of the feature `testing` announce themselves: each kind emits one event per
//! process.

use crate::support;

use std::convert::Infallible;

use http::{Request, Response};
use support::{KEY, ask, bearer, key_record, logs, memory, own_process::in_own_process};
use tower::Layer;
use tower_api_key::{
    AuthLayer,
    clock::UnixMillis,
    testing::{self, routes::RouteProbe},
};

/// The `WARN` messages of the target for test doubles.
fn warnings() -> Vec<String> {
    let events = logs::events("tower_api_key::testing");
    assert!(
        events.iter().all(|event| event["level"] == "WARN"),
        "{events:?}"
    );
    events
        .iter()
        .map(|event| event["fields"]["message"].as_str().unwrap().to_owned())
        .collect()
}

/// One test in its own process, because each event is emitted once per process.
#[tokio::test]
async fn each_test_double_warns_once_per_process() {
    if !in_own_process("test_doubles::each_test_double_warns_once_per_process") {
        return;
    }
    const { assert!(tower_api_key::TESTING_ENABLED) };
    logs::start();
    ask(&AuthLayer::new(memory()), bearer(KEY)).await;
    let [feature] = &warnings()[..] else {
        panic!("one event at the first verdict")
    };
    assert!(feature.contains("[dev-dependencies]"), "{feature}");

    let _ = testing::principal(key_record("forged", support::ORG));
    let [forged] = &warnings()[..] else {
        panic!("one event for the forged principal")
    };
    assert!(forged.contains("forged"), "{forged}");

    let clock = testing::ManualClock::at(UnixMillis(0));
    let [manual] = &warnings()[..] else {
        panic!("one event for the clock")
    };
    assert!(manual.contains("ManualClock"), "{manual}");

    let answers = tower::service_fn(async |_: Request<String>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let service = AuthLayer::new(memory()).layer(answers);
    let probe = || RouteProbe::new(service.clone(), String::new).with_routes([("GET", "/")]);
    let _ = probe().describe().await;
    let [probed] = &warnings()[..] else {
        panic!("one event for the probe")
    };
    assert!(probed.contains("testing::routes"), "{probed}");

    let _ = probe().describe().await;
    let _ = testing::principal(key_record("again", support::ORG));
    let _ = testing::ManualClock::at(UnixMillis(1));
    ask(&AuthLayer::new(memory()).with_clock(clock), bearer("x")).await;
    assert_eq!(warnings(), [""; 0], "once per process");
}
