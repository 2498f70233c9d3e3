//! A kept answer, and the bounded table of those of one sort.

use std::sync::Arc;

use super::{
    key::{Asked, EntryKey},
    subject::Validity,
    sync::{AtomicBool, Map, Ordering},
};
use crate::store::{Record, StoreError};

/// A moment of the monotonic clock, in nanoseconds.
pub(super) type Nanos = u64;

/// One moment, as two clocks show it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The cache's clock, which times to live are measured by. Counts the time that the machine sleeps.
    pub(super) now: Nanos,
    /// The clock of the timers, which deadlines are measured by.
    pub(super) timer: Nanos,
}

/// What the store said of a key, or that it could not tell.
#[derive(Clone)]
pub(super) enum Answer {
    Found(Arc<Record>),
    Unknown,
    Failed(Arc<StoreError>),
}

/// When the last two calls of the store for a key began that has not been found, on the clock of the timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempts {
    last: Nanos,
    before: Option<Nanos>,
}

impl Attempts {
    /// Notes one more call, after those before.
    pub(super) fn again(earlier: Option<Self>, timer: Nanos) -> Self {
        Self {
            last: timer,
            before: earlier.map(|earlier| earlier.last),
        }
    }

    /// When the next call may begin, so that no more than two do within a deadline.
    pub(super) fn next_at(self, deadline: Nanos) -> Nanos {
        self.before
            .map_or(0, |before| before.saturating_add(deadline))
    }
}

/// The moment that never comes.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// How many entries in use are passed over before one of them has to go. Bounds the time under the lock.
const MAX_SECOND_CHANCES: usize = 64;

/// A kept answer.
pub(super) struct Entry {
    pub(super) key: EntryKey,
    pub(super) answer: Answer,
    /// The number of changes that had been told when the lookup began.
    pub(super) epoch: u64,
    pub(super) valid_until: Nanos,
    /// When the credential itself expires, on the monotonic clock: setting the time of day back does not revive it.
    pub(super) expires: Nanos,
    pub(super) attempts: Attempts,
    /// No further call may begin while the entry is valid: "there is none" stays unless a change names the key.
    pub(super) settled: bool,
    /// When a failure may be tried again, on the clock of the timers.
    pub(super) retry_at: Nanos,
    pub(super) marks: Box<[Arc<Validity>]>,
    pub(super) used: AtomicBool,
    pub(super) slot: usize,
}

impl Answer {
    pub(super) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Found(record) => Some(record),
            Self::Unknown | Self::Failed(_) => None,
        }
    }
}

impl Entry {
    /// Returns the failure that is kept, if it is not to be tried again yet.
    pub(super) fn failure(&self, timer: Nanos) -> Option<Arc<StoreError>> {
        match &self.answer {
            Answer::Failed(error) if timer < self.retry_at => Some(Arc::clone(error)),
            _ => None,
        }
    }

    /// Notes a use. Writes once between two rounds of the hand, so that hot entries are read only.
    #[inline]
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// The entries of one sort, as readers see them.
pub(super) struct Table(Map<EntryKey, Arc<Entry>>);

impl Table {
    pub(super) fn new() -> Self {
        Self(Map::new())
    }

    #[inline]
    pub(super) fn with<T>(&self, asked: &Asked<'_>, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.0.with(asked, |entry| look(entry))
    }

    /// Returns the entry of `key`. For writers.
    pub(super) fn get(&self, key: &EntryKey) -> Option<Arc<Entry>> {
        self.0.with(&key.borrowed(), Arc::clone)
    }

    pub(super) fn insert(&self, entry: Arc<Entry>) {
        self.0.insert(entry.key.clone(), entry);
    }

    pub(super) fn remove(&self, entry: &Entry) {
        self.0.remove(&entry.key);
    }
}

/// The places for entries: a clock with a second chance (Corbató 1968). Held by writers, under the lock.
pub(super) struct ClockRing {
    places: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
    hand: usize,
    capacity: usize,
}

impl ClockRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            hand: 0,
            capacity,
        }
    }

    /// Finds a place and who has to leave it; `None` when nothing may be kept at all.
    ///
    /// `worthless` says of an entry that it is of no use any more, used or not.
    pub(super) fn claim(
        &mut self,
        worthless: impl Fn(&Entry) -> bool,
    ) -> Option<(usize, Option<Arc<Entry>>)> {
        if let Some(free) = self.free.pop() {
            return Some((free, None));
        }
        if self.places.len() < self.capacity {
            self.places.push(None);
            return Some((self.places.len() - 1, None));
        }
        let (round, mut mercy) = (self.places.len(), MAX_SECOND_CHANCES);
        loop {
            let here = self.hand;
            self.hand = (here + 1).checked_rem(round)?;
            let entry = self.places.get_mut(here)?;
            let spared =
                |entry: &Entry| entry.used.swap(false, Ordering::Relaxed) && !worthless(entry);
            if mercy > 0 && entry.as_deref().is_some_and(spared) {
                mercy -= 1;
                continue;
            }
            return Some((here, entry.take()));
        }
    }

    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        if let Some(place) = self.places.get_mut(entry.slot) {
            *place = Some(entry);
        }
    }

    pub(super) fn free(&mut self, slot: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = None;
            self.free.push(slot);
        }
    }
}
