//! What a cache keeps, for how long, and what invalidates it.

use crate::support::{
    clocks::{ManualMonotonicClock, ManualWallClock, TokioClock},
    held_store, now,
};
use tower_api_key::store::Owner;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use held_store::{Behaviour, HeldStore, TestLookup, cache_without_expiry, key, poll_within_task};
use tokio::{sync::mpsc, time::sleep};
use tower_api_key::{
    async_trait,
    clock::{Clock, UnixMillis},
    credential::Kind,
    store::{
        Cached, Change, CredentialStore, Directory, Feed, FeedEvent, ManageStore, Peek, Record,
        StoreError,
    },
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_accept_expires_after_five_seconds_even_if_used() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&cache).await);
    for _ in 0..4 {
        clock.advance(SECOND);
        assert!(k1.is_cached(&cache));
    }
    clock.advance(SECOND);
    assert!(!k1.is_cached(&cache), "the TTL is absolute");
    assert!(k1.is_accepted(&cache).await);
    assert_eq!(store.lookups(), 2);
}

/// What changed while the answer was on its way may not be in it.
#[tokio::test]
async fn a_late_answer_is_served_only_until_the_question_is_a_ttl_old() {
    let lookups = [
        (TestLookup::key("k1"), SECOND * 5),
        (TestLookup::key("unknown"), SECOND),
    ];
    let tick = Duration::from_millis(1);
    for (lookup, ttl) in lookups {
        for (late, is_kept) in [(ttl - 2 * tick, true), (ttl, false)] {
            let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
            let cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
            store.set_behaviour(Behaviour::Held);
            let asking = tokio::spawn({
                let (cache, lookup) = (cache.clone(), lookup.clone());
                async move { lookup.is_accepted(&cache).await }
            });
            store.wait_until_read().await;
            clock.advance(late);
            store.release();
            assert_eq!(asking.await.unwrap(), ttl == SECOND * 5);
            assert_eq!(lookup.is_cached(&cache), is_kept, "{lookup:?} {late:?}");
            clock.advance(tick);
            assert_eq!(lookup.is_cached(&cache), is_kept, "{lookup:?} {late:?}");
            clock.advance(tick);
            assert!(!lookup.is_cached(&cache), "{lookup:?} {late:?}");
        }
    }
}

#[tokio::test]
async fn a_maximal_ttl_never_expires_and_a_zero_ttl_caches_nothing() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = cache_without_expiry(&store).with_monotonic_clock(clock.clone());
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&cache).await);
    clock.advance(SECOND * 1_000_000_000);
    assert!(k1.is_cached(&cache));

    let cache = Cached::new(Arc::clone(&store)).with_ttl(Duration::ZERO);
    assert!(k1.is_accepted(&cache).await);
    assert!(!k1.is_cached(&cache));
}

#[tokio::test]
async fn an_entry_never_outlives_its_credential() {
    struct At(i64);
    impl Clock for At {
        fn now(&self) -> UnixMillis {
            UnixMillis(self.0)
        }
    }
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    now(store
        .memory
        .insert(key("short").expiring_at(UnixMillis(12_000))))
    .unwrap();
    let cache = cache_without_expiry(&store)
        .with_monotonic_clock(clock.clone())
        .with_clock(At(10_000));
    let short = TestLookup::key("short");
    assert!(short.is_accepted(&cache).await);
    clock.advance(Duration::from_millis(1_999));
    assert!(short.is_cached(&cache));
    clock.advance(Duration::from_millis(1));
    assert!(!short.is_cached(&cache));
}

#[tokio::test]
async fn an_expired_credential_is_looked_up_once_per_negative_ttl() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let expired = key("expired").expiring_at(UnixMillis(1));
    store.memory.insert(expired).await.unwrap();
    let cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
    let expired = TestLookup::key("expired");
    for lookups in [1, 1, 2] {
        assert!(cache.find(&expired.lookup()).await.unwrap().is_some());
        assert_eq!(store.lookups(), lookups);
        clock.advance(SECOND / 2);
    }
}

#[tokio::test]
async fn a_token_is_cached_per_organization() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    assert!(
        TestLookup::token("t1", Some("org_1"))
            .is_accepted(&cache)
            .await
    );
    assert!(
        !TestLookup::token("t1", Some("org_2"))
            .is_accepted(&cache)
            .await
    );
    assert!(TestLookup::token("t1", None).is_accepted(&cache).await);
    assert_eq!(store.lookups(), 3);
}

