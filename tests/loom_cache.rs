//! Every interleaving of a revocation with lookups, up to three preemptions, over the core of the
//! cache.
//!
//! The core is compiled again here, with the locks and atomics of the model checker.
//! `LOOM_MAX_PREEMPTIONS` raises the bound: `LOOM_MAX_PREEMPTIONS=4 cargo test --release --test
//! loom_cache`.
//!
//! This is a binary and not a module behind `cfg(loom)`, because that flag applies to every crate
//! of a build: tokio has no network under it, everything would be built twice, and much of it would
//! not compile. The core names its dependencies from the crate root, which is this file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first failure"
)]
#![allow(dead_code, unreachable_pub, reason = "the core is compiled as it is")]

mod credential {
    pub(crate) use tower_api_key::credential::Kind;
}
mod id {
    pub(crate) use tower_api_key::id::{CredentialId, OrgId, UserId};
}
// A copy, because other crates cannot match on a change exhaustively.
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

/// The primitives of the core, provided by the model checker.
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
            // Read outside of the lock, as a reader of the real map does.
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

/// The place where waiters of a lookup receive its result.
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

/// A cache in front of a store with one credential.
struct World {
    core: std::sync::Arc<Core<Blocking>>,
    live: AtomicBool,
    failing: AtomicBool,
    kind: Kind,
}

/// No time passes.
const AT: Moment = Moment { now: 0, timer: 0 };

/// The result that a caller receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallerAnswer {
    Accept,
    Refusal,
    Failure,
}

impl From<&Answer> for CallerAnswer {
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

    fn lookup(&self) -> Asked<'static> {
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

    /// Looks up as `Cached` does.
    fn ask(&self) -> CallerAnswer {
        let lookup = self.lookup();
        if let Some(known) = self.core.get(&lookup, || 0) {
            return if known.kind == EntryKind::Accept {
                CallerAnswer::Accept
            } else {
                CallerAnswer::Refusal
            };
        }
        let key = lookup.to_key().unwrap();
        loop {
            let waiter = match self.core.join(&key, AT) {
                Joined::Known(known) if known.kind == EntryKind::Accept => {
                    return CallerAnswer::Accept;
                }
                Joined::Known(_) => return CallerAnswer::Refusal,
                Joined::Failed(_) => return CallerAnswer::Failure,
                Joined::Limited => unreachable!("there is no limit"),
                Joined::Waiting(waiter) => waiter,
                Joined::Leading(leader, waiter) => {
                    leader.finish(self.read(), AT, 0);
                    waiter
                }
            };
            let answer = waiter.result().wait();
            if waiter.accepts(&answer) {
                return CallerAnswer::from(&answer);
            }
        }
    }

    fn accepts(&self) -> bool {
        self.ask() == CallerAnswer::Accept
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

fn spawn_lookup(world: &Arc<World>) -> thread::JoinHandle<bool> {
    let world = Arc::clone(world);
    thread::spawn(move || world.accepts())
}

#[test]
fn a_revocation_overrides_a_lookup() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, true);
            let early = spawn_lookup(&world);
            world.live.store(false, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(!world.accepts(), "accepted after the revocation");
            early.join().unwrap();
            assert!(!world.accepts(), "accepted after the lookup ended");
        });
    }
}

#[test]
fn a_revocation_overrides_a_lookup_with_a_waiter() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let early = [spawn_lookup(&world), spawn_lookup(&world)];
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
fn a_revocation_overrides_an_existing_entry() {
    explore(|| {
        let world = World::new(Kind::PersonalToken, true);
        assert!(world.accepts());
        let early = spawn_lookup(&world);
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    });
}

#[test]
fn a_creation_overrides_a_miss() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, false);
            let early = spawn_lookup(&world);
            world.live.store(true, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(world.accepts());
            early.join().unwrap();
            assert!(world.accepts());
        });
    }
}

#[test]
fn two_concurrent_revocations_override_a_lookup() {
    explore(|| {
        let world = World::new(Kind::PersonalToken, true);
        let early = spawn_lookup(&world);
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
fn a_restored_feed_invalidates_all_earlier_entries() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let follower = world.core.follow(NEVER);
        let early = spawn_lookup(&world);
        world.core.mark_lost(follower, 0);
        world.live.store(false, Ordering::SeqCst); // without a change event
        world.accepts(); // may join the earlier lookup
        world.core.restore(follower, NEVER);
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    });
}

/// With two lookups in flight, a new caller joins the newer one, whose answer may be outdated.
#[test]
fn a_revocation_overrides_two_lookups_in_flight() {
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        explore(move || {
            let world = World::new(kind, true);
            let key = world.lookup().to_key().unwrap();
            let Joined::Leading(leader, waiter) = world.core.join(&key, AT) else {
                panic!("the first caller")
            };
            let old = world.read();
            world.core.apply(&Change::Organization("org_1".into()));
            let second = spawn_lookup(&world);
            world.live.store(false, Ordering::SeqCst);
            world.core.apply(&world.change());
            assert!(!world.accepts(), "accepted after the revocation");
            leader.finish(old, AT, 0);
            assert!(
                waiter.accepts(&waiter.result().wait()),
                "its lookup began before the changes"
            );
            second.join().unwrap();
            assert!(!world.accepts(), "accepted after the lookups ended");
        });
    }
}

#[test]
fn a_failure_ends_with_a_change_and_is_never_an_answer() {
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
            let expected = if live {
                CallerAnswer::Accept
            } else {
                CallerAnswer::Refusal
            };
            assert_eq!(world.ask(), expected, "the failure from before the change");
            let answer = early.join().unwrap();
            assert!(
                answer == expected || answer == CallerAnswer::Failure,
                "{answer:?}"
            );
            assert_eq!(world.ask(), expected, "the failure was kept");
        });
    }
}

#[test]
fn an_aborted_lookup_leaves_no_waiter_behind() {
    explore(|| {
        let world = World::new(Kind::OrgKey, true);
        let key = world.lookup().to_key().unwrap();
        let Joined::Leading(leader, waiter) = world.core.join(&key, AT) else {
            panic!("the first caller")
        };
        drop(waiter);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.ask())
        };
        drop(leader);
        // It counts as a call of the store, so its failure is kept for a moment like any other.
        assert_ne!(other.join().unwrap(), CallerAnswer::Refusal);
        assert_ne!(world.ask(), CallerAnswer::Refusal);
    });
}
