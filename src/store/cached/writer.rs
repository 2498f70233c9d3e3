//! What writers share, under one lock: the changes, the lookups in flight, and the slots of the
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

/// The two tables. What cannot be accepted has its own, so that a flood of it evicts nothing good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Accept,
    Refusal,
}

/// What writers share.
pub(super) struct WriterState<W> {
    pub(super) epoch: u64,
    pub(super) changes: Changes,
    pub(super) lookups: Lookups<W>,
    pub(super) marks: Validities,
    accepts: ClockRing,
    refusals: ClockRing,
    /// The limits of misses: of keys, and of tokens.
    limits: [RateLimit; 2],
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

    /// Numbers a change and remembers it.
    pub(super) fn record(&mut self, change: &Change) -> u64 {
        self.epoch += 1;
        self.changes.record(change, self.epoch);
        self.epoch
    }

    pub(super) fn places(&mut self, kind: EntryKind) -> &mut ClockRing {
        match kind {
            EntryKind::Accept => &mut self.accepts,
            EntryKind::Refusal => &mut self.refusals,
        }
    }

    pub(super) fn limit(&mut self, kind: Kind) -> &mut RateLimit {
        let [keys, tokens] = &mut self.limits;
        match kind {
            Kind::OrgKey => keys,
            Kind::PersonalToken => tokens,
        }
    }

    pub(super) fn give_back(&mut self, entry: &Entry) {
        entry
            .marks
            .iter()
            .for_each(|mark| self.marks.give_back(mark));
    }
}