#[tokio::test]
async fn a_refusal_expires_after_one_second_or_on_creation() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
    let (k2, t2) = (
        TestLookup::key("k2"),
        TestLookup::token("t2", Some("org_1")),
    );
    for lookup in [&k2, &t2] {
        assert!(!lookup.is_accepted(&cache).await);
        assert!(lookup.is_cached(&cache));
    }
    cache.insert(key("k2")).await.unwrap();
    assert!(t2.is_cached(&cache), "a new key is not the token");
    cache
        .insert(Record::personal_token(
            "t2",
            held_store::token_digest("t2"),
            "alice",
        ))
        .await
        .unwrap();
    for lookup in [&k2, &t2] {
        assert!(!lookup.is_cached(&cache), "{lookup:?}");
        assert!(lookup.is_accepted(&cache).await, "{lookup:?}");
    }
    let k3 = TestLookup::key("k3");
    assert!(!k3.is_accepted(&cache).await);
    clock.advance(SECOND);
    assert!(!k3.is_cached(&cache));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_kept_for_milliseconds_and_never_as_an_answer() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    store.set_behaviour(Behaviour::Fails);
    for _ in 0..3 {
        let error = k1.ask(&cache).await.unwrap_err();
        assert!(
            matches!(
                &error,
                StoreError::Unavailable(source) if source.to_string() == "test outage"
            ),
            "{error:?}"
        );
        assert!(!k1.is_cached(&cache));
    }
    assert_eq!(store.lookups(), 1);
    store.set_behaviour(Behaviour::Answers);
    tokio::time::sleep(held_store::FAILURE_LIFE).await;
    assert!(k1.is_accepted(&cache).await);
    assert_eq!(store.lookups(), 2);
}

#[tokio::test]
async fn a_change_of_the_credential_clears_its_failure() {
    let credential = |kind, id: &str| Change::Credential {
        kind,
        id: id.into(),
    };
    let (k1, t1) = (
        TestLookup::key("k1"),
        TestLookup::token("t1", Some("org_1")),
    );
    for (lookup, change, ended) in [
        (&k1, credential(Kind::OrgKey, "k1"), true),
        (&k1, credential(Kind::OrgKey, "k2"), false),
        (&k1, Change::Everything, true),
        (&t1, Change::Organization("org_1".into()), true),
        (&t1, Change::Organization("org_2".into()), false),
        (&t1, credential(Kind::PersonalToken, "t2"), false),
    ] {
        let store = HeldStore::new();
        let cache = cache_without_expiry(&store);
        store.set_behaviour(Behaviour::Fails);
        for _ in 0..2 {
            lookup.ask(&cache).await.unwrap_err();
        }
        assert_eq!(store.lookups(), 1);
        store.set_behaviour(Behaviour::Answers);
        cache.apply(&change);
        assert_eq!(
            lookup.ask(&cache).await.is_ok(),
            ended,
            "{lookup:?} {change:?}"
        );
    }
}

