//! A cached answer, and the bounded table of one kind of answers.

use std::sync::Arc;

use super::{
    key::{Asked, EntryKey},
    subject::Validity,
};
use crate::{
    store::{Record, StoreError},
    sync::{AtomicBool, Map, Ordering},
};

/// A moment of the monotonic clock, in nanoseconds.
pub(super) type Nanos = u64;

/// One moment on two clocks, which differ while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// On the cache's clock, which measures TTLs and counts the time that the machine sleeps.
    pub(super) now: Nanos,
    /// On the clock of tokio's timers, which measures deadlines.
    pub(super) timer: Nanos,
}

/// What the store answered for a key, or that it could not.
#[derive(Clone)]
pub(super) enum Answer {
    Found(Arc<Record>),
    Unknown,
    Failed(Arc<StoreError>),
}

/// When the last two calls of the store began for a key that it has not found, on the clock of the
/// timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempts {
    last: Nanos,
    before: Option<Nanos>,
}

impl Attempts {
    /// Adds a call that begins at `timer` to the earlier ones.
    pub(super) fn again(earlier: Option<Self>, timer: Nanos) -> Self {
        Self {
            last: timer,
            before: earlier.map(|earlier| earlier.last),
        }
    }

    /// Returns when the next call may begin, so that at most two begin within a deadline.
    pub(super) fn next_at(self, deadline: Nanos) -> Nanos {
        self.before
            .map_or(0, |before| before.saturating_add(deadline))
    }
}

/// A moment that is never reached.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// How many entries in use are passed over before one of them is evicted. Bounds the time under the
/// lock.
const MAX_SECOND_CHANCES: usize = 64;

/// A cached answer.
pub(super) struct Entry {
    pub(super) key: EntryKey,
    pub(super) answer: Answer,
    /// The number of the last change before the lookup began.
    pub(super) epoch: u64,
    /// The end of its TTL, on the cache's clock.
    pub(super) valid_until: Nanos,
    /// When the credential itself expires, on the monotonic clock, so that setting the time of day
    /// back does not revive it.
    pub(super) expires: Nanos,
    pub(super) attempts: Attempts,
    /// No further call may begin while the entry is valid: "there is none" stays unless a change
    /// names the key.
    pub(super) settled: bool,
    /// When a failed lookup may be repeated, on the clock of the timers.
    pub(super) retry_at: Nanos,
    /// One mark for each subject of the answer. The entry is valid while all of them are.
    pub(super) marks: Box<[Arc<Validity>]>,
    /// Whether it was read since the clock hand last passed it.
    pub(super) used: AtomicBool,
    /// Its place in the [`ClockRing`].
    pub(super) slot: usize,
}

impl Answer {
    /// Returns the record, if one was found; also that of a credential whose role is unknown.
    pub(super) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Found(record) => Some(record),
            Self::Unknown => None,
            Self::Failed(error) => error.found(),
        }
    }

    /// Returns whether the store could not be asked. Any other answer says something about the
    /// credential: also the failure to read its record, which a store returns that works.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Found(_) | Self::Unknown => false,
            Self::Failed(error) => matches!(**error, StoreError::Unavailable(_)),
        }
    }

    /// Returns whether the catalogue that its scopes come from still says the same.
    #[inline]
    pub(super) fn is_current(&self) -> bool {
        self.record().is_none_or(|record| record.is_current())
    }
}

impl Entry {
    /// Returns the cached failure, if it is too early to repeat the lookup.
    pub(super) fn failure(&self, timer: Nanos) -> Option<Arc<StoreError>> {
        match &self.answer {
            Answer::Failed(error) if timer < self.retry_at => Some(Arc::clone(error)),
            _ => None,
        }
    }

    /// Marks the entry as used. Writes at most once per round of the clock hand, so that cores do
    /// not contend for hot entries.
    #[inline]
    pub(super) fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// The entries of one kind, as readers see them.
pub(super) struct Table(Map<EntryKey, Arc<Entry>>);

impl Table {
    /// Creates an empty table.
    pub(super) fn new() -> Self {
        Self(Map::new())
    }

    /// Passes the entry for a lookup to `look`, without cloning it. For readers.
    #[inline]
    pub(super) fn with<T>(&self, asked: &Asked<'_>, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.0.with(asked, |entry| look(entry))
    }

    /// Returns the entry of `key`. For writers.
    pub(super) fn get(&self, key: &EntryKey) -> Option<Arc<Entry>> {
        self.0.with(&key.borrowed(), Arc::clone)
    }

    /// Adds an entry, or replaces the one with the same key.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        self.0.insert(entry.key.clone(), entry);
    }

    /// Removes the entry with this entry's key.
    pub(super) fn remove(&self, entry: &Entry) {
        self.0.remove(&entry.key);
    }
}

/// Decides which entry is evicted: the clock algorithm with a second chance (Corbató 1968). Used by
/// writers, under the lock.
pub(super) struct ClockRing {
    places: Vec<Option<Arc<Entry>>>,
    /// Places without an entry.
    free: Vec<usize>,
    /// The next place to consider for eviction.
    hand: usize,
    capacity: usize,
}

impl ClockRing {
    /// Creates an empty ring for `capacity` entries. Its memory grows with use.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            hand: 0,
            capacity,
        }
    }

    /// Reserves a place, and returns it with the entry that is evicted from it, if any; `None` if
    /// the capacity is 0.
    ///
    /// An entry for which `worthless` returns true is evicted without a second chance.
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

    /// Puts an entry into the place that was reserved for it.
    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        if let Some(place) = self.places.get_mut(entry.slot) {
            *place = Some(entry);
        }
    }

    /// Empties a place, for the next entry.
    pub(super) fn free(&mut self, slot: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = None;
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::key::Name, *};

    fn entry(slot: usize, used: bool) -> Arc<Entry> {
        Arc::new(Entry {
            key: EntryKey {
                name: Name::Id(slot.to_string().as_str().into()),
                organization: None,
            },
            answer: Answer::Unknown,
            epoch: 0,
            valid_until: NEVER,
            expires: NEVER,
            attempts: Attempts::again(None, 0),
            settled: false,
            retry_at: 0,
            marks: Box::default(),
            used: AtomicBool::new(used),
            slot,
        })
    }

    /// Puts an entry into the next place. Returns the place, and that of the evicted entry.
    fn add(ring: &mut ClockRing, used: bool) -> (usize, Option<usize>) {
        let (slot, evicted) = ring.claim(|_| false).unwrap();
        ring.put(entry(slot, used));
        (slot, evicted.map(|entry| entry.slot))
    }

    fn full(capacity: usize, used: bool) -> ClockRing {
        let mut ring = ClockRing::new(capacity);
        for slot in 0..capacity {
            assert_eq!(add(&mut ring, used), (slot, None));
        }
        ring
    }

    #[test]
    fn at_most_64_entries_in_use_are_passed_over() {
        let mut ring = full(200, true);
        // The fourth finds no more than five before those that were passed over already.
        for slot in [64, 129, 194, 0] {
            assert_eq!(add(&mut ring, true), (slot, Some(slot)));
        }
    }

    #[test]
    fn a_free_place_is_taken_before_an_entry_is_evicted() {
        let mut ring = full(3, false);
        ring.free(1);
        assert_eq!(add(&mut ring, false), (1, None));
        assert_eq!(add(&mut ring, false), (0, Some(0)));
    }
}
