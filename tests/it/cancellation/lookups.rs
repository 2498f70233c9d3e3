//! Lookups and followers of a cache.

use std::{collections::VecDeque, time::Duration};

use tokio::task::yield_now;
use tower_api_key::{
    async_trait,
    credential::Kind,
    store::{Cached, Change, Feed, FeedEvent, ManageStore, Owner},
};

use super::{STEPS, settle};
use crate::support::{
    held_store::{TestLookup, filled_memory},
    yielding_store::{YieldingStore, cancelled_after},
};

fn lookups() -> [TestLookup; 3] {
    [
        TestLookup::key("k1"),
        TestLookup::key("unknown"),
        TestLookup::token("t1", Some("org_1")),
    ]
}

#[tokio::test]
async fn a_dropped_lookup_is_finished_for_the_next_caller() {
    for lookup in lookups() {
        for polls in 0..STEPS {
            let store = YieldingStore::new(filled_memory());
            let expected = lookup.is_accepted(&store.memory).await;
            let cache = Cached::new(store.clone());
            let done = cancelled_after(polls, lookup.ask(&cache)).await;
            let next = cancelled_after(STEPS, lookup.ask(&cache)).await;
            let place = format!("{lookup:?}, dropped after {polls} polls");
            assert!(next.expect("no one else is needed").unwrap() == expected);
            settle().await;
            assert!(lookup.is_cached(&cache), "{place}");
            assert!(store.lookups() <= 1, "{place}: asked again");
            if done.is_some() {
                assert!(polls > 2, "it waited {polls} times");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_overrides_a_dropped_lookup() {
    let lookup = TestLookup::key("k1");
    for polls in 0..8 {
        for waits in 0..8 {
            let store = YieldingStore::new(filled_memory());
            let cache = Cached::new(store.clone());
            let _ = cancelled_after(polls, lookup.ask(&cache)).await;
            for _ in 0..waits {
                yield_now().await;
            }
            let owner = Owner::Organization("org_1".into());
            store.memory.delete(&owner, "k1").await.unwrap();
            cache.apply(&Change::Credential {
                kind: Kind::OrgKey,
                id: "k1".into(),
            });
            for _ in 0..STEPS {
                assert!(!lookup.is_accepted(&cache).await, "{polls} polls, {waits}");
                yield_now().await;
            }
        }
    }
}

/// A feed that waits before each of its events, and for ever after the last.
struct YieldingFeed(VecDeque<FeedEvent>);

#[async_trait]
impl Feed for YieldingFeed {
    async fn next(&mut self) -> Option<FeedEvent> {
        yield_now().await;
        match self.0.pop_front() {
            Some(event) => Some(event),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_follower_counts_as_a_lost_feed() {
    let lookup = TestLookup::key("k1");
    let changed = || FeedEvent::Changed(Change::User("alice".into()));
    let events = [
        changed(),
        FeedEvent::Lost,
        changed(),
        FeedEvent::Restored,
        changed(),
    ];
    for polls in 0..12 {
        let store = YieldingStore::new(filled_memory());
        let cache = Cached::new(store.clone())
            .with_ttl(Duration::MAX)
            .with_max_staleness_after_disconnect(Duration::ZERO);
        let feed = YieldingFeed(events.clone().into());
        let mut follower = Box::pin(cache.follow(feed));
        let _ = cancelled_after(polls, &mut follower).await;
        assert!(lookup.is_accepted(&cache).await);
        drop(follower);
        let lookups = store.lookups();
        assert!(!lookup.is_cached(&cache), "trusted after {polls} polls");
        assert!(lookup.is_accepted(&cache).await);
        assert_eq!(store.lookups(), lookups + 1);
        // Another follower can take over.
        let feed = YieldingFeed([].into());
        let mut next = Box::pin(cache.follow(feed));
        let _ = cancelled_after(2, &mut next).await;
        assert!(lookup.is_accepted(&cache).await);
        assert!(lookup.is_cached(&cache), "not trusted after {polls} polls");
    }
}