#[tokio::test]
async fn each_change_invalidates_exactly_the_entries_it_affects() {
    let credential = |kind, id: &str| Change::Credential {
        kind,
        id: id.into(),
    };
    let (k1, t1_in_1, t1_in_2, t1) = (0, 1, 2, 3);
    let cases = [
        ("a key", credential(Kind::OrgKey, "k1"), vec![k1]),
        ("another key", credential(Kind::OrgKey, "other"), vec![]),
        (
            "a key with a token's id",
            credential(Kind::OrgKey, "t1"),
            vec![],
        ),
        (
            "a token",
            credential(Kind::PersonalToken, "t1"),
            vec![t1_in_1, t1_in_2, t1],
        ),
        (
            "another token",
            credential(Kind::PersonalToken, "k1"),
            vec![],
        ),
        (
            "a user",
            Change::User("alice".into()),
            vec![t1_in_1, t1_in_2, t1],
        ),
        ("another user", Change::User("bob".into()), vec![]),
        (
            "an organization",
            Change::Organization("org_1".into()),
            vec![k1, t1_in_1],
        ),
        (
            "an organization that was looked up",
            Change::Organization("org_2".into()),
            vec![t1_in_2],
        ),
        (
            "another organization",
            Change::Organization("org_3".into()),
            vec![],
        ),
        (
            "everything",
            Change::Everything,
            vec![k1, t1_in_1, t1_in_2, t1],
        ),
    ];
    for (name, change, ended) in cases {
        let store = HeldStore::new();
        let cache = cache_without_expiry(&store);
        let in_org = |organization| TestLookup::token("t1", organization);
        let lookups = [
            TestLookup::key("k1"),
            in_org(Some("org_1")),
            in_org(Some("org_2")),
            in_org(None),
        ];
        for lookup in &lookups {
            lookup.is_accepted(&cache).await;
            assert!(lookup.is_cached(&cache));
        }
        cache.apply(&change);
        for (at, lookup) in lookups.iter().enumerate() {
            assert_eq!(
                lookup.is_cached(&cache),
                !ended.contains(&at),
                "{name}: {lookup:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_change_made_through_the_cache_applies_at_once() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let (k1, t1) = (
        TestLookup::key("k1"),
        TestLookup::token("t1", Some("org_1")),
    );
    assert!(k1.is_accepted(&cache).await && t1.is_accepted(&cache).await);

    cache.set_user_enabled("alice", false).await.unwrap();
    assert!(!t1.is_accepted(&cache).await);
    cache.set_user_enabled("alice", true).await.unwrap();
    assert!(t1.is_accepted(&cache).await);
    cache.remove_member("alice", "org_1").await.unwrap();
    assert!(!t1.is_accepted(&cache).await);
    cache.set_member("alice", "org_1", "viewer").await.unwrap();
    assert!(t1.is_accepted(&cache).await);
    cache
        .delete(&Owner::of(Kind::PersonalToken, "alice"), "t1")
        .await
        .unwrap();
    assert!(!t1.is_accepted(&cache).await);
    assert!(k1.is_cached(&cache));
    cache.delete_organization("org_1").await.unwrap();
    assert!(!k1.is_accepted(&cache).await);
}

#[tokio::test]
async fn a_change_of_unknown_outcome_invalidates_its_entries() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&cache).await && k1.is_cached(&cache));
    store.writes_fail.store(true, Ordering::SeqCst);
    cache
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap_err();
    assert!(!k1.is_accepted(&cache).await);
}

#[tokio::test]
async fn a_cancelled_change_invalidates_its_entries() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&cache).await && k1.is_cached(&cache));
    let owner = Owner::of(Kind::OrgKey, "org_1");
    let mut deleting = cache.delete(&owner, "k1");
    assert!(
        held_store::poll_within_task(deleting.as_mut())
            .await
            .is_pending(),
        "the store has not answered yet"
    );
    drop(deleting);
    assert!(!k1.is_accepted(&cache).await);
}

#[tokio::test]
async fn a_full_table_evicts_the_least_used_entries() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store).with_capacity(8);
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&cache).await);
    for i in 0..100 {
        let id = format!("more{i}");
        store.memory.insert(key(&id)).await.unwrap();
        assert!(TestLookup::key(&id).is_accepted(&cache).await);
        assert!(k1.is_cached(&cache), "in use, after {i} other lookups");
    }
    let kept = (0..100)
        .filter(|i| TestLookup::key(&format!("more{i}")).is_cached(&cache))
        .count();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn a_table_of_capacity_zero_keeps_nothing() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store)
        .with_capacity(0)
        .with_negative_capacity(0);
    for lookup in [TestLookup::key("k1"), TestLookup::key("unknown")] {
        lookup.is_accepted(&cache).await;
        assert!(!lookup.is_cached(&cache));
    }
}

#[tokio::test]
async fn refused_lookups_evict_no_accepts() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store)
        .with_capacity(2)
        .with_negative_capacity(4);
    let good = [
        TestLookup::key("k1"),
        TestLookup::token("t1", Some("org_1")),
    ];
    for lookup in &good {
        assert!(lookup.is_accepted(&cache).await);
    }
    const ELSEWHERE: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for (i, organization) in ELSEWHERE.into_iter().enumerate() {
        let dead = format!("dead{i}");
        store.memory.insert(key(&dead)).await.unwrap();
        store
            .memory
            .delete(&Owner::of(Kind::OrgKey, "org_1"), &dead)
            .await
            .unwrap();
        let flood = [
            TestLookup::key(&dead),
            TestLookup::key(&i.to_string()),
            TestLookup::token("t1", Some(organization)),
        ];
        for bad in flood {
            assert!(!bad.is_accepted(&cache).await);
            assert!(bad.is_cached(&cache), "{bad:?}");
        }
    }
    assert!(good.iter().all(|lookup| lookup.is_cached(&cache)));
}

