//! The counters match the table in the docs, and no label contains client input.

use crate::support::{clocks::ManualMonotonicClock, held_store, recorder};
use tower_api_key::store::Owner;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use held_store::{Behaviour, HeldStore, TestLookup, key};
use http::{Request, Response};
use recorder::TestRecorder;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer, async_trait,
    credential::Kind,
    store::{Cached, Feed, FeedEvent, ManageStore, backend::observe_revocation_lag},
};

/// A feed that yields its events and then ends.
struct Short(Vec<FeedEvent>);

#[async_trait]
impl Feed for Short {
    async fn next(&mut self) -> Option<FeedEvent> {
        self.0.pop()
    }
}

/// Triggers every counted event once.
async fn trigger_every_event(recorder: &TestRecorder) -> Arc<held_store::Cache> {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = Cached::new(Arc::clone(&store))
        .with_monotonic_clock(clock.clone())
        .with_capacity(2);
    let cache = Arc::new(cache.danger_with_stale_accepts(Duration::from_secs(60)));
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Arc::clone(&cache)))
        .service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });
    for bearer in [
        "Bearer ak_k1.test-secret",
        "Bearer ak_canaryid.test-canarysecret",
        "Basic test",
    ] {
        let request = Request::builder()
            .header("authorization", bearer)
            .body(())
            .unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
    let request = Request::builder()
        .header("authorization", "Bearer pat_test_t1")
        .header("x-anyreach-org", "org_1");
    service
        .clone()
        .oneshot(request.body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(recorder.of("accepted_total{kind=pat}"), 1.0);
    assert!(TestLookup::key("canaryid").is_cached(&*cache)); // a negative hit
    for _ in 0..2 {
        assert!(TestLookup::key("k1").is_cached(&*cache)); // a hit
    }
    for id in ["more1", "more2"] {
        store.memory.insert(key(id)).await.unwrap();
        assert!(TestLookup::key(id).is_accepted(&*cache).await);
    }
    store.set_behaviour(Behaviour::Fails);
    clock.advance(Duration::from_secs(6));
    assert!(TestLookup::key("more2").is_accepted(&*cache).await); // stale
    store.set_behaviour(Behaviour::Answers);
    cache
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap();
    let following = cache.follow(Short(Vec::new()));
    assert_eq!(recorder.of("feed_up{}"), 1.0);
    following.await;
    cache
}

#[tokio::test]
async fn every_event_is_counted_once() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    trigger_every_event(&recorder).await;
    for (name, expected) in [
        ("accepted_total{kind=pat}", 1.0),
        ("refused_total{kind=org_key,cause=wrong_secret}", 1.0),
        ("refused_total{kind=org_key,cause=unknown_credential}", 1.0),
        ("refused_total{kind=none,cause=other_scheme}", 1.0),
        ("store_seconds{}", 3.0),
        ("cache_hits_total{}", 2.0),
        ("cache_negative_hits_total{}", 1.0),
        ("cache_misses_total{}", 6.0),
        ("cache_evictions_total{table=accepts}", 2.0),
        ("cache_stale_total{}", 1.0),
        ("cache_changes_total{subject=credential}", 1.0),
        ("feed_up{}", 0.0),
    ] {
        assert_eq!(recorder.of(name), expected, "{name}: {recorder:?}");
    }
}

#[tokio::test]
async fn no_label_contains_request_or_store_data() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    trigger_every_event(&recorder).await;
    for name in recorder.all() {
        for secret in ["canary", "test", "k1", "t1", "more", "org_1", "alice"] {
            assert!(!name.contains(secret), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_without_a_lookup_are_counted_by_their_reason() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let store = HeldStore::new();
    store.set_behaviour(Behaviour::Fails);
    let cache = Cached::new(store)
        .with_monotonic_clock(ManualMonotonicClock::default())
        .with_miss_rate_limit(1);
    for id in ["k1", "k1", "k2", "k3", "k4"] {
        assert!(TestLookup::key(id).ask(&cache).await.is_err(), "{id}");
    }
    assert_eq!(recorder.of("cache_kept_failures_total{}"), 1.0);
    assert_eq!(recorder.of("cache_limited_total{}"), 3.0);
}

#[tokio::test]
async fn an_expired_entry_that_makes_room_is_not_counted_as_evicted() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    store.memory.insert(key("k2")).await.unwrap();
    let cache = Cached::new(store)
        .with_monotonic_clock(clock.clone())
        .with_capacity(1);
    for (id, passed, evicted) in [("k1", 0, 0.0), ("k2", 1, 1.0), ("k1", 5, 1.0)] {
        clock.advance(Duration::from_secs(passed));
        assert!(TestLookup::key(id).is_accepted(&cache).await);
        let counted = recorder.of("cache_evictions_total{table=accepts}");
        assert_eq!(counted, evicted, "{id} after {passed} s");
    }
}

#[cfg(feature = "testing")]
#[test]
fn every_forged_principal_is_counted() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    for id in ["k1", "k2"] {
        let _ = tower_api_key::testing::principal(key(id));
    }
    assert_eq!(recorder.of("forged_principals_total{}"), 2.0);
}

#[test]
fn a_feed_records_the_lag_of_a_change() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    observe_revocation_lag(Duration::from_millis(1500));
    assert_eq!(recorder.samples("revocation_lag_seconds{}"), [1.5]);
}

const DOCS: &str = include_str!("../../src/observe/mod.rs");
const EMIT: &str = include_str!("../../src/observe/counters.rs");

/// Returns every quoted text.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

#[test]
fn every_documented_metric_is_described() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    tower_api_key::observe::describe();
    let unit = |name: &str, sort: &str| match sort {
        "counter" => Some(metrics::Unit::Count),
        _ if name.ends_with("_seconds") => Some(metrics::Unit::Seconds),
        _ => None,
    };
    let mut listed: Vec<_> = DOCS
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split_once("` | "))
        .filter(|(name, _)| name.starts_with("tower_api_key_"))
        .map(|(name, rest)| (rest.split(' ').next().unwrap().to_owned(), name.to_owned()))
        .map(|(sort, name)| (sort.clone(), name.clone(), unit(&name, &sort)))
        .collect();
    let mut described = recorder.described();
    listed.sort_by(|one, other| one.1.cmp(&other.1));
    described.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(described, listed);
}

#[test]
fn the_documented_names_match_the_code() {
    let listed: BTreeSet<_> = DOCS
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `tower_api_key_"))
        .collect();
    let listed: BTreeSet<_> = listed
        .into_iter()
        .filter_map(|line| line.split('`').next())
        .collect();
    let counted: BTreeSet<_> = quoted(EMIT)
        .filter_map(|name| name.strip_prefix("tower_api_key_"))
        .collect();
    assert_eq!(listed, counted);
    assert!(listed.len() >= 10);
}

#[test]
fn every_cause_has_its_own_counter() {
    let counted: BTreeSet<_> = quoted(EMIT).collect();
    let causes = [
        include_str!("../../src/rejection/cause.rs"),
        include_str!("../../src/store/error.rs"),
    ];
    let codes = causes
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.split_once("=> \""));
    let code = |text: &&str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let codes: Vec<_> = codes
        .filter_map(|(_, rest)| rest.strip_suffix("\","))
        .filter(code)
        .collect();
    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        assert!(counted.contains(code), "{code}");
    }
}
