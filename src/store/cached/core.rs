//! The concurrent core: what is kept, which lookups are in flight, and how a change beats both.
//!
//! Readers take no lock. Writers (a lookup that begins or ends, a change) take one, the *ledger*,
//! for about a microsecond. Changes are numbered; that number is the *epoch*.
//!
//! - A lookup notes the epoch when it begins. When it ends, its answer is kept only if no change
//!   since then concerns it: a change beats a lookup in flight, also one about something that was
//!   never kept.
//! - Who asks after a change that may concern a lookup in flight begins a second one. With two in
//!   flight everybody joins the newer one, and asks again if its answer turns out to be outdated
//!   for them.
//! - A change ends what is kept by wiping out the mark of its subject, which every reader looks at.
//!   It does so before [`Core::apply`] returns.
//! - The store is asked about a key that it does not find, or fails to look up, at most twice in
//!   the time that a lookup may take: the second failure is kept for the rest of it. So is the
//!   second "there is none", unless a change names the key.
//!
//! Generic over `W`, where those who wait for one lookup get its result, so that a model checker
//! can run all of it.

use std::sync::Arc;

use super::{
    entry::{Answer, Attempts, Entry, Moment, NEVER, Nanos, Table},
    in_flight::{InFlight, Joined, Leader, ResultCell, Waiter},
    key::{Asked, EntryKey},
    ledger::{Ledger, Sort},
    subject::Subject,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
};
use crate::{
    credential::Kind,
    store::{Change, Record, StoreError},
};

/// What a core may hold and do.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) accepts: usize,
    pub(super) refusals: usize,
    /// How long a lookup may take.
    pub(super) deadline: Nanos,
    /// How many lookups a second may miss, of each kind; `None` is no limit.
    pub(super) miss_rate: Option<u32>,
}

pub(super) struct Core<W> {
    accepts: Table,
    refusals: Table,
    /// Entries of an earlier epoch do not count.
    floor: AtomicU64,
    /// The same, for "there is none": of keys, and of tokens.
    none_floors: [AtomicU64; 2],
    /// When nothing that is kept is to be trusted any more, since changes may not be told.
    cutoff: AtomicU64,
    pub(super) deadline: Nanos,
    pub(super) ledger: Mutex<Ledger<W>>,
}

/// An answer to keep, and where. Of a failure the core decides for how long.
pub(super) struct Fill {
    pub(super) sort: Sort,
    pub(super) answer: Answer,
    pub(super) valid_until: Nanos,
    pub(super) expires: Nanos,
}

/// What is known at once.
pub(super) struct Known {
    pub(super) sort: Sort,
    pub(super) record: Option<Arc<Record>>,
}

impl Fill {
    pub(super) fn failed(error: Arc<StoreError>) -> Self {
        Self {
            sort: Sort::Refusal,
            answer: Answer::Failed(error),
            valid_until: NEVER,
            expires: NEVER,
        }
    }
}

