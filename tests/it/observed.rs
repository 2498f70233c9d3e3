//! An observed requirement refuses nothing, reports what it would have refused, and protects
//! nothing: the route is as open or as closed as without it.

use crate::support;

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use support::{
    Answer, Inner, KEY, ORG, OTHER_ORG, TOKEN, ask, bearer, bearer_in, grpc_call, memory,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, RequireDescendantLayer, RequireOrganizationLayer,
    RequireScopesLayer, id::OrgId, store::MemoryStore,
};
#[cfg(feature = "metrics")]
use tower_api_key::{PublicLayer, store::Directory as _};

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

/// A requirement that no caller of [`memory`] meets.
fn unmet() -> RequireScopesLayer {
    RequireScopesLayer::any(["unheld:scope", "unheld:other"]).unwrap()
}

fn header_target(request: &http::request::Parts) -> Option<OrgId> {
    let value = request.headers.get("x-target")?;
    value.to_str().ok().map(OrgId::from)
}

/// Asks with the requirement inside the other layer.
async fn inside<O, L>(outer: O, requirement: L, request: Request<String>) -> Answer
where
    L: Layer<Inner>,
    O: Layer<L::Service>,
    O::Service: Service<Request<String>, Response = Response<String>, Error = Infallible>,
{
    ask(
        &ServiceBuilder::new().layer(outer).layer(requirement),
        request,
    )
    .await
}

#[tokio::test]
async fn what_an_observed_requirement_would_refuse_passes_unchanged() {
    let requests = || {
        [
            ("a key", bearer(KEY)),
            ("a token", bearer_in(TOKEN, ORG)),
            ("gRPC", grpc_call(bearer(KEY), "application/grpc")),
        ]
    };
    for ((name, sent), (_, plain)) in requests().into_iter().zip(requests()) {
        let enforced = inside(auth().with_grpc(), unmet().with_grpc(), sent.clone()).await;
        assert_eq!(enforced.cause(), "no_accepted_scope", "{name}");
        let observed = inside(auth().with_grpc(), unmet().with_grpc().observed(), sent).await;
        let without = ask(&auth().with_grpc(), plain).await;
        assert_eq!(observed.wire(), without.wire(), "{name}");
        assert!(observed.principal().is_some(), "{name}: the caller arrives");
    }
}

#[tokio::test]
async fn every_kind_of_requirement_can_be_observed() {
    let organization = || RequireOrganizationLayer::new().observed();
    let optional = auth().optional();
    let answer = inside(optional, organization(), request()).await;
    assert_eq!(answer.status, 200);
    let descendant = || RequireDescendantLayer::new(memory(), header_target);
    let outside = || with(bearer(KEY), "x-target", "org_other");
    assert_eq!(inside(auth(), descendant(), outside()).await.status, 403);
    let observed = inside(auth(), descendant().observed(), outside()).await;
    assert_eq!((observed.status, &*observed.body), (200, "reached"));
    let no_target = inside(auth(), descendant().observed(), bearer(KEY)).await;
    assert_eq!(no_target.status, 200);
}

#[tokio::test]
async fn a_failing_organization_tree_does_not_fail_what_is_observed() {
    let tree = || RemoteStore::new(memory(), Behaviour::Fails);
    let enforced = RequireDescendantLayer::new(tree(), header_target);
    let sent = || with(bearer(KEY), "x-target", "org_other");
    assert_eq!(inside(auth(), enforced.clone(), sent()).await.status, 503);
    assert_eq!(
        inside(auth(), enforced.observed(), sent()).await.status,
        200
    );
}

