//! A look-up under way, shared by all who want its answer.

use std::sync::Arc;

use super::{
    core::{Core, Fill, Known},
    entry::{Entry, Nanos},
    key::EntryKey,
    ledger::Sort,
    sync::lock,
};
use crate::principal::OrgId;

/// A look-up under way.
pub(super) struct Flight<W> {
    pub(super) key: EntryKey,
    pub(super) epoch: u64,
    pub(super) landing: W,
}

/// A look-up that can be joined, and how many have.
pub(super) struct Boarding<W> {
    pub(super) flight: Arc<Flight<W>>,
    pub(super) riders: usize,
}

pub(super) enum Joined<'c, W> {
    Known(Known),
    Flying(Ticket<'c, W>),
}

/// A share in a look-up. The last one to be dropped takes the look-up off the list.
pub(super) struct Ticket<'c, W> {
    pub(super) core: &'c Core<W>,
    pub(super) flight: Arc<Flight<W>>,
}

impl<W> Ticket<'_, W> {
    /// Ends the look-up, with an answer to keep unless it is outdated. Returns the sort of an entry that had to go.
    ///
    /// `grace` is how long an entry is of use past its time.
    pub(super) fn finish(&self, fill: Option<Fill>, now: Nanos, grace: Nanos) -> Option<Sort> {
        let mut ledger = lock(&self.core.ledger);
        if ledger.flights.get(&self.flight.key).is_some_and(|boarding| self.is_on(boarding)) {
            ledger.flights.remove(&self.flight.key);
        }
        let mut fill = fill?;
        if ledger.outdated(&self.flight, fill.record.as_deref()) {
            fill.valid_until = 0; // takes the place of what was kept, and is not kept itself
        }
        let useless =
            |entry: &Entry| !self.core.stands(entry) || self.core.trusted_until(entry).saturating_add(grace) <= now;
        self.core.keep(&mut ledger, &self.flight, fill, now, useless)
    }

    fn is_on(&self, boarding: &Boarding<W>) -> bool {
        Arc::ptr_eq(&boarding.flight, &self.flight)
    }
}

impl<W> Drop for Ticket<'_, W> {
    fn drop(&mut self) {
        let mut ledger = lock(&self.core.ledger);
        let mine = ledger.flights.get_mut(&self.flight.key).filter(|boarding| self.is_on(boarding));
        let Some(boarding) = mine else { return };
        boarding.riders -= 1;
        if boarding.riders == 0 {
            ledger.flights.remove(&self.flight.key);
        }
    }
}

impl<W> Flight<W> {
    /// The organization that was asked about.
    pub(super) fn organization(&self) -> Option<&OrgId> {
        self.key.organization.as_ref()
    }
}
