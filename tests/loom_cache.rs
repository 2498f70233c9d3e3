//! Every interleaving of a revocation with lookups, up to three preemptions, over the core of the cache itself.
//!
//! The core is compiled a second time here, on the locks and atomics of the model checker. `LOOM_MAX_PREEMPTIONS` raises
//! the bound: `LOOM_MAX_PREEMPTIONS=4 cargo test --release --test loom_cache`.
//!
//! A binary of its own, and not a module behind `cfg(loom)`: that flag holds for every crate of a
//! build, tokio's too, which has no network under it, so that all would be built a second time and
//! much of it not at all. The core names its surroundings from the root of its crate, which is this
//! file.

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
mod id {
    pub(crate) use tower_api_key::id::{CredentialId, OrgId, UserId};
}
// Its own, since outside of the crate nobody may match on a change without a default.
#[allow(unfulfilled_lint_expectations, reason = "it is not public here")]
#[path = "../src/store/change.rs"]
mod feed;
mod store {
    pub(crate) use crate::feed::Change;
    pub(crate) use tower_api_key::store::{Record, StoreError};
}

#[path = "../src/store/cached/changes.rs"]
mod changes;

#[path = "../src/store/cached/core.rs"]
mod core;
#[path = "../src/store/cached/entry.rs"]
mod entry;
#[path = "../src/store/cached/in_flight.rs"]
mod in_flight;
#[path = "../src/store/cached/keep.rs"]
mod keep;
#[path = "../src/store/cached/key.rs"]
mod key;
#[path = "../src/store/cached/limit.rs"]
mod limit;
#[path = "../src/store/cached/subject.rs"]
mod subject;
#[path = "../src/store/cached/writer.rs"]
mod writer;

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

        pub(crate) fn with<Q: Equivalent<K>, T>(
            &self,
            key: &Q,
            look: impl FnOnce(&V) -> T,
        ) -> Option<T>
        where
            V: Clone,
        {
            // Looked at outside of the lock, as a reader of the real map does.
            let value = lock(&self.0)
                .iter()
                .find(|(own, _)| key.equivalent(own))
                .map(|(_, value)| value.clone());
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
    core::{Bounds, Core, Fill},
    entry::{Answer, Moment, NEVER},
    in_flight::{Joined, ResultCell},
    key::{Asked, AskedName},
    sync::{AtomicBool, Mutex, Ordering, lock},
    writer::EntryKind,
};
use credential::Kind;
use loom::{
    model::Builder,
    sync::{Arc, Condvar},
    thread,
};
use store::{Change, Record, StoreError};
use tower_api_key::secret::Digest;

/// Where those who wait for a lookup get its result.
struct Blocking(Mutex<Option<Answer>>, Condvar);

impl Default for Blocking {
    fn default() -> Self {
        Self(Mutex::new(None), Condvar::new())
    }
}

impl ResultCell for Blocking {
    fn set(&self, answer: Answer) {
        *lock(&self.0) = Some(answer);
        self.1.notify_all();
    }

    fn abort(&self) {}
}

impl Blocking {
    fn wait(&self) -> Answer {
        let mut result = lock(&self.0);
        loop {
            match &*result {
                Some(answer) => return answer.clone(),
                None => result = self.1.wait(result).unwrap(),
            }
        }
    }
}

/// A cache in front of a store of one credential.
struct World {
    core: std::sync::Arc<Core<Blocking>>,
    live: AtomicBool,
    failing: AtomicBool,
    kind: Kind,
}

/// No time passes.
const AT: Moment = Moment { now: 0, timer: 0 };

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Accept,
    Refusal,
    Failure,
}

impl From<&Answer> for Told {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Found(_) => Self::Accept,
            Answer::Unknown => Self::Refusal,
            Answer::Failed(_) => Self::Failure,
        }
    }
}

impl World {
    fn new(kind: Kind, live: bool) -> Arc<Self> {
        let bounds = Bounds {
            accepts: 4,
            refusals: 4,
            deadline: 1_000_000_000,
            miss_rate: None,
        };
        let core = std::sync::Arc::new(Core::new(&bounds));
        Arc::new(Self {
            core,
            live: AtomicBool::new(live),
            failing: AtomicBool::new(false),
            kind,
        })
    }

