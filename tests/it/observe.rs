//! The documented events: target, level, outcome, fields. They contain nothing else and no client
//! input.

use crate::support;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use http::Request;
use serde_json::{Map, Value, json};
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in,
    held_store::HeldStore,
    key, key_record, logs, memory, pat,
    remote_store::{Behaviour, OUTAGE, RemoteStore},
    request, with,
};
use tower::ServiceBuilder;
use tower_api_key::{
    AuthLayer, CredentialStore, LastUse, PublicLayer, RequireScopesLayer,
    manage::Manager,
    observe::TARGET,
    store::{Cached, ManageStore as _, StoreError, backend::report_feed_lost},
};

type Auth = AuthLayer<Arc<dyn CredentialStore>>;

/// Sends a request and returns the one event it emits.
async fn event_of(auth: &Auth, request: Request<String>) -> Value {
    logs::start();
    ask(auth, request).await;
    logs::only_event(TARGET)
}

/// The fields of an event; checks that the lookup time is a number and replaces it by `"µs"`.
fn fields(event: &Value) -> Map<String, Value> {
    let mut fields = event["fields"].as_object().unwrap().clone();
    if let Some(micros) = fields.get_mut("store_us") {
        assert!(micros.is_u64(), "{event}");
        *micros = json!("µs");
    }
    fields
}

struct Case {
    name: &'static str,
    request: Request<String>,
    level: &'static str,
    fields: Value,
}

fn cases() -> Vec<Case> {
    let accepted = |fields| ("DEBUG", "request accepted", fields);
    let refused = |fields| ("INFO", "request refused", fields);
    let exposed = |fields| ("WARN", "credential exposed in a browser: revoke it", fields);
    let key_known = json!({ "kind": "org_key", "credential_id": "testkey", "organization": ORG });
    let with_outcome = |known: &Value, outcome: &str, cause: &str| {
        let mut fields = known.clone();
        fields["outcome"] = outcome.into();
        if !cause.is_empty() {
            fields["cause"] = cause.into();
        }
        fields
    };
    let token = json!({ "kind": "pat", "credential_id": "token", "user": USER });
    let token_here =
        json!({ "kind": "pat", "credential_id": "token", "user": USER, "organization": ORG });
    let unknown_key = json!({ "kind": "org_key" });
    let invalid = |known: &Value, cause: &str| refused(with_outcome(known, "invalid_token", cause));
    let expired = json!({ "kind": "org_key", "credential_id": "expired", "organization": ORG });
    let ownerless = json!({ "kind": "pat", "credential_id": "ownerless", "user": "user_gone" });
    let rows = [
        (
            "a key",
            bearer(KEY),
            accepted(with_outcome(&key_known, "accepted", "")),
        ),
        (
            "a token",
            bearer_in(TOKEN, ORG),
            accepted(with_outcome(&token_here, "accepted", "")),
        ),
        (
            "nothing",
            request(),
            refused(json!({ "outcome": "missing_credential", "cause": "no_credential" })),
        ),
        (
            "another prefix",
            bearer("x"),
            refused(json!({ "outcome": "unrecognized_token", "cause": "unknown_prefix" })),
        ),
        (
            "malformed",
            bearer("pat_"),
            refused(json!({ "outcome": "invalid_token", "cause": "malformed_token" })),
        ),
        (
            "unknown",
            bearer(key("unknown")),
            invalid(&unknown_key, "unknown_credential"),
        ),
        (
            "a wrong secret",
            bearer("ak_testkey.test-wrong"),
            invalid(&key_known, "wrong_secret"),
        ),
        (
            "expired",
            bearer(key("expired")),
            invalid(&expired, "expired"),
        ),
        (
            "ownerless",
            bearer_in(pat("ownerless"), "org_x"),
            invalid(&ownerless, "owner_gone"),
        ),
        (
            "no organization",
            bearer(TOKEN),
            refused(with_outcome(
                &token,
                "missing_organization",
                "no_organization",
            )),
        ),
        (
            "a token in an organization without membership",
            bearer_in(TOKEN, "org_x"),
            refused(with_outcome(&token, "organization_denied", "not_a_member")),
        ),
        (
            "a key in another organization",
            bearer_in(KEY, OTHER_ORG),
            refused(with_outcome(
                &key_known,
                "organization_denied",
                "other_organization",
            )),
        ),
        (
            "a browser",
            with(bearer(KEY), "origin", "https://page.test"),
            exposed(with_outcome(
                &key_known,
                "exposed_credential",
                "sent_by_browser",
            )),
        ),
    ];
    let case = |(name, request, (level, message, mut fields)): (_, _, (_, &str, Value))| {
        fields["message"] = message.into();
        Case {
            name,
            request,
            level,
            fields,
        }
    };
    rows.into_iter().map(case).collect()
}

