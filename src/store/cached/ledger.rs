//! What writers share, under one lock: the changes, the look-ups under way, and the places in the tables.

use std::collections::{HashMap, VecDeque};

use super::{
    entry::{Entry, Places},
    flight::{Boarding, Flight},
    key::EntryKey,
    subject::{Marks, concerns},
};
use crate::{
    credential::Kind,
    store::{Change, Record},
};

/// How many changes are remembered. A look-up during which more than that happen is not kept.
const REMEMBERED: usize = 256;

/// The two tables. What cannot be accepted has its own, so that a flood of it evicts nothing good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Accept,
    Refusal,
}

/// What writers share.
pub(super) struct Ledger<W> {
    pub(super) epoch: u64,
    pub(super) recent: VecDeque<Change>, // the last one has the number `epoch`
    /// The last change that may have concerned a look-up under way: of keys, and of tokens.
    pub(super) horizons: [u64; 2],
    pub(super) flights: HashMap<EntryKey, Boarding<W>>,
    pub(super) marks: Marks,
    accepts: Places,
    refusals: Places,
    pub(super) follower: u64,
}

impl<W> Ledger<W> {
    pub(super) fn new(accepts: usize, refusals: usize) -> Self {
        Self {
            epoch: 0,
            recent: VecDeque::new(),
            horizons: [0; 2],
            flights: HashMap::new(),
            marks: Marks::default(),
            accepts: Places::new(accepts),
            refusals: Places::new(refusals),
            follower: 0,
        }
    }

    /// Numbers a change and remembers it.
    pub(super) fn record(&mut self, change: &Change) -> u64 {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(change.clone());
        self.epoch += 1;
        self.epoch
    }

    /// The last change that may have concerned any look-up for a credential of `kind`.
    pub(super) fn horizon(&self, kind: Kind) -> u64 {
        let [of_keys, of_tokens] = self.horizons;
        match kind {
            Kind::OrgKey => of_keys,
            Kind::PersonalToken => of_tokens,
        }
    }

    pub(super) fn places(&mut self, sort: Sort) -> &mut Places {
        match sort {
            Sort::Accept => &mut self.accepts,
            Sort::Refusal => &mut self.refusals,
        }
    }

    pub(super) fn give_back(&mut self, entry: &Entry) {
        entry.marks.iter().for_each(|mark| self.marks.give_back(mark));
    }

    /// Whether a change since the look-up began ends its answer. Too many changes count as one that does.
    pub(super) fn outdated(&self, flight: &Flight<W>, record: Option<&Record>) -> bool {
        let since = usize::try_from(self.epoch - flight.epoch).unwrap_or(usize::MAX);
        since > self.recent.len()
            || self.recent.iter().rev().take(since).any(|change| concerns(change, &flight.key, record))
    }
}
