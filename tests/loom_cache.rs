//! Every interleaving of a revocation with look-ups, up to three preemptions, over the core of the cache itself.
//!
//! The core is compiled a second time here, on the locks and atomics of the model checker. `LOOM_MAX_PREEMPTIONS` raises
//! the bound: `LOOM_MAX_PREEMPTIONS=4 cargo test --release --test loom_cache`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![allow(dead_code, unreachable_pub, reason = "the core is compiled as it is")]

mod credential {
    pub(crate) use tower_api_key::credential::Kind;
}
mod principal {
    pub(crate) use tower_api_key::principal::{CredentialId, OrgId, UserId};
}
// Its own, since outside of the crate nobody may match on a change without a default.
#[allow(unfulfilled_lint_expectations, reason = "it is not public here")]
#[path = "../src/store/feed.rs"]
mod feed;
mod store {
    pub(crate) use crate::feed::Change;
    pub(crate) use tower_api_key::store::Record;
}

#[path = "../src/store/cached/core.rs"]
mod core;
#[path = "../src/store/cached/entry.rs"]
mod entry;
#[path = "../src/store/cached/flight.rs"]
mod flight;
#[path = "../src/store/cached/key.rs"]
mod key;
#[path = "../src/store/cached/ledger.rs"]
mod ledger;
#[path = "../src/store/cached/subject.rs"]
mod subject;

/// What the core stands on, as the model checker has it.
mod sync {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    };
    pub(crate) use papaya::Equivalent;

    pub(crate) struct Map<K, V>(Mutex<Vec<(K, V)>>);

    impl<K: Eq, V> Map<K, V> {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }

        pub(crate) fn with<Q: Equivalent<K>, T>(&self, key: &Q, look: impl FnOnce(&V) -> T) -> Option<T>
        where
            V: Clone,
        {
            // Looked at outside of the lock, as a reader of the real map does.
            let value = lock(&self.0).iter().find(|(own, _)| key.equivalent(own)).map(|(_, value)| value.clone());
            value.as_ref().map(look)
        }

        pub(crate) fn insert(&self, key: K, value: V) {
            let mut entries = lock(&self.0);
            entries.retain(|(own, _)| *own != key);
            entries.push((key, value));
        }

        pub(crate) fn remove(&self, key: &K) {
            lock(&self.0).retain(|(own, _)| own != key);
        }
    }

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

use self::{
    core::{Core, Fill},
    entry::NEVER,
    flight::Joined,
    key::{Asked, AskedName},
    ledger::Sort,
    sync::{AtomicBool, Mutex, Ordering, lock},
};
use credential::Kind;
use loom::{model::Builder, sync::Arc, thread};
use store::{Change, Record};
use tower_api_key::secret::Digest;

/// Where riders meet: the first to take the lock leads, as in the cell of the real cache.
struct Landing(Mutex<Option<bool>>);

impl Default for Landing {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

/// A cache in front of a store of one credential.
struct World {
    core: Core<Landing>,
    live: AtomicBool,
    kind: Kind,
}

impl World {
    fn new(kind: Kind, live: bool) -> Arc<Self> {
        Arc::new(Self { core: Core::new(4, 4), live: AtomicBool::new(live), kind })
    }

    fn asked(&self) -> Asked<'static> {
        match self.kind {
            Kind::OrgKey => Asked { name: AskedName::Id(b"k1"), organization: None },
            Kind::PersonalToken => Asked { name: AskedName::Digest([7; 4]), organization: Some("org_1") },
        }
    }

    fn record(&self) -> std::sync::Arc<Record> {
        let digest = Digest::from_bytes([0; 32]);
        std::sync::Arc::new(match self.kind {
            Kind::OrgKey => Record::org_key("k1", digest, "org_1"),
            Kind::PersonalToken => Record::personal_token("t1", digest, "alice").in_organization("org_1"),
        })
    }

    /// Asks as `Cached` does; whether the answer is an accept.
    fn accepts(&self) -> bool {
        let asked = self.asked();
        if let Some(known) = self.core.get(&asked, || 0) {
            return known.sort == Sort::Accept;
        }
        match self.core.join(asked.to_key().unwrap(), 0) {
            Joined::Known(known) => known.sort == Sort::Accept,
            Joined::Flying(ticket) => {
                let mut landing = lock(&ticket.flight.landing.0);
                *landing.get_or_insert_with(|| {
                    let live = self.live.load(Ordering::SeqCst);
                    let sort = if live { Sort::Accept } else { Sort::Refusal };
                    let record = live.then(|| self.record());
                    ticket.finish(Some(Fill { sort, record, valid_until: NEVER }), 0, 0);
                    live
                })
            }
        }
    }

    fn change(&self) -> Change {
        match self.kind {
            Kind::OrgKey => Change::Credential { kind: self.kind, id: "k1".into() },
            Kind::PersonalToken => Change::User("alice".into()),
        }
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 100_000;
    builder.check(model);
}

fn asking(world: &Arc<World>) -> thread::JoinHandle<bool> {
    let world = Arc::clone(world);
    thread::spawn(move || world.accepts())
}

#[test]
fn a_revocation_beats_a_fill() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, true);
            let early = asking(&world);
            world.live.store(false, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(!world.accepts(), "accepted after the revocation");
            early.join().unwrap();
            assert!(!world.accepts(), "accepted once the fill was over");
        });
    }
}

#[test]
fn a_revocation_beats_a_fill_with_a_rider() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let early = [asking(&world), asking(&world)];
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        for thread in early {
            thread.join().unwrap();
        }
        assert!(!world.accepts());
    });
}

#[test]
fn a_revocation_beats_what_was_kept_before() {
    explore(|| {
        let world = World::new(Kind::PersonalToken, true);
        assert!(world.accepts());
        let early = asking(&world);
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    });
}

#[test]
fn a_creation_beats_an_unknown() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, false);
            let early = asking(&world);
            world.live.store(true, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(world.accepts());
            early.join().unwrap();
            assert!(world.accepts());
        });
    }
}

#[test]
fn two_revocations_at_once_beat_a_fill() {
    explore(|| {
        let world = World::new(Kind::PersonalToken, true);
        let early = asking(&world);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.core.apply(&Change::Organization("org_1".into())))
        };
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        early.join().unwrap();
        other.join().unwrap();
        assert!(!world.accepts());
    });
}

#[test]
fn a_restored_feed_leaves_nothing_from_before() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let follower = world.core.follow();
        let early = asking(&world);
        world.core.lose(follower, 0);
        world.live.store(false, Ordering::SeqCst); // told to nobody
        world.accepts(); // may share the look-up from before
        world.core.restore(follower);
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    });
}