    fn asked(&self) -> Asked<'static> {
        match self.kind {
            Kind::OrgKey => Asked {
                name: AskedName::Id(b"k1"),
                organization: None,
            },
            Kind::PersonalToken => Asked {
                name: AskedName::Digest([7; 4]),
                organization: Some("org_1"),
            },
        }
    }

    fn record(&self) -> std::sync::Arc<Record> {
        let digest = Digest::from_bytes([0; 32]);
        std::sync::Arc::new(match self.kind {
            Kind::OrgKey => Record::org_key("k1", digest, "org_1"),
            Kind::PersonalToken => {
                Record::personal_token("t1", digest, "alice").in_organization("org_1")
            }
        })
    }

    fn read(&self) -> Fill {
        if self.failing.load(Ordering::SeqCst) {
            return Fill::failed(std::sync::Arc::new(StoreError::unavailable("test outage")));
        }
        let live = self.live.load(Ordering::SeqCst);
        let (kind, answer) = match live {
            true => (EntryKind::Accept, Answer::Found(self.record())),
            false => (EntryKind::Refusal, Answer::Unknown),
        };
        Fill {
            kind,
            answer,
            valid_until: NEVER,
            expires: NEVER,
        }
    }

    /// Asks as `Cached` does.
    fn ask(&self) -> Told {
        let asked = self.asked();
        if let Some(known) = self.core.get(&asked, || 0) {
            return if known.kind == EntryKind::Accept {
                Told::Accept
            } else {
                Told::Refusal
            };
        }
        let key = asked.to_key().unwrap();
        loop {
            let waiter = match self.core.join(&key, AT) {
                Joined::Known(known) if known.kind == EntryKind::Accept => return Told::Accept,
                Joined::Known(_) => return Told::Refusal,
                Joined::Failed(_) => return Told::Failure,
                Joined::Limited => unreachable!("there is no limit"),
                Joined::Waiting(waiter) => waiter,
                Joined::Leading(leader, waiter) => {
                    leader.finish(self.read(), AT, 0);
                    waiter
                }
            };
            let answer = waiter.result().wait();
            if waiter.accepts(&answer) {
                return Told::from(&answer);
            }
        }
    }

    fn accepts(&self) -> bool {
        self.ask() == Told::Accept
    }

    fn change(&self) -> Change {
        match self.kind {
            Kind::OrgKey => Change::Credential {
                kind: self.kind,
                id: "k1".into(),
            },
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
        let follower = world.core.follow(NEVER);
        let early = asking(&world);
        world.core.mark_lost(follower, 0);
        world.live.store(false, Ordering::SeqCst); // told to nobody
        world.accepts(); // may share the lookup from before
        world.core.restore(follower, NEVER);
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    });
}

/// With two lookups in flight, who asks joins the newer one, and may find its answer outdated.
#[test]
fn a_revocation_beats_two_lookups_in_flight() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, true);
            let key = world.asked().to_key().unwrap();
            let Joined::Leading(leader, waiter) = world.core.join(&key, AT) else {
                panic!("the first to ask")
            };
            let old = world.read();
            world.core.apply(&Change::Organization("org_1".into()));
            let second = asking(&world);
            world.live.store(false, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(!world.accepts(), "accepted after the revocation");
            leader.finish(old, AT, 0);
            assert!(
                waiter.accepts(&waiter.result().wait()),
                "it has asked before the changes"
            );
            second.join().unwrap();
            assert!(!world.accepts(), "accepted once the lookups were over");
        });
    }
}

#[test]
fn a_failure_does_not_outlive_a_change_and_is_never_an_answer() {
    for live in [true, false] {
        explore(move || {
            let world = World::new(Kind::OrgKey, live);
            world.failing.store(true, Ordering::SeqCst);
            let early = {
                let world = Arc::clone(&world);
                thread::spawn(move || world.ask())
            };
            world.failing.store(false, Ordering::SeqCst);
            world.core.apply(&world.change());
            let expected = if live { Told::Accept } else { Told::Refusal };
            assert_eq!(world.ask(), expected, "the failure of before the change");
            let told = early.join().unwrap();
            assert!(told == expected || told == Told::Failure, "{told:?}");
            assert_eq!(world.ask(), expected, "the failure was kept");
        });
    }
}

#[test]
fn a_lookup_that_is_aborted_leaves_nobody_waiting() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let key = world.asked().to_key().unwrap();
        let Joined::Leading(leader, waiter) = world.core.join(&key, AT) else {
            panic!("the first to ask")
        };
        drop(waiter);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.ask())
        };
        drop(leader);
        // It counts as a call of the store, so that its failure is kept for a moment like any other.
        assert_ne!(other.join().unwrap(), Told::Refusal);
        assert_ne!(world.ask(), Told::Refusal);
    });
}
