//! Unknown ids reach the store as often as the limit says, and what the cache knows is not limited.

use crate::support::shelf;
use tower_api_key::credential::Kind;
use tower_api_key::store::Owner;
use tower_api_key::{
    AuthLayer,
    store::{Cached, Change, ManageStore, StoreError},
};

use std::{error::Error, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use shelf::{Hand, Mood, Question, Shelf, key};
use tower::{ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn limited(per_second: u32) -> (Arc<Shelf>, Hand, shelf::Cache) {
    let (shelf, hand) = (Shelf::new(), Hand::default());
    hand.advance(SECOND * 100);
    let cache = Cached::new(Arc::clone(&shelf))
        .with_monotonic_clock(hand.clone())
        .with_miss_rate_limit(per_second);
    (shelf, hand, cache)
}

/// How many of so many unknown ids reach the store.
async fn flood(cache: &shelf::Cache, shelf: &Shelf, ids: std::ops::Range<u32>) -> usize {
    let before = shelf.look_ups();
    for i in ids {
        match Question::key(&format!("unknown{i}")).asked(cache).await {
            Ok(accepted) => assert!(!accepted),
            Err(error) => assert!(is_limit(&error), "{error:?}"),
        }
    }
    shelf.look_ups() - before
}

fn is_limit(error: &StoreError) -> bool {
    error.code() == "store_unavailable"
        && error
            .source()
            .is_some_and(|source| source.to_string().contains("limit"))
}

#[tokio::test]
async fn unknown_ids_reach_the_store_as_often_as_the_limit_says() {
    let (shelf, hand, cache) = limited(10);
    assert_eq!(
        flood(&cache, &shelf, 0..100).await,
        10,
        "a second's worth at once"
    );
    hand.advance(SECOND / 2);
    assert_eq!(flood(&cache, &shelf, 100..200).await, 5);
    hand.advance(SECOND * 60);
    assert_eq!(
        flood(&cache, &shelf, 200..300).await,
        10,
        "no more is saved up than a second's worth"
    );
}

#[tokio::test]
async fn without_a_limit_each_unknown_id_is_a_lookup() {
    let shelf = Shelf::new();
    let cache = Cached::new(Arc::clone(&shelf));
    assert_eq!(flood(&cache, &shelf, 0..1_000).await, 1_000);
}

#[tokio::test]
async fn a_flood_of_unknown_ids_is_felt_by_no_key_that_was_accepted_before() {
    let (shelf, hand, cache) = limited(10);
    let (k1, t1) = (Question::key("k1"), Question::token("t1", Some("org_1")));
    assert!(k1.accepted(&cache).await && t1.accepted(&cache).await);
    for round in 0..10 {
        flood(&cache, &shelf, round * 100..round * 100 + 100).await;
        assert!(k1.accepted(&cache).await && t1.accepted(&cache).await);
        if round % 2 == 0 {
            hand.advance(SECOND * 5); // past the time to live
        } else {
            cache.apply(&Change::Everything);
        }
        assert!(!k1.is_cached(&cache));
        flood(
            &cache,
            &shelf,
            10_000 + round * 100..10_000 + round * 100 + 100,
        )
        .await;
        assert!(k1.accepted(&cache).await && t1.accepted(&cache).await);
    }
}

#[tokio::test]
async fn a_flood_of_keys_takes_no_permit_from_tokens() {
    let (shelf, _, cache) = limited(10);
    flood(&cache, &shelf, 0..100).await;
    assert!(Question::token("t1", Some("org_1")).accepted(&cache).await);
}

#[tokio::test]
async fn a_lookup_that_finds_does_not_count() {
    let (shelf, _, cache) = limited(1);
    for i in 0..100 {
        let id = format!("good{i}");
        shelf.memory.insert(key(&id)).await.unwrap();
        assert!(Question::key(&id).accepted(&cache).await);
    }
}

#[tokio::test]
async fn a_lookup_that_finds_what_is_not_accepted_counts() {
    let (shelf, _, cache) = limited(10);
    shelf
        .memory
        .delete(&Owner::of(Kind::PersonalToken, "alice"), "t1")
        .await
        .unwrap();
    const ORGANIZATIONS: [&str; 4] = ["org_1", "org_2", "org_3", "org_4"];
    for i in 0..100 {
        shelf.memory.insert(key(&format!("gone{i}"))).await.unwrap();
        shelf
            .memory
            .delete(&Owner::of(Kind::OrgKey, "org_1"), &format!("gone{i}"))
            .await
            .unwrap();
        let _ = Question::key(&format!("gone{i}")).asked(&cache).await;
    }
    assert_eq!(shelf.look_ups(), 10, "deleted keys");
    for organization in ORGANIZATIONS.iter().cycle().take(100) {
        let _ = Question::token("t1", Some(organization))
            .asked(&cache)
            .await;
    }
    assert!(
        shelf.look_ups() <= 10 + ORGANIZATIONS.len(),
        "a deleted token, seen from anywhere"
    );
}

#[tokio::test]
async fn a_failing_lookup_counts() {
    let (shelf, _, cache) = limited(10);
    shelf.become_(Mood::Broken);
    for i in 0..100 {
        Question::key(&format!("cold{i}"))
            .asked(&cache)
            .await
            .unwrap_err();
    }
    assert_eq!(shelf.look_ups(), 10);
}

#[tokio::test]
async fn no_limit_at_all_and_none_permitted() {
    let (shelf, _, cache) = limited(0);
    assert_eq!(flood(&cache, &shelf, 0..10).await, 0);
    let (shelf, _, cache) = limited(u32::MAX);
    assert_eq!(flood(&cache, &shelf, 0..1_000).await, 1_000);
}

#[tokio::test]
async fn beyond_the_limit_a_good_key_is_told_503_and_not_401() {
    let (shelf, hand, cache) = limited(10);
    flood(&cache, &shelf, 0..100).await;
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
    hand.advance(SECOND);
    assert_eq!(
        answer().await.status(),
        StatusCode::UNAUTHORIZED,
        "found, and the secret is another one"
    );
}
