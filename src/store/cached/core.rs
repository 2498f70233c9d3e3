//! The concurrent core: what is kept, which lookups are in flight, and how a change beats both.
//!
//! Readers take no lock. Writers (a lookup that begins or ends, a change) take one, on the [`WriterState`],
//! for about a microsecond. Changes are numbered; that number is the *epoch*.
//!
//! - A lookup notes the epoch when it begins. When it ends, its answer is kept only if no change
//!   since then concerns it: a change beats a lookup in flight, also one about something that was
//!   never kept.
//! - Who asks after a change that may concern a lookup in flight begins a second one. With two in
//!   flight everybody joins the newer one, and asks again if its answer turns out to be outdated
//!   for them.
//! - A change ends what is kept by invalidating the mark of its subject, which every reader looks at.
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
    subject::Subject,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
    writer::{EntryKind, WriterState},
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
    negative_floor_epochs: [AtomicU64; 2],
    /// When nothing that is kept is to be trusted any more, since changes may not be told.
    cutoff: AtomicU64,
    pub(super) deadline: Nanos,
    pub(super) writer: Mutex<WriterState<W>>,
}

/// An answer to keep, and where. Of a failure the core decides for how long.
pub(super) struct Fill {
    pub(super) kind: EntryKind,
    pub(super) answer: Answer,
    pub(super) valid_until: Nanos,
    pub(super) expires: Nanos,
}

/// What is known at once.
pub(super) struct Known {
    pub(super) kind: EntryKind,
    pub(super) record: Option<Arc<Record>>,
}

impl Fill {
    pub(super) fn failed(error: Arc<StoreError>) -> Self {
        Self {
            kind: EntryKind::Refusal,
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
            negative_floor_epochs: [AtomicU64::new(0), AtomicU64::new(0)],
            cutoff: AtomicU64::new(NEVER),
            deadline: bounds.deadline,
            writer: Mutex::new(WriterState::new(bounds)),
        }
    }

    /// Answers from what is kept, without a lock and without allocation. The time is asked for only
    /// when it matters.
    #[inline]
    pub(super) fn get(&self, asked: &Asked<'_>, now: impl Fn() -> Nanos) -> Option<Known> {
        let look = |entry: &Entry, kind| {
            let record = match &entry.answer {
                Answer::Found(record) => Some(record),
                Answer::Unknown => None,
                Answer::Failed(_) => return None,
            };
            let until = self.trusted_until(entry);
            let good = self.is_valid(entry) && (until == NEVER || now() < until);
            good.then(|| {
                entry.touch();
                Known {
                    kind,
                    record: record.cloned(),
                }
            })
        };
        let accept = self
            .accepts
            .with(asked, |entry| look(entry, EntryKind::Accept))
            .flatten();
        accept.or_else(|| {
            self.refusals
                .with(asked, |entry| look(entry, EntryKind::Refusal))
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
            (self.is_valid(entry) && now < until)
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
    pub(super) fn is_valid(&self, entry: &Entry) -> bool {
        let negative_floor_epoch = match &entry.answer {
            Answer::Unknown if !entry.settled => self
                .negative_floor_epoch(entry.key.kind())
                .load(Ordering::Acquire),
            _ => 0,
        };
        entry.epoch >= negative_floor_epoch && self.is_unnamed(entry)
    }

    /// Whether no change has named what the entry is about.
    #[inline]
    fn is_unnamed(&self, entry: &Entry) -> bool {
        entry.epoch >= self.floor.load(Ordering::Acquire)
            && entry.marks.iter().all(|mark| mark.is_valid())
    }

    fn negative_floor_epoch(&self, kind: Kind) -> &AtomicU64 {
        let [of_keys, of_tokens] = &self.negative_floor_epochs;
        match kind {
            Kind::OrgKey => of_keys,
            Kind::PersonalToken => of_tokens,
        }
    }

    /// Ends every kept answer that `change` concerns, and outdates the lookups in flight that it
    /// may concern.
    pub(super) fn apply(&self, change: &Change) {
        self.note(&mut lock(&self.writer), change);
    }

    fn note(&self, writer: &mut WriterState<W>, change: &Change) {
        let epoch = writer.record(change);
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            if writer.changes.may_create(kind) == epoch {
                self.negative_floor_epoch(kind)
                    .store(epoch, Ordering::Release);
            }
        }
        match Subject::of(change) {
            Some(subject) => writer.marks.invalidate(&subject),
            None => self.floor.store(epoch, Ordering::Release),
        }
    }

    /// Begins to follow a feed, in place of any other. What was kept before is not trusted: nobody
    /// told of its changes.
    pub(super) fn follow(&self, trusted_until: Nanos) -> u64 {
        let mut writer = lock(&self.writer);
        writer.follower += 1;
        self.note(&mut writer, &Change::Everything);
        self.cutoff.store(trusted_until, Ordering::Release);
        writer.follower
    }

    /// Goes on trusting what is kept. Returns whether `follower` had a say.
    pub(super) fn trust(&self, follower: u64, until: Nanos) -> bool {
        self.as_follower(follower, |_| self.cutoff.store(until, Ordering::Release))
    }

    /// Stops trusting what is kept, from `cutoff` on. Returns whether `follower` had a say.
    pub(super) fn mark_lost(&self, follower: u64, cutoff: Nanos) -> bool {
        self.as_follower(follower, |_| {
            let earlier = self.cutoff.load(Ordering::Acquire);
            self.cutoff.store(cutoff.min(earlier), Ordering::Release);
        })
    }

    /// Trusts what is kept from now on, and nothing from before. Returns whether `follower` had a
    /// say.
    pub(super) fn restore(&self, follower: u64, trusted_until: Nanos) -> bool {
        self.as_follower(follower, |writer| {
            self.note(writer, &Change::Everything);
            self.cutoff.store(trusted_until, Ordering::Release);
        })
    }

    fn as_follower(&self, follower: u64, act: impl FnOnce(&mut WriterState<W>)) -> bool {
        let mut writer: MutexGuard<'_, _> = lock(&self.writer);
        let current = writer.follower == follower;
        if current {
            act(&mut writer);
        }
        current
    }

    pub(super) fn table(&self, kind: EntryKind) -> &Table {
        match kind {
            EntryKind::Accept => &self.accepts,
            EntryKind::Refusal => &self.refusals,
        }
    }
}

impl<W: ResultCell> Core<W> {
    /// Joins the lookup of `key` that is in flight, or begins one.
    pub(super) fn join(self: &Arc<Self>, key: &EntryKey, at: Moment) -> Joined<W> {
        let mut writer = lock(&self.writer);
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
        let epoch = writer.epoch;
        let newest = writer
            .lookups
            .newest(key)
            .filter(|lookup| self.is_alive(lookup, at));
        if let Some(lookup) = newest {
            let may_be_outdated = lookup.epoch < writer.changes.may_concern(key);
            let are_many = writer.lookups.are_many(key) || self.may_not_repeat(lookup, at);
            if !may_be_outdated || are_many {
                let lookup = Arc::clone(lookup);
                writer.lookups.join(&lookup);
                return Joined::Waiting(Waiter::new(Arc::clone(self), lookup, epoch));
            }
        }
        let earlier = [
            newest.map(|lookup| lookup.attempts),
            refusal.map(|entry| entry.attempts),
        ];
        let attempts = Attempts::again(earlier.into_iter().flatten().max(), at.timer);
        let limited = self.accepts.get(key).is_none(); // what was accepted before is known
        if limited && !writer.limit(key.kind()).take(at.now) {
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
        writer.lookups.begin(Arc::clone(&lookup));
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
