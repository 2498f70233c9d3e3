//! The end of a lookup: decides whether its answer is cached, in which table, and until when.

use std::sync::Arc;

use super::{
    core::{Core, Fill},
    entry::{Answer, Entry, Moment, Nanos},
    in_flight::InFlight,
    subject::Subject,
    writer::{EntryKind, WriterState},
};
use crate::sync::{AtomicBool, lock};

/// How long a first failure is cached, so that a burst of requests makes one lookup.
const FAILURE_LIFE: Nanos = 20_000_000;

impl<W> Core<W> {
    /// Ends a lookup. Returns the table in which a useful entry was evicted for its answer.
    pub(super) fn finish(
        &self,
        lookup: &Arc<InFlight<W>>,
        fill: Fill,
        at: Moment,
        grace: Nanos,
    ) -> Option<EntryKind> {
        let mut writer = lock(&self.writer);
        writer.lookups.end(lookup);
        let record = fill.answer.record().map(|record| &**record);
        if lookup.limited && fill.kind == EntryKind::Accept {
            writer.limit(lookup.key.kind()).give_back();
        }
        let outdated =
            writer.changes.concern(lookup.epoch, &lookup.key, record) || !fill.answer.is_current();
        let fill = Fill {
            valid_until: if outdated {
                0
            } else {
                self.valid_until(lookup, &fill, at)
            },
            ..fill
        };
        let useless = |entry: &Entry| {
            !self.is_valid(entry) || self.trusted_until(entry).saturating_add(grace) <= at.now
        };
        self.keep(&mut writer, lookup, fill, at, useless)
    }

    /// Returns until when to cache an answer that no change has outdated.
    fn valid_until(&self, lookup: &InFlight<W>, fill: &Fill, at: Moment) -> Nanos {
        let on_our_clock = |timer: Nanos| at.now.saturating_add(timer.saturating_sub(at.timer));
        match fill.answer {
            Answer::Unknown if self.may_not_repeat(lookup, at) => fill
                .valid_until
                .min(on_our_clock(lookup.attempts.next_at(self.deadline))),
            Answer::Found(_) | Answer::Unknown => fill.valid_until,
            Answer::Failed(_) => on_our_clock(self.retry_at(lookup, &fill.answer, at)),
        }
    }

    /// Returns whether the next call of the store for this key has to wait.
    pub(super) fn may_not_repeat(&self, lookup: &InFlight<W>, at: Moment) -> bool {
        at.timer < lookup.attempts.next_at(self.deadline)
    }

    /// Returns when a lookup that failed at this moment may be repeated, on the clock of the
    /// timers. A store that works needs no rest.
    fn retry_at(&self, lookup: &InFlight<W>, answer: &Answer, at: Moment) -> Nanos {
        let soon = at.timer.saturating_add(FAILURE_LIFE);
        match answer.is_outage() {
            true => soon.max(lookup.attempts.next_at(self.deadline)),
            false => soon,
        }
    }

    /// Replaces what is cached for the key with the new answer. Returns the table in which a useful
    /// entry was evicted for it.
    fn keep(
        &self,
        writer: &mut WriterState<W>,
        lookup: &InFlight<W>,
        fill: Fill,
        at: Moment,
        useless: impl Fn(&Entry) -> bool,
    ) -> Option<EntryKind> {
        let kinds = [EntryKind::Accept, EntryKind::Refusal];
        let old = kinds.map(|kind| self.table(kind).get(&lookup.key));
        if old.iter().flatten().any(|entry| entry.epoch > lookup.epoch) {
            return None; // a lookup that began later has answered sooner
        }
        // Also when the new answer is not cached: what the store has answered differently since is
        // not served, stale or otherwise. An outage leaves accepts alone.
        let outage = fill.answer.is_outage();
        for (kind, entry) in kinds
            .into_iter()
            .zip(old)
            .filter(|(kind, _)| !outage || *kind == EntryKind::Refusal)
        {
            self.evict(writer, kind, entry.as_deref());
        }
        if fill.valid_until <= at.now {
            return None;
        }
        let (slot, evicted) = writer.places(fill.kind).claim(&useless)?;
        let lost = evicted
            .as_ref()
            .is_some_and(|entry| !useless(entry))
            .then_some(fill.kind);
        if let Some(evicted) = evicted {
            self.table(fill.kind).remove(&evicted);
            writer.give_back(&evicted);
        }
        self.put(writer, lookup, fill, at, slot);
        lost
    }

    /// Publishes the answer to readers.
    fn put(
        &self,
        writer: &mut WriterState<W>,
        lookup: &InFlight<W>,
        fill: Fill,
        at: Moment,
        slot: usize,
    ) {
        let record = fill.answer.record().map(|record| &**record);
        let marks = Subject::all(&lookup.key, record)
            .map(|subject| writer.marks.take(subject))
            .collect();
        let entry = Arc::new(Entry {
            key: lookup.key.clone(),
            marks,
            retry_at: self.retry_at(lookup, &fill.answer, at),
            answer: fill.answer,
            epoch: lookup.epoch,
            valid_until: fill.valid_until,
            expires: fill.expires,
            attempts: lookup.attempts,
            settled: self.may_not_repeat(lookup, at),
            used: AtomicBool::new(false),
            slot,
        });
        writer.places(fill.kind).put(Arc::clone(&entry));
        self.table(fill.kind).insert(entry);
    }

    /// Removes an entry and frees its place and its marks.
    fn evict(&self, writer: &mut WriterState<W>, kind: EntryKind, entry: Option<&Entry>) {
        if let Some(entry) = entry {
            self.table(kind).remove(entry);
            writer.places(kind).free(entry.slot);
            writer.give_back(entry);
        }
    }
}