#[tokio::test]
async fn stale_accepts_are_served_only_if_enabled_and_within_the_grace_period() {
    let k1 = TestLookup::key("k1");
    for (name, grace, after, served) in [
        ("not allowed", None, 6, false),
        ("within the grace period", Some(10), 14, true),
        ("past the grace period", Some(10), 15, false),
    ] {
        let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
        let mut cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
        if let Some(grace) = grace {
            cache = cache.danger_with_stale_accepts(SECOND * grace);
        }
        assert!(k1.is_accepted(&cache).await);
        store.set_behaviour(Behaviour::Fails);
        clock.advance(SECOND * after);
        assert!(!k1.is_cached(&cache), "the store is queried first");
        assert_eq!(k1.ask(&cache).await.unwrap_or(false), served, "{name}");
    }
}

#[tokio::test]
async fn revoked_or_refused_credentials_are_never_served_stale() {
    let k1 = TestLookup::key("k1");
    for (name, by_change) in [
        ("revoked by a change", true),
        ("refused by the store", false),
    ] {
        for negative in [Duration::ZERO, SECOND] {
            let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
            let cache = Cached::new(Arc::clone(&store))
                .with_monotonic_clock(clock.clone())
                .with_negative_ttl(negative);
            let cache = cache.danger_with_stale_accepts(SECOND * 100);
            assert!(k1.is_accepted(&cache).await);
            store
                .memory
                .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
                .await
                .unwrap();
            clock.advance(SECOND * 6);
            match by_change {
                true => cache.apply(&Change::Credential {
                    kind: Kind::OrgKey,
                    id: "k1".into(),
                }),
                false => assert!(!k1.is_accepted(&cache).await),
            }
            clock.advance(SECOND * 6);
            store.set_behaviour(Behaviour::Fails);
            assert!(k1.ask(&cache).await.is_err(), "{name}");
        }
    }
}

/// A store that cannot read one record works: what it said of it before is out of date.
#[tokio::test]
async fn an_unreadable_record_ends_the_stale_accept() {
    let k1 = TestLookup::key("k1");
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let cache = Cached::new(Arc::clone(&store)).with_monotonic_clock(clock.clone());
    let cache = cache.danger_with_stale_accepts(SECOND * 100);
    assert!(k1.is_accepted(&cache).await);
    clock.advance(SECOND * 6);
    for behaviour in [Behaviour::IsDamaged, Behaviour::Fails] {
        store.set_behaviour(behaviour);
        clock.advance(SECOND);
        assert!(k1.ask(&cache).await.is_err(), "{behaviour:?}");
    }
}

#[tokio::test]
async fn expired_credentials_are_never_served_stale() {
    #[derive(Clone)]
    struct WallClock(ManualMonotonicClock);
    impl Clock for WallClock {
        fn now(&self) -> UnixMillis {
            UnixMillis(tower_api_key::store::MonotonicClock::elapsed(&self.0).as_millis() as i64)
        }
    }
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    now(store
        .memory
        .insert(key("short").expiring_at(UnixMillis(8_000))))
    .unwrap();
    let cache = Cached::new(Arc::clone(&store))
        .with_monotonic_clock(clock.clone())
        .with_clock(WallClock(clock.clone()));
    let (cache, short) = (
        cache.danger_with_stale_accepts(SECOND * 100),
        TestLookup::key("short"),
    );
    assert!(short.is_accepted(&cache).await);
    store.set_behaviour(Behaviour::Fails);
    clock.advance(SECOND * 7);
    assert!(short.is_accepted(&cache).await);
    clock.advance(SECOND);
    assert!(short.ask(&cache).await.is_err());
}

