//! A revocation among lookups, over the core of the cache. The core is compiled once more for this
//! file, which uses what is private to it.

#[path = "../../src/store/cached/changes.rs"]
mod changes;
#[path = "../../src/store/cached/core.rs"]
mod core;
#[path = "../../src/store/cached/entry.rs"]
mod entry;
#[path = "../../src/store/cached/in_flight.rs"]
mod in_flight;
#[path = "../../src/store/cached/keep.rs"]
mod keep;
#[path = "../../src/store/cached/key.rs"]
mod key;
#[path = "../../src/store/cached/limit.rs"]
mod limit;
#[path = "../../src/store/cached/subject.rs"]
mod subject;
#[path = "../../src/store/cached/writer.rs"]
mod writer;

use self::{
    core::{Bounds, Core, Fill},
    entry::{Answer, Moment, NEVER},
    in_flight::{Joined, ResultCell},
    key::{Asked, AskedName},
    writer::EntryKind,
};
use crate::{
    Model,
    credential::Kind,
    explore, explore_large,
    secret::Digest,
    store::{Change, Record, StoreError},
    sync::{AtomicBool, Mutex, Ordering, lock},
};
use loom::{
    sync::{Arc, Condvar},
    thread,
};

pub(crate) const ALL: &[Model] = &[
    (
        "cache::a_revocation_overrides_a_lookup",
        a_revocation_overrides_a_lookup,
    ),
    (
        "cache::a_revocation_overrides_a_lookup_with_a_waiter",
        a_revocation_overrides_a_lookup_with_a_waiter,
    ),
    (
        "cache::a_revocation_overrides_an_existing_entry",
        a_revocation_overrides_an_existing_entry,
    ),
    (
        "cache::a_creation_overrides_a_miss",
        a_creation_overrides_a_miss,
    ),
    (
        "cache::two_concurrent_revocations_override_a_lookup",
        two_concurrent_revocations_override_a_lookup,
    ),
    (
        "cache::a_restored_feed_invalidates_all_earlier_entries",
        a_restored_feed_invalidates_all_earlier_entries,
    ),
    (
        "cache::a_revocation_overrides_two_lookups_in_flight",
        a_revocation_overrides_two_lookups_in_flight,
    ),
    (
        "cache::a_failure_ends_with_a_change_and_is_never_an_answer",
        a_failure_ends_with_a_change_and_is_never_an_answer,
    ),
    (
        "cache::an_aborted_lookup_leaves_no_waiter_behind",
        an_aborted_lookup_leaves_no_waiter_behind,
    ),
];

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

fn spawn_lookup(world: &Arc<World>) -> thread::JoinHandle<bool> {
    let world = Arc::clone(world);
    thread::spawn(move || world.accepts())
}

fn a_revocation_overrides_a_lookup() -> usize {
    [Kind::OrgKey, Kind::PersonalToken]
        .map(|kind| {
            explore(move || {
                let world = World::new(kind, true);
                let early = spawn_lookup(&world);
                world.live.store(false, Ordering::SeqCst);
                world.core.apply(&world.change());
                assert!(!world.accepts(), "accepted after the revocation");
                early.join().unwrap();
                assert!(!world.accepts(), "accepted after the lookup ended");
            })
        })
        .iter()
        .sum()
}

fn a_revocation_overrides_a_lookup_with_a_waiter() -> usize {
    explore_large(|| {
        let world = World::new(Kind::OrgKey, true);
        let early = [spawn_lookup(&world), spawn_lookup(&world)];
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        for thread in early {
            thread.join().unwrap();
        }
        assert!(!world.accepts());
    })
}

fn a_revocation_overrides_an_existing_entry() -> usize {
    explore(|| {
        let world = World::new(Kind::PersonalToken, true);
        assert!(world.accepts());
        let early = spawn_lookup(&world);
        world.live.store(false, Ordering::SeqCst);
        world.core.apply(&world.change());
        assert!(!world.accepts());
        early.join().unwrap();
        assert!(!world.accepts());
    })
}

fn a_creation_overrides_a_miss() -> usize {
    [Kind::OrgKey, Kind::PersonalToken]
        .map(|kind| {
            explore(move || {
                let world = World::new(kind, false);
                let early = spawn_lookup(&world);
                world.live.store(true, Ordering::SeqCst);
                world.core.apply(&world.change());
                assert!(world.accepts());
                early.join().unwrap();
                assert!(world.accepts());
            })
        })
        .iter()
        .sum()
}

fn two_concurrent_revocations_override_a_lookup() -> usize {
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
    })
}

fn a_restored_feed_invalidates_all_earlier_entries() -> usize {
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
    })
}

/// With two lookups in flight, a new caller joins the newer one, whose answer may be outdated.
fn a_revocation_overrides_two_lookups_in_flight() -> usize {
    [Kind::OrgKey, Kind::PersonalToken]
        .map(|kind| {
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
            })
        })
        .iter()
        .sum()
}

fn a_failure_ends_with_a_change_and_is_never_an_answer() -> usize {
    [true, false]
        .map(|live| {
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
            })
        })
        .iter()
        .sum()
}

fn an_aborted_lookup_leaves_no_waiter_behind() -> usize {
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
    })
}
