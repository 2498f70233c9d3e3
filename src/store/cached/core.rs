//! The concurrent core: what is kept, which look-ups are under way, and how a change beats both.
//!
//! Readers take no lock. Writers (a look-up that begins or ends, a change) take one, the *ledger*, for about a
//! microsecond. Changes are numbered; that number is the *epoch*.
//!
//! - A look-up notes the epoch when it begins. When it ends, its answer is kept only if no change since then concerns it:
//!   a change beats a look-up under way, also one about something that was never kept.
//! - Nobody joins a look-up that began before a change that may concern it.
//! - A change ends what is kept by wiping out the mark of its subject, which every reader looks at. It does so before
//!   [`Core::apply`] returns.
//!
//! Generic over `W`, where those who wait for one look-up meet, so that a model checker can run all of it.

use std::sync::Arc;

use super::{
    entry::{Entry, NEVER, Nanos, Table},
    flight::{Boarding, Flight, Joined, Ticket},
    key::{Asked, EntryKey},
    ledger::{Ledger, Sort},
    subject::{Subject, may_concern, may_create},
    sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, lock},
};
use crate::{
    credential::Kind,
    store::{Change, Record},
};

pub(super) struct Core<W> {
    accepts: Table,
    refusals: Table,
    /// Entries of an earlier epoch do not count.
    floor: AtomicU64,
    /// The same, for "there is none": of keys, and of tokens.
    none_floors: [AtomicU64; 2],
    /// When nothing that is kept is to be trusted any more, since changes may not be told.
    cutoff: AtomicU64,
    pub(super) ledger: Mutex<Ledger<W>>,
}

/// An answer to keep.
pub(super) struct Fill {
    pub(super) sort: Sort,
    pub(super) record: Option<Arc<Record>>,
    pub(super) valid_until: Nanos,
}

/// What is known at once.
pub(super) struct Known {
    pub(super) sort: Sort,
    pub(super) record: Option<Arc<Record>>,
}

impl<W: Default> Core<W> {
    pub(super) fn new(accepts: usize, refusals: usize) -> Self {
        Self {
            accepts: Table::new(),
            refusals: Table::new(),
            floor: AtomicU64::new(0),
            none_floors: [AtomicU64::new(0), AtomicU64::new(0)],
            cutoff: AtomicU64::new(NEVER),
            ledger: Mutex::new(Ledger::new(accepts, refusals)),
        }
    }

    /// Answers from what is kept, without a lock and without allocation. The time is asked for only when it matters.
    #[inline]
    pub(super) fn get(&self, asked: &Asked<'_>, now: impl Fn() -> Nanos) -> Option<Known> {
        let look = |entry: &Entry, sort| {
            let until = self.trusted_until(entry);
            let good = self.stands(entry) && (until == NEVER || now() < until);
            good.then(|| {
                entry.touch();
                Known { sort, record: entry.record.clone() }
            })
        };
        let accept = self.accepts.with(asked, |entry| look(entry, Sort::Accept)).flatten();
        accept.or_else(|| self.refusals.with(asked, |entry| look(entry, Sort::Refusal)).flatten())
    }

    /// Returns an accept that is past its time by less than `grace`, and that no change has ended.
    pub(super) fn get_stale(&self, asked: &Asked<'_>, grace: Nanos, now: Nanos) -> Option<Arc<Record>> {
        let look = |entry: &Entry| {
            let until = self.trusted_until(entry).saturating_add(grace);
            (self.stands(entry) && now < until).then(|| entry.record.clone()).flatten()
        };
        self.accepts.with(asked, look).flatten()
    }

    /// Joins the look-up for `key` that is under way, or begins one.
    pub(super) fn join(&self, key: EntryKey, now: Nanos) -> Joined<'_, W> {
        let mut ledger = lock(&self.ledger);
        // Once more, under the lock: the look-up may have ended since the caller looked.
        if let Some(known) = self.get(&key.borrowed(), || now) {
            return Joined::Known(known);
        }
        let horizon = ledger.horizon(key.kind());
        if let Some(boarding) = ledger.flights.get_mut(&key).filter(|boarding| boarding.flight.epoch >= horizon) {
            boarding.riders += 1;
            return Joined::Flying(Ticket { core: self, flight: Arc::clone(&boarding.flight) });
        }
        let flight = Arc::new(Flight { key: key.clone(), epoch: ledger.epoch, landing: W::default() });
        ledger.flights.insert(key, Boarding { flight: Arc::clone(&flight), riders: 1 });
        Joined::Flying(Ticket { core: self, flight })
    }
}

impl<W> Core<W> {
    #[inline]
    pub(super) fn trusted_until(&self, entry: &Entry) -> Nanos {
        entry.valid_until.min(self.cutoff.load(Ordering::Acquire))
    }