/// As after the clock was set, or after a suspend that the monotonic clock has not counted.
#[tokio::test]
async fn a_stale_accept_ends_when_the_wall_clock_passes_its_expiry() {
    let (store, clock) = (HeldStore::new(), ManualMonotonicClock::default());
    let wall = ManualWallClock::default();
    let mortal = key("mortal").expiring_at(UnixMillis(60_000));
    store.memory.insert(mortal).await.unwrap();
    let cache = Cached::new(Arc::clone(&store))
        .with_monotonic_clock(clock.clone())
        .with_clock(wall.clone())
        .danger_with_stale_accepts(SECOND * 100);
    let mortal = TestLookup::key("mortal");
    assert!(mortal.is_accepted(&cache).await);
    store.set_behaviour(Behaviour::Fails);
    clock.advance(SECOND * 6);
    for (reads, is_served) in [(59_999, true), (60_000, false)] {
        wall.set(reads);
        assert_eq!(mortal.ask(&cache).await.is_ok(), is_served, "{reads}");
    }
}

/// A feed that yields the events a test sends.
struct ChannelFeed(mpsc::Receiver<FeedEvent>);

#[async_trait]
impl Feed for ChannelFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        self.0.recv().await
    }
}

struct FollowedCache {
    cache: Arc<held_store::Cache>,
    clock: TokioClock,
    store: Arc<HeldStore>,
    send: Option<mpsc::Sender<FeedEvent>>,
    task: tokio::task::JoinHandle<()>,
}

impl FollowedCache {
    fn start() -> Self {
        let (store, clock) = (HeldStore::new(), TokioClock::start());
        let cache = Arc::new(cache_without_expiry(&store).with_monotonic_clock(clock.clone()));
        let (send, events) = mpsc::channel(1);
        let task = tokio::spawn(cache.follow(ChannelFeed(events)));
        Self {
            cache,
            clock,
            store,
            send: Some(send),
            task,
        }
    }

    /// Sends an event and returns once it was received and applied.
    async fn send(&self, event: FeedEvent) {
        let send = self.send.as_ref().unwrap();
        send.send(event).await.unwrap();
        while send.capacity() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await; // the follower runs until it waits again
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_from_the_feed_is_applied() {
    let following = FollowedCache::start();
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&*following.cache).await && k1.is_cached(&*following.cache));
    following
        .store
        .memory
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap();
    following
        .send(FeedEvent::Changed(Change::Credential {
            kind: Kind::OrgKey,
            id: "k1".into(),
        }))
        .await;
    assert!(!k1.is_accepted(&*following.cache).await);
}