impl<W> Core<W> {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            accepts: Table::new(),
            refusals: Table::new(),
            floor: AtomicU64::new(0),
            none_floors: [AtomicU64::new(0), AtomicU64::new(0)],
            cutoff: AtomicU64::new(NEVER),
            deadline: bounds.deadline,
            ledger: Mutex::new(Ledger::new(bounds)),
        }
    }

    /// Answers from what is kept, without a lock and without allocation. The time is asked for only
    /// when it matters.
    #[inline]
    pub(super) fn get(&self, asked: &Asked<'_>, now: impl Fn() -> Nanos) -> Option<Known> {
        let look = |entry: &Entry, sort| {
            let record = match &entry.answer {
                Answer::Found(record) => Some(record),
                Answer::Unknown => None,
                Answer::Failed(_) => return None,
            };
            let until = self.trusted_until(entry);
            let good = self.stands(entry) && (until == NEVER || now() < until);
            good.then(|| {
                entry.touch();
                Known {
                    sort,
                    record: record.cloned(),
                }
            })
        };
        let accept = self
            .accepts
            .with(asked, |entry| look(entry, Sort::Accept))
            .flatten();
        accept.or_else(|| {
            self.refusals
                .with(asked, |entry| look(entry, Sort::Refusal))
                .flatten()
        })
    }

    /// Returns an accept that is past its time by less than `grace`, and that no change has ended.
    pub(super) fn get_stale(
        &self,
        asked: &Asked<'_>,
        grace: Nanos,
        now: Nanos,
    ) -> Option<Arc<Record>> {
        let look = |entry: &Entry| {
            let until = self
                .trusted_until(entry)
                .saturating_add(grace)
                .min(entry.expires);
            (self.stands(entry) && now < until)
                .then(|| entry.answer.record().cloned())
                .flatten()
        };
        self.accepts.with(asked, look).flatten()
    }

    #[inline]
    pub(super) fn trusted_until(&self, entry: &Entry) -> Nanos {
        entry.valid_until.min(self.cutoff.load(Ordering::Acquire))
    }

    /// Whether no change has ended the entry.
    #[inline]
    pub(super) fn stands(&self, entry: &Entry) -> bool {
        let none_floor = match &entry.answer {
            Answer::Unknown if !entry.settled => {
                self.none_floor(entry.key.kind()).load(Ordering::Acquire)
            }
            _ => 0,
        };
        entry.epoch >= none_floor && self.is_unnamed(entry)
    }

    /// Whether no change has named what the entry is about.
    #[inline]
    fn is_unnamed(&self, entry: &Entry) -> bool {
        entry.epoch >= self.floor.load(Ordering::Acquire)
            && entry.marks.iter().all(|mark| mark.stands())
    }

    fn none_floor(&self, kind: Kind) -> &AtomicU64 {
        let [of_keys, of_tokens] = &self.none_floors;
        match kind {
            Kind::OrgKey => of_keys,
            Kind::PersonalToken => of_tokens,
        }
    }

    /// Ends every kept answer that `change` concerns, and outdates the lookups in flight that it
    /// may concern.
    pub(super) fn apply(&self, change: &Change) {
        self.note(&mut lock(&self.ledger), change);
    }

    fn note(&self, ledger: &mut Ledger<W>, change: &Change) {
        let epoch = ledger.record(change);
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            if ledger.changes.may_create(kind) == epoch {
                self.none_floor(kind).store(epoch, Ordering::Release);
            }
        }
        match Subject::of(change) {
            Some(subject) => ledger.marks.wipe(&subject),
            None => self.floor.store(epoch, Ordering::Release),
        }
    }

    /// Begins to follow a feed, in place of any other. What was kept before is not trusted: nobody
    /// told of its changes.
    pub(super) fn follow(&self, trusted_until: Nanos) -> u64 {
        let mut ledger = lock(&self.ledger);
        ledger.follower += 1;
        self.note(&mut ledger, &Change::Everything);
        self.cutoff.store(trusted_until, Ordering::Release);
        ledger.follower
    }

    /// Goes on trusting what is kept. Returns whether `follower` had a say.
    pub(super) fn trust(&self, follower: u64, until: Nanos) -> bool {
        self.as_follower(follower, |_| self.cutoff.store(until, Ordering::Release))
    }

    /// Stops trusting what is kept, from `cutoff` on. Returns whether `follower` had a say.
    pub(super) fn lose(&self, follower: u64, cutoff: Nanos) -> bool {
        self.as_follower(follower, |_| {
            let earlier = self.cutoff.load(Ordering::Acquire);
            self.cutoff.store(cutoff.min(earlier), Ordering::Release);
        })
    }

    /// Trusts what is kept from now on, and nothing from before. Returns whether `follower` had a
    /// say.
    pub(super) fn restore(&self, follower: u64, trusted_until: Nanos) -> bool {
        self.as_follower(follower, |ledger| {
            self.note(ledger, &Change::Everything);
            self.cutoff.store(trusted_until, Ordering::Release);
        })
    }

    fn as_follower(&self, follower: u64, act: impl FnOnce(&mut Ledger<W>)) -> bool {
        let mut ledger: MutexGuard<'_, _> = lock(&self.ledger);
        let current = ledger.follower == follower;
        if current {
            act(&mut ledger);
        }
        current
    }

    pub(super) fn table(&self, sort: Sort) -> &Table {
        match sort {
            Sort::Accept => &self.accepts,
            Sort::Refusal => &self.refusals,
        }
    }
}

impl<W: ResultCell> Core<W> {
    /// Joins the lookup of `key` that is in flight, or begins one.
    pub(super) fn join(self: &Arc<Self>, key: &EntryKey, at: Moment) -> Joined<W> {
        let mut ledger = lock(&self.ledger);
        // Once more, under the lock: a lookup may have ended since the caller looked.
        if let Some(known) = self.get(&key.borrowed(), || at.now) {
            return Joined::Known(known);
        }
        let refusal = self
            .refusals
            .get(key)
            .filter(|entry| self.is_unnamed(entry));
        if let Some(error) = refusal.as_ref().and_then(|entry| entry.failure(at.timer)) {
            return Joined::Failed(error);
        }
        let epoch = ledger.epoch;
        let newest = ledger
            .lookups
            .newest(key)
            .filter(|lookup| self.is_alive(lookup, at));
        if let Some(lookup) = newest {
            let may_be_outdated = lookup.epoch < ledger.changes.may_concern(key);
            let are_many = ledger.lookups.are_many(key) || self.may_not_repeat(lookup, at);
            if !may_be_outdated || are_many {
                let lookup = Arc::clone(lookup);
                ledger.lookups.join(&lookup);
                return Joined::Waiting(Waiter::new(Arc::clone(self), lookup, epoch));
            }
        }
        let earlier = [
            newest.map(|lookup| lookup.attempts),
            refusal.map(|entry| entry.attempts),
        ];
        let attempts = Attempts::again(earlier.into_iter().flatten().max(), at.timer);
        let limited = self.accepts.get(key).is_none(); // what was accepted before is known
        if limited && !ledger.limit(key.kind()).take(at.now) {
            return Joined::Limited;
        }
        let (key, result) = (key.clone(), W::default());
        let lookup = Arc::new(InFlight {
            key,
            epoch,
            started: at,
            attempts,
            limited,
            result,
        });
        ledger.lookups.begin(Arc::clone(&lookup));
        let waiter = Waiter::new(Arc::clone(self), Arc::clone(&lookup), epoch);
        Joined::Leading(Leader::new(Arc::clone(self), lookup), waiter)
    }

    /// Whether a lookup may still end, at its deadline or somewhat later where much else is to be
    /// done. One of a runtime that does not run any more never does.
    fn is_alive(&self, lookup: &InFlight<W>, at: Moment) -> bool {
        at.timer
            < lookup
                .started
                .timer
                .saturating_add(self.deadline.saturating_mul(10))
    }
}
