//! A change overrides lookups in flight, and concurrent callers share one lookup.

use crate::support::{held_store, now};
use tower_api_key::store::Owner;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use held_store::{Behaviour, HeldStore, TestLookup, cache_without_expiry, key, poll_within_task};
use http::{Request, Response, StatusCode};
use tokio::task::yield_now;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
    store::{
        Cached, Change, CredentialStore, Directory, ManageStore, MemoryStore, Record, StoreError,
    },
};

fn change(kind: Kind, id: &str) -> Change {
    Change::Credential {
        kind,
        id: id.into(),
    }
}

/// What a change does to the store before it reaches the cache.
type Write = fn(&MemoryStore);

#[tokio::test]
async fn a_change_overrides_a_lookup_in_flight() {
    let (key, token) = (
        || TestLookup::key("k1"),
        || TestLookup::token("t1", Some("org_1")),
    );
    let cases: [(&str, TestLookup, Write, Change); 8] = [
        (
            "a key",
            key(),
            |s| now(s.delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")).unwrap(),
            change(Kind::OrgKey, "k1"),
        ),
        (
            "the organization of a key",
            key(),
            |s| now(s.delete_organization("org_1")).unwrap(),
            Change::Organization("org_1".into()),
        ),
        (
            "a key and everything",
            key(),
            |s| now(s.delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")).unwrap(),
            Change::Everything,
        ),
        (
            "a token",
            token(),
            |s| now(s.delete(&Owner::of(Kind::PersonalToken, "alice"), "t1")).unwrap(),
            change(Kind::PersonalToken, "t1"),
        ),
        (
            "the owner of a token",
            token(),
            |s| now(s.set_user_enabled("alice", false)).unwrap(),
            Change::User("alice".into()),
        ),
        (
            "a membership",
            token(),
            |s| now(s.remove_member("alice", "org_1")).unwrap(),
            Change::User("alice".into()),
        ),
        (
            "an organization",
            token(),
            |s| now(s.delete_organization("org_1")).unwrap(),
            Change::Organization("org_1".into()),
        ),
        (
            "a token and everything",
            token(),
            |s| now(s.delete(&Owner::of(Kind::PersonalToken, "alice"), "t1")).unwrap(),
            Change::Everything,
        ),
    ];
    for (name, lookup, write, change) in cases {
        let store = HeldStore::new();
        let cache = Arc::new(cache_without_expiry(&store));
        store.set_behaviour(Behaviour::Held);
        let early = tokio::spawn({
            let (cache, lookup) = (Arc::clone(&cache), lookup.clone());
            async move { lookup.is_accepted(&*cache).await }
        });
        store.wait_until_read().await;
        write(&store.memory);
        store.set_behaviour(Behaviour::Answers);
        cache.apply(&change);

        assert!(
            !lookup.is_accepted(&*cache).await,
            "{name}: joined a lookup from before the change"
        );
        store.release();
        assert!(early.await.unwrap(), "{name}: it held the old answer");
        assert!(
            !lookup.is_accepted(&*cache).await,
            "{name}: the old answer was cached"
        );
        assert_eq!(store.lookups(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_creation_overrides_a_miss_in_flight() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        let store = HeldStore::new();
        let cache = Arc::new(cache_without_expiry(&store));
        let (lookup, record) = match kind {
            Kind::OrgKey => (TestLookup::key("new"), key("new")),
            Kind::PersonalToken => (
                TestLookup::token("new", Some("org_1")),
                Record::personal_token("new", held_store::token_digest("new"), "alice"),
            ),
        };
        store.set_behaviour(Behaviour::Held);
        let mut early = Box::pin(lookup.ask(&*cache));
        assert!(poll_within_task(early.as_mut()).await.is_pending());
        store.release();
        cache.insert(record).await.unwrap();
        assert!(!early.await.unwrap());
        assert!(lookup.is_accepted(&*cache).await, "{kind:?}");
    }
}

#[tokio::test]
async fn an_unrelated_change_does_not_stop_a_lookup_from_being_cached() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let token = TestLookup::token("t1", Some("org_1"));
    store.set_behaviour(Behaviour::Held);
    let mut early = Box::pin(token.ask(&cache));
    assert!(poll_within_task(early.as_mut()).await.is_pending());
    for other in [
        change(Kind::PersonalToken, "t2"),
        Change::User("bob".into()),
        Change::Organization("org_2".into()),
    ] {
        cache.apply(&other);
    }
    store.release();
    assert!(early.await.unwrap());
    assert!(token.is_cached(&cache));
}

#[tokio::test]
async fn a_change_beyond_the_history_overrides_a_lookup_in_flight() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    store.set_behaviour(Behaviour::Held);
    let mut early = Box::pin(k1.ask(&cache));
    assert!(poll_within_task(early.as_mut()).await.is_pending());
    store
        .memory
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap();
    cache.apply(&change(Kind::OrgKey, "k1"));
    for i in 0..10_000 {
        cache.apply(&change(Kind::PersonalToken, &i.to_string()));
    }
    store.release();
    assert!(early.await.unwrap());
    assert!(!k1.is_accepted(&cache).await);
}

#[tokio::test]
async fn a_late_outdated_answer_does_not_replace_a_newer_one() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    store.set_behaviour(Behaviour::Held);
    let mut early = Box::pin(k1.ask(&cache));
    assert!(poll_within_task(early.as_mut()).await.is_pending());
    store.set_behaviour(Behaviour::Answers);
    // May affect k1, so the next lookup does not join.
    cache.apply(&Change::Organization("org_2".into()));
    store
        .memory
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap(); // the cache does not see it
    assert!(!k1.is_accepted(&cache).await);
    store.release();
    assert!(early.await.unwrap());
    assert!(!k1.is_accepted(&cache).await);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_of_a_cold_key_share_one_lookup() {
    let store = HeldStore::new();
    let cache = Arc::new(cache_without_expiry(&store));
    store.set_behaviour(Behaviour::Held);
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { TestLookup::key("k1").is_accepted(&*cache).await })
        })
        .collect();
    store.wait_until_read().await;
    yield_now().await; // every task has been polled by now
    store.release();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(store.lookups(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_cached_is_still_shared() {
    for (name, behaviour) in [
        ("an accept", Behaviour::Held),
        ("an error", Behaviour::HeldThenFails),
    ] {
        let store = HeldStore::new();
        let cache = cache_without_expiry(&store).with_ttl(Duration::ZERO);
        let k1 = TestLookup::key("k1");
        store.set_behaviour(behaviour);
        let mut callers: Vec<_> = (0..100).map(|_| Box::pin(k1.ask(&cache))).collect();
        for caller in &mut callers {
            assert!(poll_within_task(caller.as_mut()).await.is_pending());
        }
        store.release();
        for caller in callers {
            match (behaviour, caller.await) {
                (Behaviour::Held, answer) => assert!(answer.unwrap()),
                (_, Err(StoreError::Corrupt(source))) => {
                    assert_eq!(source.to_string(), "test damage")
                }
                (_, other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(store.lookups(), 1, "{name}");
        tokio::time::sleep(held_store::FAILURE_LIFE).await;
        assert!(k1.is_accepted(&cache).await, "{name}");
    }
}

#[tokio::test]
async fn a_lookup_continues_when_its_first_caller_is_cancelled() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    store.set_behaviour(Behaviour::Held);
    let mut leader = Box::pin(k1.ask(&cache));
    assert!(poll_within_task(leader.as_mut()).await.is_pending());
    let mut others: Vec<_> = (0..1_000).map(|_| Box::pin(k1.ask(&cache))).collect();
    for other in &mut others {
        assert!(poll_within_task(other.as_mut()).await.is_pending());
    }
    drop(leader);
    store.release();
    for other in others {
        assert!(other.await.unwrap());
    }
    assert_eq!(store.lookups(), 1);
}

#[tokio::test]
async fn a_panicking_lookup_fails_for_every_waiter() {
    let store = HeldStore::new();
    let cache = Arc::new(cache_without_expiry(&store));
    store.set_behaviour(Behaviour::HeldThenPanics);
    let ask = || {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { TestLookup::key("k1").ask(&*cache).await })
    };
    let callers: Vec<_> = (0..100).map(|_| ask()).collect();
    store.wait_until_read().await;
    yield_now().await;
    store.release();
    for caller in callers {
        let answer = caller.await.unwrap();
        assert_eq!(answer.unwrap_err().code(), "store_panicked");
    }
    assert_eq!(store.lookups(), 1);
}

#[tokio::test]
async fn an_abandoned_lookup_continues_and_can_be_joined() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    store.set_behaviour(Behaviour::Held);
    let mut gone = Box::pin(k1.ask(&cache));
    assert!(poll_within_task(gone.as_mut()).await.is_pending());
    drop(gone);
    let mut other = Box::pin(k1.ask(&cache));
    assert!(poll_within_task(other.as_mut()).await.is_pending());
    store.release();
    assert!(other.await.unwrap());
    assert!(k1.is_cached(&cache));
    assert_eq!(store.lookups(), 1);
}

const TASKS: usize = 64;
const REQUESTS: usize = 10_000;

/// Each acknowledged revocation sets a mark. A caller that reads the mark before it asks must be
/// refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_stale_accept_in_640_000_requests_with_an_infinite_ttl() {
    let store = Arc::new(Cached::new(MemoryStore::new()).with_ttl(Duration::MAX));
    store.create_organization("org_1", None).await.unwrap();
    let minted: Vec<_> = (0..TASKS)
        .map(|_| TokenFormat::default().mint(Kind::OrgKey).unwrap())
        .collect();
    for key in &minted {
        let record = Record::org_key(&key.id, key.digest.clone(), "org_1");
        store
            .insert(record.with_role("viewer", store.catalogue()).unwrap())
            .await
            .unwrap();
        assert!(
            TestLookup::key(&key.id.to_string())
                .is_accepted(&*store)
                .await
        );
        assert!(
            TestLookup::key(&key.id.to_string()).is_cached(&*store),
            "the cached path must be used"
        );
    }
    let bearers: Arc<Vec<_>> = Arc::new(
        minted
            .iter()
            .map(|key| format!("Bearer {}", key.secret.expose_secret()))
            .collect(),
    );
    let revoked: Arc<Vec<_>> = Arc::new((0..TASKS).map(|_| AtomicBool::new(false)).collect());
    let (done, accepted, refused) = (
        Arc::new(AtomicUsize::new(0)),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let (accepted, refused) = (Arc::new(accepted), Arc::new(refused));
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Arc::clone(&store)))
        .service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });

    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (service, bearers, revoked) =
                (service.clone(), Arc::clone(&bearers), Arc::clone(&revoked));
            let (done, accepted, refused) = (
                Arc::clone(&done),
                Arc::clone(&accepted),
                Arc::clone(&refused),
            );
            tokio::spawn(async move {
                for round in 0..REQUESTS {
                    let key = (task * 7 + round) % TASKS;
                    let dead = revoked[key].load(Ordering::SeqCst);
                    let request = Request::builder()
                        .header("authorization", &bearers[key])
                        .body(())
                        .unwrap();
                    let status = service.clone().oneshot(request).await.unwrap().status();
                    match (dead, status) {
                        (true, StatusCode::OK) => {
                            panic!("key {key} was accepted after its revocation")
                        }
                        (true, _) => refused.fetch_add(1, Ordering::Relaxed),
                        (false, StatusCode::OK) => accepted.fetch_add(1, Ordering::Relaxed),
                        (false, _) => 0, // revoked, not yet acknowledged
                    };
                    if done.fetch_add(1, Ordering::SeqCst) % 128 == 0 {
                        yield_now().await;
                    }
                }
            })
        })
        .collect();
    for (key, minted) in minted.iter().enumerate().take(TASKS - 1) {
        while done.load(Ordering::SeqCst) < key * (TASKS * REQUESTS / TASKS) {
            yield_now().await;
        }
        store
            .delete(&Owner::of(Kind::OrgKey, "org_1"), &minted.id.to_string())
            .await
            .unwrap();
        revoked[key].store(true, Ordering::SeqCst);
    }
    for task in tasks {
        task.await.unwrap();
    }
    let counted = (
        accepted.load(Ordering::SeqCst),
        refused.load(Ordering::SeqCst),
    );
    assert!(
        counted.0 > TASKS * REQUESTS / 10 && counted.1 > TASKS * REQUESTS / 10,
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_cache_failure_is_a_503_from_the_layer() {
    let store = HeldStore::new();
    store.set_behaviour(Behaviour::Fails);
    let cache = Arc::new(cache_without_expiry(&store));
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Arc::clone(&cache)))
        .service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });
    let request = Request::builder()
        .header("authorization", "Bearer ak_k1.test-secret")
        .body(())
        .unwrap();
    assert_eq!(
        service.oneshot(request).await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(matches!(
        cache.peek(&TestLookup::key("k1").lookup()),
        tower_api_key::store::Peek::Unknown
    ));
}
