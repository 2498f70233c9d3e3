//! Scenarios in which a credential, a membership or a role changes between two requests, or during
//! one.

use tower_api_key::credential::Kind;
use tower_api_key::store::Owner;
use tower_api_key::{
    secret::Digest,
    store::{Directory, ManageStore, Record},
};

use super::{Scenario, answered, print_lines, run_without_steps};
use crate::{
    client::{self, http1::Connection, with_timeout},
    seen,
};

#[tokio::test]
async fn scenario_base_010() {
    let scenario = Scenario::start("BASE-010").await;
    let mut connection = Connection::open(scenario.port()).await.unwrap();
    let with = with_timeout(connection.exchange(&scenario.wire())).await;
    scenario.check(&with, &seen(&scenario.server), &[]);

    let without = answered(with_timeout(connection.exchange(&scenario.wire_with(None))).await);
    assert_eq!(without.status, 401);
    assert_eq!(without.body, br#"{"detail":"Missing Bearer token"}"#);
    assert!(seen(&scenario.server).calls.is_empty());

    let again = with_timeout(connection.exchange(&scenario.wire())).await;
    scenario.check(&again, &seen(&scenario.server), &[]);
}

#[tokio::test]
async fn scenario_life_019() {
    let scenario = Scenario::start("LIFE-019").await;
    scenario.expect_status(200).await;
    scenario.server.clock.advance_millis(1);
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_life_020() {
    let scenario = Scenario::start("LIFE-020").await;
    scenario.expect_status(200).await;
    scenario
        .records()
        .set_user_enabled("u_alice", false)
        .await
        .unwrap();
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_life_023() {
    let scenario = Scenario::start("LIFE-023").await;
    scenario.expect_status(200).await;
    scenario
        .records()
        .remove_member("u_bob", "org_alpha01")
        .await
        .unwrap();
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_life_024() {
    let scenario = Scenario::start("LIFE-024").await;
    scenario.expect_status(200).await;
    scenario
        .records()
        .set_member("u_alice", "org_alpha01", "viewer")
        .await
        .unwrap();
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_life_025() {
    let scenario = Scenario::start("LIFE-025").await;
    scenario.expect_status(403).await;
    scenario
        .records()
        .set_member("u_bob", "org_alpha01", "admin")
        .await
        .unwrap();
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_life_027() {
    let scenario = Scenario::start("LIFE-027").await;
    scenario.server.probe.hold(true);
    let (wire, port) = (scenario.wire(), scenario.port());
    let request = tokio::spawn(async move { client::send_wire(&wire, port).await });
    scenario.server.probe.until_entered(1).await;
    scenario
        .records()
        .delete(&Owner::of(Kind::OrgKey, "org_alpha01"), "kAlphaTest0001")
        .await
        .unwrap();
    scenario.server.probe.hold(false);
    let sent = request.await.unwrap();
    scenario.check(&sent, &seen(&scenario.server), &[]);
    scenario.expect_status(401).await;
}

/// Keys have no name in the store: two keys of one name are two keys of one organization with
/// different ids.
#[tokio::test]
async fn scenario_life_029() {
    let scenario = Scenario::start("LIFE-029").await;
    let records = scenario.records();
    let token = "ak_kSameName00001.made-for-this-test";
    let key = Record::org_key(
        "kSameName00001",
        Digest::of(token.as_bytes()),
        "org_alpha01",
    );
    records
        .insert(key.with_role("admin", records.catalogue()).unwrap())
        .await
        .unwrap();
    let fresh =
        answered(client::send_wire(&scenario.wire_with(Some(token)), scenario.port()).await);
    assert_eq!(fresh.status, 200);
    scenario.send_and_check().await;
}

#[tokio::test]
async fn scenario_cors_003() {
    let scenario = Scenario::start("CORS-003").await;
    let (sent, seen) = (scenario.send().await, seen(&scenario.server));
    // The scenario expects the preflight to reach the service. The layer answers it itself, so that
    // no handler runs.
    assert!(seen.calls.is_empty());
    print_lines(
        "DISPUTED CORS-003: a preflight is answered by the layer and does not reach the service",
    );
    scenario.check(&sent, &seen, &["must_not_reach_inner"]);
}

#[tokio::test]
async fn scenario_grpc_031() {
    run_without_steps("GRPC-031").await;
}

#[tokio::test]
async fn scenario_rsp_017() {
    let scenario = Scenario::start("RSP-017").await;
    scenario.send_and_check().await;
    let answer = answered(scenario.send().await);
    assert!(
        answer.all("www-authenticate").is_empty(),
        "a refusal by the inner service gets no challenge"
    );
}
