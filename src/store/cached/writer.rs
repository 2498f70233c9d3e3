//! What writers share under one lock: the changes, the lookups in flight, and the places in the
//! tables.

use super::{
    changes::Changes,
    core::Bounds,
    entry::{ClockRing, Entry},
    in_flight::Lookups,
    limit::RateLimit,
    subject::Validities,
};
use crate::{credential::Kind, store::Change};

/// The two tables. Refusals have their own, so that a flood of them evicts no accepted credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Accept,
    Refusal,
}

/// What writers share.
pub(super) struct WriterState<W> {
    /// The number of the last change.
    pub(super) epoch: u64,
    pub(super) changes: Changes,
    pub(super) lookups: Lookups<W>,
    pub(super) marks: Validities,
    accepts: ClockRing,
    refusals: ClockRing,
    /// The miss rate limits, of keys and of tokens.
    limits: [RateLimit; 2],
    /// The number of the current follower; 0 before the first.
    pub(super) follower: u64,
}

impl<W> WriterState<W> {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            epoch: 0,
            changes: Changes::default(),
            lookups: Lookups::default(),
            marks: Validities::default(),
            accepts: ClockRing::new(bounds.accepts),
            refusals: ClockRing::new(bounds.refusals),
            limits: [
                RateLimit::new(bounds.miss_rate),
                RateLimit::new(bounds.miss_rate),
            ],
            follower: 0,
        }
    }

    /// Numbers a change, remembers it, and returns its number.
    pub(super) fn record(&mut self, change: &Change) -> u64 {
        self.epoch += 1;
        self.changes.record(change, self.epoch);
        self.epoch
    }

    /// Returns the places of a table.
    pub(super) fn places(&mut self, kind: EntryKind) -> &mut ClockRing {
        match kind {
            EntryKind::Accept => &mut self.accepts,
            EntryKind::Refusal => &mut self.refusals,
        }
    }

    /// Returns the miss rate limit of a kind of credential.
    pub(super) fn limit(&mut self, kind: Kind) -> &mut RateLimit {
        let [keys, tokens] = &mut self.limits;
        match kind {
            Kind::OrgKey => keys,
            Kind::PersonalToken => tokens,
        }
    }

    /// Releases the marks of an entry that was removed.
    pub(super) fn give_back(&mut self, entry: &Entry) {
        entry
            .marks
            .iter()
            .for_each(|mark| self.marks.give_back(mark));
    }
}