#[tokio::test]
async fn each_verdict_emits_one_event_with_the_documented_fields() {
    let store = memory();
    let at_once: Auth = AuthLayer::new(Arc::new(store.clone()) as _).with_browser_guard(|_| {});
    let waiting: Auth =
        AuthLayer::new(RemoteStore::new(store, Behaviour::Answers) as _).with_browser_guard(|_| {});
    for Case {
        name,
        request,
        level,
        fields: wanted,
    } in cases()
    {
        let event = event_of(&at_once, request.clone()).await;
        assert_eq!(
            (&event["level"], &Value::from(fields(&event))),
            (&level.into(), &wanted),
            "{name}"
        );
        // The same after a wait, with the lookup time, which is recorded for every lookup of a
        // known kind.
        let mut wanted = wanted;
        if wanted.get("kind").is_some() {
            wanted["store_us"] = json!("µs");
        }
        let event = event_of(&waiting, request).await;
        assert_eq!(
            (&event["level"], &Value::from(fields(&event))),
            (&level.into(), &wanted),
            "{name}, after a wait"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_an_error_event_with_the_store_error() {
    for (behaviour, cause, text) in [
        (Behaviour::Fails, "store_unavailable", "the store failed"),
        (
            Behaviour::Hangs,
            "store_timed_out",
            "the store did not answer within 1s",
        ),
        (Behaviour::Panics, "store_panicked", "the store panicked"),
    ] {
        let auth: Auth = AuthLayer::new(RemoteStore::new(memory(), behaviour) as _);
        let event = event_of(&auth, bearer(KEY)).await;
        let mut fields = fields(&event);
        let error = fields.remove("error").unwrap();
        assert!(error.as_str().unwrap().starts_with(text), "{event}");
        let wanted = json!({
            "message": "the store could not answer", "outcome": "unavailable", "cause": cause,
            "kind": "org_key",
            "store_us": "µs",
        });
        assert_eq!(
            (&event["level"], &Value::from(fields)),
            (&"ERROR".into(), &wanted)
        );
    }
}

/// The cache detects the same faults as the layer, with a shorter deadline.
#[tokio::test(start_paused = true)]
async fn a_fault_found_by_the_cache_is_reported_like_one_of_the_layer() {
    for (behaviour, cause, text) in [
        (
            Behaviour::Hangs,
            "store_timed_out",
            "the store did not answer within 250ms",
        ),
        (Behaviour::Panics, "store_panicked", "the store panicked"),
    ] {
        let cache = Cached::new(RemoteStore::new(memory(), behaviour));
        let cache = cache.with_lookup_deadline(Duration::from_millis(250));
        let auth: Auth = AuthLayer::new(Arc::new(cache) as _);
        let event = event_of(&auth, bearer(KEY)).await;
        let fields = fields(&event);
        assert_eq!(
            (&fields["cause"], &fields["error"], &fields["message"]),
            (
                &cause.into(),
                &text.into(),
                &"the store could not answer".into()
            ),
            "{event}"
        );
    }
}

#[tokio::test]
async fn an_outage_event_contains_its_source() {
    let auth: Auth = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails) as _);
    let event = event_of(&auth, bearer(KEY)).await;
    assert!(event.to_string().contains(OUTAGE), "{event}");
}

#[tokio::test]
async fn a_requirement_logs_the_principal_and_a_missing_layer_is_an_error() {
    let auth = AuthLayer::new(memory());
    let requirement = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    logs::start();
    ask(
        &ServiceBuilder::new().layer(auth).layer(requirement.clone()),
        bearer(KEY),
    )
    .await;
    let events = logs::events(TARGET);
    assert_eq!(
        events.len(),
        2,
        "accepted by the layer, refused by the requirement: {events:?}"
    );
    let wanted = json!({
        "message": "request refused", "outcome": "insufficient_scope", "cause": "no_accepted_scope",
        "kind": "org_key", "credential_id": "testkey", "organization": ORG,
    });
    assert_eq!(
        (&events[1]["level"], &Value::from(fields(&events[1]))),
        (&"INFO".into(), &wanted)
    );
    ask(&requirement, bearer(KEY)).await;
    let event = logs::only_event(TARGET);
    assert_eq!(
        (&event["level"], &event["fields"]["outcome"]),
        (&"ERROR".into(), &"misconfigured".into())
    );
}

#[tokio::test(start_paused = true)]
async fn uses_that_cannot_be_written_are_an_error_event_a_minute_later() {
    let (store, uses) = (HeldStore::new(), LastUse::new());
    let used = key_record("testkey", "org_1");
    store.memory.insert(used).await.unwrap();
    let auth = AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone());
    assert_eq!(ask(&auth, bearer(KEY)).await.status, 200);
    store.writes_fail.store(true, SeqCst);
    logs::start();
    let recorder = Manager::new(store).run_usage_recorder(uses);
    let _ = tokio::time::timeout(Duration::from_secs(61), recorder).await;
    let event = logs::only_event("tower_api_key::manage");
    let wanted = json!({
        "message": "management failed",
        "error": "the credential store is unavailable; try again: the store failed: \
                  lost during the commit",
    });
    assert_eq!(
        (&event["level"], &event["fields"]),
        (&"ERROR".into(), &wanted)
    );
}

#[test]
fn a_lost_feed_is_a_warning_with_its_cause() {
    logs::start();
    report_feed_lost(&StoreError::unavailable("test outage"));
    let event = logs::only_event("tower_api_key::feed");
    let wanted = json!({
        "message": "the feed is lost", "error": "the store failed: test outage",
    });
    assert_eq!(
        (&event["level"], &event["fields"]),
        (&"WARN".into(), &wanted)
    );
}

#[tokio::test]
async fn a_request_that_skips_authentication_emits_no_event() {
    logs::start();
    assert_eq!(
        ask(&AuthLayer::new(memory()).optional(), request())
            .await
            .status,
        200
    );
    assert_eq!(ask(&PublicLayer::new(), bearer(KEY)).await.status, 200);
    assert_eq!(logs::events(TARGET), Vec::<Value>::new());
}

#[tokio::test]
async fn events_contain_no_client_input() {
    let auth: Auth = AuthLayer::new(Arc::new(memory()));
    for request in [
        bearer_in(TOKEN, "named-by-the-client"),
        bearer("ak_named-by-the-client.test-secret"),
        bearer_in(KEY, "named-by-the-client"),
        with(bearer("x"), "user-agent", "named-by-the-client"),
    ] {
        let event = event_of(&auth, request).await;
        assert!(
            !event.to_string().contains("named-by-the-client"),
            "{event}"
        );
    }
}
