//! The concurrent core: what is cached, which lookups are in flight, and how a change beats both.
//!
//! Readers take no lock. Writers (a lookup that begins or ends, a change) lock the [`WriterState`]
//! for about a microsecond. Changes are numbered; the number of the last one is the *epoch*.
//!
//! - A lookup notes the epoch when it begins. When it ends, its answer is cached only if no change
//!   since then concerns it: a change beats a lookup in flight, even one about something that was
//!   never cached.
//! - A caller that arrives after a change which may concern the lookup in flight begins a second
//!   one. If two are in flight, callers join the newer one, and look up again if its answer turns
//!   out to be outdated for them.
//! - A change ends cached answers by invalidating the mark of its subject, which every reader
//!   checks. It does so before [`Core::apply`] returns.
//! - A catalogue that is replaced has no number. Each record knows whether its scopes are those
//!   that the catalogue now says: readers, lookups that end and callers that wait for them check
//!   it.
//! - A key that the store does not find, or fails to look up, costs at most two calls of the store
//!   within the deadline of a lookup: the second failure is cached for the rest of that time. So is
//!   the second "there is none", unless a change names the key.
//!
//! The core is generic over `W`, the cell in which callers wait for a result, so that a model
//! checker can run all of it.

use std::sync::Arc;

use super::{
    entry::{Answer, Attempts, Entry, Moment, NEVER, Nanos, Table},
    in_flight::{InFlight, Joined, Leader, ResultCell, Waiter},
    key::{Asked, EntryKey},
    subject::Subject,
    writer::{EntryKind, WriterState},
};
use crate::{
    credential::Kind,
    store::{Change, Record, StoreError},
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
};

/// The limits of a core.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Capacity of the table of accepts.
    pub(super) accepts: usize,
    /// Capacity of the table of refusals.
    pub(super) refusals: usize,
    /// How long a lookup may take.
    pub(super) deadline: Nanos,
    /// Misses allowed per second, for each kind of credential; `None` means no limit.
    pub(super) miss_rate: Option<u32>,
}

/// The cached answers and the lookups in flight. Clones of a cache share one.
pub(super) struct Core<W> {
    accepts: Table,
    refusals: Table,
    /// Entries of an earlier epoch are invalid.
    floor: AtomicU64,
    /// The same for the answer "there is none", for keys and for tokens.
    negative_floor_epochs: [AtomicU64; 2],
    /// The moment from which nothing cached is trusted, because changes may have been missed.
    cutoff: AtomicU64,
    pub(super) deadline: Nanos,
    pub(super) writer: Mutex<WriterState<W>>,
}

/// An answer to cache, and in which table. How long a failure is cached is up to the core.
pub(super) struct Fill {
    pub(super) kind: EntryKind,
    pub(super) answer: Answer,
    pub(super) valid_until: Nanos,
    pub(super) expires: Nanos,
}

/// An answer from the cache.
pub(super) struct Known {
    pub(super) kind: EntryKind,
    pub(super) record: Option<Arc<Record>>,
}

impl Fill {
    /// Creates the fill of a lookup that failed.
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
    /// Creates an empty core.
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

    /// Returns the cached answer, without a lock and without allocation. The clock is read only if
    /// the time matters.
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

    /// Returns an accept that expired less than `grace` ago and that no change has ended.
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

    /// Returns until when an entry is served: until its own end, or the cutoff if that is earlier.
    #[inline]
    pub(super) fn trusted_until(&self, entry: &Entry) -> Nanos {
        entry.valid_until.min(self.cutoff.load(Ordering::Acquire))
    }

    /// Returns whether no change has ended the entry.
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

    /// Returns whether no change has named what the entry is about, and no other catalogue has
    /// replaced the one that its scopes come from.
    #[inline]
    fn is_unnamed(&self, entry: &Entry) -> bool {
        entry.epoch >= self.floor.load(Ordering::Acquire)
            && entry.marks.iter().all(|mark| mark.is_valid())
            && entry.answer.is_current()
    }

    /// Returns the epoch before which "there is none" is invalid for credentials of `kind`.
    fn negative_floor_epoch(&self, kind: Kind) -> &AtomicU64 {
        let [of_keys, of_tokens] = &self.negative_floor_epochs;
        match kind {
            Kind::OrgKey => of_keys,
            Kind::PersonalToken => of_tokens,
        }
    }

    /// Ends every cached answer that `change` concerns, and outdates the lookups in flight that it
    /// may concern.
    pub(super) fn apply(&self, change: &Change) {
        self.note(&mut lock(&self.writer), change);
    }

    /// Numbers a change and ends what it concerns, under the lock.
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

    /// Begins to follow a feed, replacing any other, and returns the new follower's number. Answers
    /// cached before are not trusted, since their changes were not announced.
    pub(super) fn follow(&self, trusted_until: Nanos) -> u64 {
        let mut writer = lock(&self.writer);
        writer.follower += 1;
        self.note(&mut writer, &Change::Everything);
        self.cutoff.store(trusted_until, Ordering::Release);
        writer.follower
    }

    /// Extends the trust in cached answers to `until`. Returns whether `follower` is the current
    /// one; an earlier one has no effect.
    pub(super) fn trust(&self, follower: u64, until: Nanos) -> bool {
        self.as_follower(follower, |_| self.cutoff.store(until, Ordering::Release))
    }

    /// Ends the trust in cached answers at `cutoff`. Returns whether `follower` is the current one.
    pub(super) fn mark_lost(&self, follower: u64, cutoff: Nanos) -> bool {
        self.as_follower(follower, |_| {
            let earlier = self.cutoff.load(Ordering::Acquire);
            self.cutoff.store(cutoff.min(earlier), Ordering::Release);
        })
    }

    /// Trusts answers that are cached from now on, and none from before. Returns whether `follower`
    /// is the current one.
    pub(super) fn restore(&self, follower: u64, trusted_until: Nanos) -> bool {
        self.as_follower(follower, |writer| {
            self.note(writer, &Change::Everything);
            self.cutoff.store(trusted_until, Ordering::Release);
        })
    }

    /// Runs `act` under the lock if `follower` is the current one, and returns whether it is.
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

    /// Returns whether a lookup may still end: at its deadline, or somewhat later on a busy
    /// machine. A lookup whose runtime was shut down never ends, so others must not wait for it.
    fn is_alive(&self, lookup: &InFlight<W>, at: Moment) -> bool {
        at.timer
            < lookup
                .started
                .timer
                .saturating_add(self.deadline.saturating_mul(10))
    }
}
