//! A slot: the last use of one credential, which threads update without a lock.

use std::sync::Arc;

use super::Origin;
use crate::sync::{AtomicI64, Ordering::Relaxed};

/// The last use, the last written use, and whether a use came after the credential was rotated.
pub(super) struct Slot {
    pub(super) at: AtomicI64,
    pub(super) written: AtomicI64,
    pub(super) after_rotation: bool,
    /// Set when the slot is created, so the slot is replaced for each later use.
    pub(super) origin: Option<Arc<Origin>>,
}

/// Replaces the last use in a slot that is being removed.
pub(super) const RETIRED: i64 = i64::MIN;

/// Uses of one credential that are closer together count as one, so that cores need not write the
/// same cache line for each request.
const RESOLUTION_MILLIS: i64 = 1000;

impl Slot {
    /// Creates a slot with an unwritten use.
    pub(super) fn new(now: i64, after_rotation: bool) -> Self {
        let (at, written) = (AtomicI64::new(now), AtomicI64::new(RETIRED));
        Self {
            at,
            written,
            after_rotation,
            origin: None,
        }
    }

    /// Returns whether a use at `now` counts as the one that the slot has.
    pub(super) fn covers(&self, now: i64, after_rotation: bool) -> bool {
        let last = self.at.load(Relaxed);
        last != RETIRED
            && now < last.saturating_add(RESOLUTION_MILLIS)
            && (self.after_rotation || !after_rotation)
    }

    /// Retires the slot, so that no use is recorded in it while it is replaced. Returns the last.
    pub(super) fn retire(&self) -> i64 {
        self.at.swap(RETIRED, Relaxed)
    }

    /// Updates the last use; returns false if the slot is retired and must be replaced.
    pub(super) fn touch(&self, now: i64, after_rotation: bool) -> bool {
        if after_rotation && !self.after_rotation {
            return false; // the first such use is written, however soon it follows the one before
        }
        let mut last = self.at.load(Relaxed);
        while last != RETIRED && now >= last.saturating_add(RESOLUTION_MILLIS) {
            if self.origin.is_some() {
                return false; // it is not the origin of this use
            }
            match self.at.compare_exchange_weak(last, now, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => last = other,
            }
        }
        last != RETIRED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_takes_uses_until_it_is_retired() {
        let slot = Slot::new(5_000, false);
        let last = || slot.at.load(Relaxed);
        for (now, kept) in [(4_000, 5_000), (5_999, 5_000), (6_000, 6_000)] {
            assert!(slot.touch(now, false));
            assert_eq!(last(), kept);
        }
        assert!(!slot.touch(9_000, true), "the first after a rotation");
        assert_eq!(last(), 6_000);
        assert_eq!(slot.retire(), 6_000);
        assert!(!slot.touch(9_000, false));
        assert_eq!(last(), RETIRED);
    }
}
