//! The limit on lookups of unknown ids. Cached answers are not limited.

use crate::support::{clocks::ManualMonotonicClock, held_store};
use tower_api_key::credential::{Kind, Minted, TokenFormat};
use tower_api_key::store::Owner;
use tower_api_key::{
    AuthLayer, CredentialStore,
    manage::Manager,
    store::{
        Cached, Change, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Record, StoreError,
    },
};

use std::{error::Error, sync::Arc, time::Duration};

use held_store::{Behaviour, HeldStore, TestLookup, key};
use http::{Request, Response, StatusCode};
use tower::{ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn limited(per_second: u32) -> (Arc<HeldStore>, ManualMonotonicClock, held_store::Cache) {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    clock.advance(SECOND * 100);
    let cache = Cached::new(Arc::clone(&store))
        .with_monotonic_clock(clock.clone())
        .with_miss_rate_limit(per_second);
    (store, clock, cache)
}

/// Looks up each unknown id and returns how many lookups reached the store.
async fn flood(cache: &held_store::Cache, store: &HeldStore, ids: std::ops::Range<u32>) -> usize {
    let before = store.lookups();
    for i in ids {
        match TestLookup::key(&format!("unknown{i}")).ask(cache).await {
            Ok(accepted) => assert!(!accepted),
            Err(error) => assert!(is_limit(&error), "{error:?}"),
        }
    }
    store.lookups() - before
}

fn is_limit(error: &StoreError) -> bool {
    error.code() == "store_unavailable"
        && error
            .source()
            .is_some_and(|source| source.to_string().contains("limit"))
}

#[tokio::test]
async fn unknown_ids_reach_the_store_at_the_limited_rate() {
    let (store, clock, cache) = limited(10);
    assert_eq!(
        flood(&cache, &store, 0..100).await,
        10,
        "one second of permits is available at once"
    );
    clock.advance(SECOND / 2);
    assert_eq!(flood(&cache, &store, 100..200).await, 5);
    clock.advance(SECOND * 60);
    assert_eq!(
        flood(&cache, &store, 200..300).await,
        10,
        "at most one second of permits accumulates"
    );
}

#[tokio::test]
async fn without_a_limit_every_unknown_id_is_looked_up() {
    let store = HeldStore::new();
    let cache = Cached::new(Arc::clone(&store));
    assert_eq!(flood(&cache, &store, 0..1_000).await, 1_000);
}

#[tokio::test]
async fn a_flood_of_unknown_ids_does_not_affect_accepted_keys() {
    let (store, clock, cache) = limited(10);
    let (k1, t1) = (
        TestLookup::key("k1"),
        TestLookup::token("t1", Some("org_1")),
    );
    assert!(k1.is_accepted(&cache).await && t1.is_accepted(&cache).await);
    for round in 0..10 {
        flood(&cache, &store, round * 100..round * 100 + 100).await;
        assert!(k1.is_accepted(&cache).await && t1.is_accepted(&cache).await);
        if round % 2 == 0 {
            clock.advance(SECOND * 5); // past the time to live
        } else {
            cache.apply(&Change::Everything);
        }
        assert!(!k1.is_cached(&cache));
        flood(
            &cache,
            &store,
            10_000 + round * 100..10_000 + round * 100 + 100,
        )
        .await;
        assert!(k1.is_accepted(&cache).await && t1.is_accepted(&cache).await);
    }
}

#[tokio::test]
async fn a_flood_of_keys_does_not_limit_tokens() {
    let (store, _, cache) = limited(10);
    flood(&cache, &store, 0..100).await;
    assert!(
        TestLookup::token("t1", Some("org_1"))
            .is_accepted(&cache)
            .await
    );
}

#[tokio::test]
async fn a_successful_lookup_does_not_count_towards_the_limit() {
    let (store, _, cache) = limited(1);
    for i in 0..100 {
        let id = format!("good{i}");
        store.memory.insert(key(&id)).await.unwrap();
        assert!(TestLookup::key(&id).is_accepted(&cache).await);
    }
}

#[tokio::test]
async fn a_lookup_of_a_refused_credential_counts_towards_the_limit() {
    let (store, _, cache) = limited(10);
    store
        .memory
        .delete(&Owner::of(Kind::PersonalToken, "alice"), "t1")
        .await
        .unwrap();
    const ORGANIZATIONS: [&str; 4] = ["org_1", "org_2", "org_3", "org_4"];
    for i in 0..100 {
        store.memory.insert(key(&format!("gone{i}"))).await.unwrap();
        store
            .memory
            .delete(&Owner::of(Kind::OrgKey, "org_1"), &format!("gone{i}"))
            .await
            .unwrap();
        let _ = TestLookup::key(&format!("gone{i}")).ask(&cache).await;
    }
    assert_eq!(store.lookups(), 10, "deleted keys");
    for organization in ORGANIZATIONS.iter().cycle().take(100) {
        let _ = TestLookup::token("t1", Some(organization))
            .ask(&cache)
            .await;
    }
    assert!(
        store.lookups() <= 10 + ORGANIZATIONS.len(),
        "a deleted token, in every organization"
    );
}

#[tokio::test]
async fn a_failed_lookup_counts_towards_the_limit() {
    let (store, _, cache) = limited(10);
    store.set_behaviour(Behaviour::Fails);
    for i in 0..100 {
        TestLookup::key(&format!("cold{i}"))
            .ask(&cache)
            .await
            .unwrap_err();
    }
    assert_eq!(store.lookups(), 10);
}

#[tokio::test]
async fn a_limit_of_zero_stops_lookups_and_the_maximum_allows_all() {
    let (store, _, cache) = limited(0);
    assert_eq!(flood(&cache, &store, 0..10).await, 0);
    let (store, _, cache) = limited(u32::MAX);
    assert_eq!(flood(&cache, &store, 0..1_000).await, 1_000);
}

#[tokio::test]
async fn a_valid_key_over_the_limit_gets_503_and_not_401() {
    let (store, clock, cache) = limited(10);
    flood(&cache, &store, 0..100).await;
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(cache))
        .service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });
    let answer = async || {
        let request = Request::builder()
            .header("authorization", "Bearer ak_k1.test-secret")
            .body(())
            .unwrap();
        service.clone().oneshot(request).await.unwrap()
    };
    let response = answer().await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    clock.advance(SECOND);
    assert_eq!(
        answer().await.status(),
        StatusCode::UNAUTHORIZED,
        "found, with a wrong secret"
    );
}