#[tokio::test(start_paused = true)]
async fn after_a_feed_loss_entries_expire_at_the_bound_until_it_is_restored() {
    let following = FollowedCache::start();
    let (cache, k1) = (&*following.cache, TestLookup::key("k1"));
    assert!(k1.is_accepted(cache).await);
    following.send(FeedEvent::Lost).await;
    sleep(SECOND * 5).await;
    following.send(FeedEvent::Lost).await; // sent twice, the loss dates from the first
    sleep(Duration::from_millis(999)).await;
    assert!(k1.is_cached(cache));
    sleep(Duration::from_millis(1)).await;
    assert!(!k1.is_cached(cache));
    assert!(k1.is_accepted(cache).await);
    assert!(
        !k1.is_cached(cache),
        "entries read during the loss are not trusted either"
    );

    following.send(FeedEvent::Restored).await;
    assert!(
        !k1.is_cached(cache),
        "entries read before the feed was restored are not trusted"
    );
    assert!(k1.is_accepted(cache).await);
    sleep(SECOND * 1_000).await;
    assert!(k1.is_cached(cache));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_ends_or_a_dropped_follower_counts_as_lost() {
    for end in ["the feed ends", "the follower is dropped"] {
        let mut following = FollowedCache::start();
        let k1 = TestLookup::key("k1");
        assert!(k1.is_accepted(&*following.cache).await && k1.is_cached(&*following.cache));
        match end {
            "the feed ends" => drop(following.send.take()),
            _ => following.task.abort(),
        }
        let _ = following.task.await;
        sleep(SECOND * 10).await;
        assert!(!k1.is_cached(&*following.cache), "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_feed_replaces_the_old_one() {
    let mut following = FollowedCache::start();
    let k1 = TestLookup::key("k1");
    let (_send, events) = mpsc::channel(1);
    assert!(k1.is_accepted(&*following.cache).await);
    let again = tokio::spawn(following.cache.follow(ChannelFeed(events)));
    assert!(
        !k1.is_cached(&*following.cache),
        "entries from before the new feed are not trusted"
    );
    drop(following.send.take());
    following.task.await.unwrap();
    assert!(k1.is_accepted(&*following.cache).await);
    sleep(SECOND * 1_000).await;
    assert!(
        k1.is_cached(&*following.cache),
        "the old feed no longer has any effect"
    );
    again.abort();
}

#[tokio::test(start_paused = true)]
async fn an_earlier_feed_does_not_make_up_for_the_loss_of_the_newer_one() {
    let following = FollowedCache::start();
    let (cache, k1) = (&*following.cache, TestLookup::key("k1"));
    let (send, events) = mpsc::channel(1);
    let newer = tokio::spawn(cache.follow(ChannelFeed(events)));
    assert!(k1.is_accepted(cache).await && k1.is_cached(cache));
    drop(send);
    newer.await.unwrap();
    sleep(SECOND * 6).await;
    assert!(!k1.is_cached(cache), "the earlier follower still runs");
}

const NIGHT: Duration = Duration::from_secs(8 * 3_600);

#[tokio::test(start_paused = true)]
async fn entries_from_before_a_suspend_are_not_served() {
    for is_followed in [true, false] {
        let following = FollowedCache::start();
        let k1 = TestLookup::key("k1");
        let alone =
            Cached::new(Arc::clone(&following.store)).with_monotonic_clock(following.clock.clone());
        let cache = if is_followed {
            &*following.cache
        } else {
            &alone
        };
        assert!(k1.is_accepted(cache).await && k1.is_cached(cache));
        following
            .store
            .memory
            .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
            .await
            .unwrap(); // on another node, while the machine sleeps
        following.clock.suspend(NIGHT);
        assert!(!k1.is_cached(cache), "followed: {is_followed}");
        assert!(!k1.is_accepted(cache).await);
        sleep(SECOND * 5).await; // the feed is trusted again, older entries are not
        assert!(!k1.is_accepted(cache).await);
    }
}

#[tokio::test(start_paused = true)]
async fn entries_from_before_a_short_suspend_end_with_the_next_heartbeat() {
    let following = FollowedCache::start();
    let k1 = TestLookup::key("k1");
    sleep(SECOND / 2).await;
    assert!(k1.is_accepted(&*following.cache).await && k1.is_cached(&*following.cache));
    following.clock.suspend(SECOND * 3);
    sleep(SECOND).await;
    assert!(!k1.is_cached(&*following.cache));
    assert!(k1.is_accepted(&*following.cache).await);
    sleep(SECOND * 1_000).await;
    assert!(
        k1.is_cached(&*following.cache),
        "entries read after the suspend are trusted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_follower_counts_as_a_silent_feed() {
    let (store, clock) = (HeldStore::new(), TokioClock::start());
    let cache = Arc::new(cache_without_expiry(&store).with_monotonic_clock(clock));
    let (_send, events) = mpsc::channel(1);
    let mut idle = Box::pin(cache.follow(ChannelFeed(events)));
    assert!(
        held_store::poll_within_task(idle.as_mut())
            .await
            .is_pending()
    );
    let k1 = TestLookup::key("k1");
    assert!(k1.is_accepted(&*cache).await);
    sleep(Duration::from_millis(9_990)).await;
    assert!(k1.is_cached(&*cache));
    sleep(Duration::from_millis(20)).await;
    assert!(
        !k1.is_cached(&*cache),
        "4 s and the bound of 6 s after its last run"
    );
    assert!(
        held_store::poll_within_task(idle.as_mut())
            .await
            .is_pending()
    );
    assert!(
        !k1.is_cached(&*cache),
        "the stalled follower has not applied recent changes"
    );
    assert!(k1.is_accepted(&*cache).await && k1.is_cached(&*cache));
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_four_seconds_and_a_suspend_of_one_are_borne() {
    let (store, clock) = (HeldStore::new(), TokioClock::start());
    let cache = cache_without_expiry(&store).with_monotonic_clock(clock.clone());
    let (_send, events) = mpsc::channel(1);
    let mut follower = Box::pin(cache.follow(ChannelFeed(events)));
    let (k1, longer) = (TestLookup::key("k1"), Duration::from_millis(1));
    for (name, passed, slept, is_borne) in [
        ("a pause", SECOND * 4, Duration::ZERO, true),
        ("a longer pause", SECOND * 4 + longer, Duration::ZERO, false),
        ("a suspend", SECOND, SECOND, true),
        ("a longer suspend", SECOND, SECOND + longer, false),
    ] {
        assert!(poll_within_task(follower.as_mut()).await.is_pending());
        assert!(k1.is_accepted(&cache).await && k1.is_cached(&cache));
        tokio::time::advance(passed).await;
        clock.suspend(slept);
        assert!(poll_within_task(follower.as_mut()).await.is_pending());
        assert_eq!(k1.is_cached(&cache), is_borne, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn wall_clock_steps_neither_extend_a_bound_nor_revive_an_entry() {
    for step in [-3_600_000, 3_600_000] {
        let (store, clock, wall) = (
            HeldStore::new(),
            ManualMonotonicClock::default(),
            ManualWallClock::default(),
        );
        store
            .memory
            .insert(key("short").expiring_at(UnixMillis(7_000)))
            .await
            .unwrap();
        let cache = Cached::new(Arc::clone(&store))
            .with_monotonic_clock(clock.clone())
            .with_clock(wall.clone());
        let cache = cache.danger_with_stale_accepts(SECOND * 100);
        let (k1, short, unknown) = (
            TestLookup::key("k1"),
            TestLookup::key("short"),
            TestLookup::key("unknown"),
        );
        assert!(
            k1.is_accepted(&cache).await
                && short.is_accepted(&cache).await
                && !unknown.is_accepted(&cache).await
        );
        wall.set(step);
        clock.advance(Duration::from_millis(999));
        assert!(unknown.is_cached(&cache));
        clock.advance(Duration::from_millis(1));
        assert!(!unknown.is_cached(&cache), "{step}");
        clock.advance(SECOND * 4);
        assert!(!k1.is_cached(&cache) && !short.is_cached(&cache), "{step}");
        clock.advance(SECOND * 3); // past the expiry of one, whatever the wall clock reads
        store.set_behaviour(Behaviour::Fails);
        assert!(k1.is_accepted(&cache).await, "stale, {step}");
        assert!(short.ask(&cache).await.is_err(), "{step}");
    }
}

#[tokio::test]
async fn the_inner_store_is_accessible() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let (k1, reader) = (TestLookup::key("k1"), cache.store());
    assert!(k1.is_accepted(&cache).await && k1.is_accepted(&reader).await);
    store
        .memory
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "k1")
        .await
        .unwrap(); // on another node, without a feed
    assert!(k1.is_accepted(&cache).await);
    assert!(!k1.is_accepted(&reader).await);
    let below = cache.create_organization("org_below", Some("org_1"));
    below.await.unwrap();
    for (organization, ancestor, is_below) in
        [("org_below", "org_1", true), ("org_1", "org_below", false)]
    {
        let answer = reader.is_descendant_of(organization, ancestor).await;
        assert_eq!(answer.unwrap(), is_below);
    }
}

#[tokio::test]
async fn find_is_answered_from_the_cache() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let k1 = TestLookup::key("k1");
    for _ in 0..3 {
        assert!(cache.find(&k1.lookup()).await.unwrap().is_some());
    }
    assert!(matches!(cache.peek(&k1.lookup()), Peek::Found(_)));
    assert_eq!(store.lookups(), 1);
}

/// Behaves like SQLite's driver, which completes a statement even if its caller is gone.
#[tokio::test]
async fn a_cancelled_change_reaches_the_cache_once_it_is_made() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let commits = Arc::new(tokio::sync::Notify::new());
    *store.deletion_gate.lock().unwrap() = Some(Arc::clone(&commits));
    let owner = Owner::of(Kind::OrgKey, "org_1");
    let mut deletion = Box::pin(cache.delete(&owner, "k1"));
    assert!(poll_within_task(deletion.as_mut()).await.is_pending());
    drop(deletion);
    let key = TestLookup::key("k1");
    assert!(key.is_accepted(&cache).await, "it is not deleted yet");
    assert!(key.is_cached(&cache));
    commits.notify_one();
    while store.memory.peek(&key.lookup()).is_active() {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(
        !key.is_accepted(&cache).await,
        "a deleted key stays accepted"
    );
}

trait PeekExt {
    fn is_active(&self) -> bool;
}

impl PeekExt for tower_api_key::store::Peek {
    fn is_active(&self) -> bool {
        matches!(
            self,
            Self::Found(record) if record.status() == tower_api_key::store::Status::Active
        )
    }
}
