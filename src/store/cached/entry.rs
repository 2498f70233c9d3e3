//! A kept answer, and the bounded table of those of one sort.

use std::sync::Arc;

use super::{
    key::{Asked, EntryKey},
    subject::Mark,
    sync::{AtomicBool, Map, Ordering},
};
use crate::store::Record;

/// A moment of the monotonic clock, in nanoseconds.
pub(super) type Nanos = u64;

/// The moment that never comes.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// How many entries in use are passed over before one of them has to go. Bounds the time under the lock.
const MERCY: usize = 64;

/// A kept answer.
pub(super) struct Entry {
    pub(super) key: EntryKey,
    pub(super) record: Option<Arc<Record>>,
    /// The number of changes that had been told when the look-up began.
    pub(super) epoch: u64,
    pub(super) valid_until: Nanos,
    pub(super) marks: Box<[Arc<Mark>]>,
    pub(super) used: AtomicBool,
    pub(super) slot: usize,
}

impl Entry {
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
pub(super) struct Places {
    places: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
    hand: usize,
    capacity: usize,
}

impl Places {
    pub(super) fn new(capacity: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), hand: 0, capacity }
    }

    /// Finds a place and who has to leave it; `None` when nothing may be kept at all.
    ///
    /// `worthless` says of an entry that it is of no use any more, used or not.
    pub(super) fn claim(&mut self, worthless: impl Fn(&Entry) -> bool) -> Option<(usize, Option<Arc<Entry>>)> {
        if let Some(free) = self.free.pop() {
            return Some((free, None));
        }
        if self.places.len() < self.capacity {
            self.places.push(None);
            return Some((self.places.len() - 1, None));
        }
        let (round, mut mercy) = (self.places.len(), MERCY);
        loop {
            let here = self.hand;
            self.hand = (here + 1).checked_rem(round)?;
            let entry = self.places.get_mut(here)?;
            let spared = |entry: &Entry| entry.used.swap(false, Ordering::Relaxed) && !worthless(entry);
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

    pub(super) fn vacate(&mut self, slot: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = None;
            self.free.push(slot);
        }
    }
}