    /// Whether no change has ended the entry.
    #[inline]
    pub(super) fn stands(&self, entry: &Entry) -> bool {
        let none_floor = match (&entry.record, &self.none_floors) {
            (Some(_), _) => 0,
            (None, [of_keys, of_tokens]) => match entry.key.kind() {
                Kind::OrgKey => of_keys.load(Ordering::Acquire),
                Kind::PersonalToken => of_tokens.load(Ordering::Acquire),
            },
        };
        let floor = self.floor.load(Ordering::Acquire).max(none_floor);
        entry.epoch >= floor && entry.marks.iter().all(|mark| mark.stands())
    }

    /// Ends every kept answer that `change` concerns, and outdates the look-ups under way that it may concern.
    pub(super) fn apply(&self, change: &Change) {
        self.note(&mut lock(&self.ledger), change);
    }

    fn note(&self, ledger: &mut Ledger<W>, change: &Change) {
        let epoch = ledger.record(change);
        for (kind, (horizon, floor)) in
            [Kind::OrgKey, Kind::PersonalToken].into_iter().zip(ledger.horizons.iter_mut().zip(&self.none_floors))
        {
            if may_concern(change, kind) {
                *horizon = epoch;
            }
            if may_create(change, kind) {
                floor.store(epoch, Ordering::Release);
            }
        }
        match Subject::of(change) {
            Some(subject) => ledger.marks.wipe(&subject),
            None => self.floor.store(epoch, Ordering::Release),
        }
    }

    /// Begins to follow a feed, in place of any other. What was kept before is not trusted: nobody told of its changes.
    pub(super) fn follow(&self) -> u64 {
        let mut ledger = lock(&self.ledger);
        ledger.follower += 1;
        self.note(&mut ledger, &Change::Everything);
        self.cutoff.store(NEVER, Ordering::Release);
        ledger.follower
    }

    /// Stops trusting what is kept, from `cutoff` on. Returns whether `follower` had a say.
    pub(super) fn lose(&self, follower: u64, cutoff: Nanos) -> bool {
        self.as_follower(follower, |_| {
            let earlier = self.cutoff.load(Ordering::Acquire);
            self.cutoff.store(cutoff.min(earlier), Ordering::Release);
        })
    }

    /// Trusts what is kept from now on, and nothing from before. Returns whether `follower` had a say.
    pub(super) fn restore(&self, follower: u64) -> bool {
        self.as_follower(follower, |ledger| {
            self.note(ledger, &Change::Everything);
            self.cutoff.store(NEVER, Ordering::Release);
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

    /// Keeps an answer in place of what is kept for the same key. Returns the sort of an entry of use that had to go.
    pub(super) fn keep(
        &self,
        ledger: &mut Ledger<W>,
        flight: &Flight<W>,
        fill: Fill,
        now: Nanos,
        useless: impl Fn(&Entry) -> bool,
    ) -> Option<Sort> {
        let sorts = [Sort::Accept, Sort::Refusal];
        let old = sorts.map(|sort| self.table(sort).get(&flight.key));
        if old.iter().flatten().any(|entry| entry.epoch > flight.epoch) {
            return None; // a look-up that began later has answered sooner
        }
        // Also when the new answer is not kept: what the store no longer says is not served, stale or otherwise.
        for (sort, entry) in sorts.into_iter().zip(old) {
            self.evict(ledger, sort, entry.as_deref());
        }
        if fill.valid_until <= now {
            return None;
        }
        let (slot, evicted) = ledger.places(fill.sort).claim(&useless)?;
        let lost = evicted.as_ref().is_some_and(|entry| !useless(entry)).then_some(fill.sort);
        if let Some(evicted) = evicted {
            self.table(fill.sort).remove(&evicted);
            ledger.give_back(&evicted);
        }
        let marks = Subject::all(&flight.key, fill.record.as_deref()).map(|subject| ledger.marks.take(subject));
        let entry = Arc::new(Entry {
            key: flight.key.clone(),
            marks: marks.collect(),
            record: fill.record,
            epoch: flight.epoch,
            valid_until: fill.valid_until,
            used: AtomicBool::new(false),
            slot,
        });
        ledger.places(fill.sort).put(Arc::clone(&entry));
        self.table(fill.sort).insert(entry);
        lost
    }

    fn evict(&self, ledger: &mut Ledger<W>, sort: Sort, entry: Option<&Entry>) {
        if let Some(entry) = entry {
            self.table(sort).remove(entry);
            ledger.places(sort).vacate(entry.slot);
            ledger.give_back(entry);
        }
    }

    fn table(&self, sort: Sort) -> &Table {
        match sort {
            Sort::Accept => &self.accepts,
            Sort::Refusal => &self.refusals,
        }
    }
}