#[tokio::test]
async fn an_observed_requirement_asks_the_organization_tree() {
    for (target, calls) in [(OTHER_ORG, 1), (ORG, 0)] {
        let tree = RemoteStore::new(memory(), Behaviour::Answers);
        let below = RequireDescendantLayer::new(Arc::clone(&tree), header_target);
        let sent = with(bearer(KEY), "x-target", target);
        assert_eq!(inside(auth(), below.observed(), sent).await.status, 200);
        assert_eq!(tree.calls(), calls, "{target}");
    }
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn what_the_organization_tree_would_refuse_is_counted() {
    let recorder = support::recorder::TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let tree = memory();
    tree.create_organization("org_below", Some(ORG))
        .await
        .unwrap();
    for (behaviour, target) in [
        (Behaviour::Answers, "org_below"),
        (Behaviour::Answers, OTHER_ORG),
        (Behaviour::Fails, "org_below"),
    ] {
        let tree = RemoteStore::new(tree.clone(), behaviour);
        let below = RequireDescendantLayer::new(tree, header_target).observed();
        inside(auth(), below, with(bearer(KEY), "x-target", target)).await;
    }
    let wanted = [
        "tower_api_key_accepted_total{kind=org_key}",
        "tower_api_key_would_refuse_total{kind=org_key,cause=not_a_descendant}",
        "tower_api_key_would_refuse_total{kind=org_key,cause=store_unavailable}",
    ];
    assert_eq!(recorder.all(), wanted);
}

#[tokio::test]
async fn an_observed_requirement_weakens_no_other() {
    let enforced = || RequireScopesLayer::any(["unheld:third"]).unwrap();
    let outer = ServiceBuilder::new()
        .layer(auth())
        .layer(unmet().observed());
    let answer = inside(outer.into_inner(), enforced(), bearer(KEY)).await;
    assert_eq!(answer.cause(), "no_accepted_scope");
    let outer = ServiceBuilder::new().layer(auth()).layer(enforced());
    let answer = inside(outer.into_inner(), unmet().observed(), bearer(KEY)).await;
    assert_eq!(answer.cause(), "no_accepted_scope");
    let answer = inside(auth(), unmet().observed(), request()).await;
    assert_eq!(
        answer.cause(),
        "no_credential",
        "the AuthLayer refuses as before"
    );
}

#[tokio::test]
async fn an_observed_requirement_decides_no_route() {
    let outermost = EveryRouteDecidesLayer::new();
    let service = outermost.layer(unmet().observed().layer(Inner::default()));
    let response = service.oneshot(bearer(KEY)).await.unwrap();
    assert_eq!(response.status(), 500);
    let enforced = ask(&unmet(), bearer(KEY)).await;
    assert_eq!(
        enforced.cause(),
        "no_auth_layer",
        "an enforcing one is a 500"
    );
    assert_eq!(ask(&unmet().observed(), bearer(KEY)).await.status, 200);
}

#[tokio::test]
async fn the_responses_of_another_layer_leave_a_requirement_observed() {
    let copied = unmet()
        .observed()
        .with_responses_of(&auth().with_body_key("error"));
    assert!(
        format!("{copied:?}").contains("observed: true"),
        "{copied:?}"
    );
    assert_eq!(
        inside(auth(), copied.clone(), bearer(KEY)).await.status,
        200
    );
    assert!(format!("{:?}", unmet()).contains("observed: false"));
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn what_would_be_refused_is_counted_apart_from_refusals() {
    let recorder = support::recorder::TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    inside(auth(), unmet().observed(), bearer(KEY)).await;
    inside(PublicLayer::new(), unmet().observed(), bearer(KEY)).await;
    ask(&unmet().observed(), bearer(KEY)).await;
    let held = RequireScopesLayer::any(["agents:read"]).unwrap();
    inside(auth(), held.observed(), bearer(KEY)).await;
    let wanted = [
        "tower_api_key_accepted_total{kind=org_key}",
        "tower_api_key_would_refuse_total{kind=none,cause=anonymous}",
        "tower_api_key_would_refuse_total{kind=none,cause=no_auth_layer}",
        "tower_api_key_would_refuse_total{kind=org_key,cause=no_accepted_scope}",
    ];
    assert_eq!(recorder.all(), wanted);
    let once = "would_refuse_total{kind=org_key,cause=no_accepted_scope}";
    assert_eq!(recorder.of(once), 1.0);
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn what_would_be_refused_is_an_event_with_its_cause() {
    use serde_json::json;
    use support::logs;
    use tower_api_key::observe::TARGET;

    logs::start();
    inside(auth(), unmet().observed(), bearer(KEY)).await;
    let events = logs::events(TARGET);
    let [_accepted, event] = &events[..] else {
        panic!("the accept and what would be refused: {events:?}")
    };
    let wanted = json!({
        "message": "an observed requirement would have refused the request: \
                    the accepted scopes are not held",
        "outcome": "would_refuse", "cause": "no_accepted_scope",
        "accepted": "unheld:other unheld:scope",
        "kind": "org_key", "credential_id": "testkey", "organization": ORG,
    });
    assert_eq!(
        (&event["level"], &event["fields"]),
        (&json!("INFO"), &wanted)
    );

    ask(&unmet().observed(), bearer(KEY)).await;
    let event = logs::only_event(TARGET);
    assert_eq!(event["fields"]["cause"], "no_auth_layer", "{event}");
    logs::assert_error_names_fix(&event, "add `.layer(AuthLayer::new(store))`");
}