/// A cache that may look nothing up, or has looked too early, in front of a store with a credential
/// of each kind.
#[tokio::test]
async fn neither_the_limit_nor_a_cached_miss_keeps_a_leaked_token_from_being_revoked() {
    for (name, limit, is_early) in [("limit", 0, false), ("cached miss", 10, true)] {
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let store = MemoryStore::new();
            store.create_organization("org_1", None).await.unwrap();
            store.create_user("alice").await.unwrap();
            let cache = Cached::new(store.clone()).with_miss_rate_limit(limit);
            let Minted {
                id, digest, secret, ..
            } = TokenFormat::default().mint(kind).unwrap();
            let key = match kind {
                Kind::OrgKey => LookupKey::OrgKey { id: id.as_str() },
                Kind::PersonalToken => LookupKey::PersonalToken { digest: &digest },
            };
            let lookup = Lookup::new(key, None);
            if is_early {
                assert!(cache.find(&lookup).await.unwrap().is_none());
            }
            let record = match kind {
                Kind::OrgKey => Record::org_key(&id, digest.clone(), "org_1"),
                Kind::PersonalToken => Record::personal_token(&id, digest.clone(), "alice"),
            };
            store.insert(record).await.unwrap(); // which the cache does not hear of
            let found = cache.find(&lookup).await;
            assert!(!matches!(found, Ok(Some(_))), "{name}: {kind:?}");
            let manager = Manager::new(cache);
            let revoked = manager.revoke_presented(secret.expose_secret(), None).await;
            assert_eq!(revoked.unwrap().id, id, "{name}: {kind:?}");
        }
    }
}
