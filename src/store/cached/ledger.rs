//! What writers share, under one lock: the changes, the lookups in flight, and the places in the tables.

use super::{
    changes::Changes,
    core::Bounds,
    entry::{Entry, Places},
    in_flight::Lookups,
    limit::RateLimit,
    subject::Marks,
};
use crate::{credential::Kind, store::Change};

/// The two tables. What cannot be accepted has its own, so that a flood of it evicts nothing good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Accept,
    Refusal,
}

/// What writers share.
pub(super) struct Ledger<W> {
    pub(super) epoch: u64,
    pub(super) changes: Changes,
    pub(super) lookups: Lookups<W>,
    pub(super) marks: Marks,
    accepts: Places,
    refusals: Places,
    /// The limits of misses: of keys, and of tokens.
    limits: [RateLimit; 2],
    pub(super) follower: u64,
}

impl<W> Ledger<W> {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            epoch: 0,
            changes: Changes::default(),
            lookups: Lookups::default(),
            marks: Marks::default(),
            accepts: Places::new(bounds.accepts),
            refusals: Places::new(bounds.refusals),
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

    pub(super) fn places(&mut self, sort: Sort) -> &mut Places {
        match sort {
            Sort::Accept => &mut self.accepts,
            Sort::Refusal => &mut self.refusals,
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
