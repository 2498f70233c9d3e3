//! The miss rate limit, as a virtual schedule: the generic cell rate algorithm (ITU-T I.371).

use super::entry::Nanos;

const SECOND: Nanos = 1_000_000_000;

/// Permits a number of lookups per second, and as many at once after a second without any.
pub(super) struct RateLimit {
    /// The time that one permit stands for; `None` permits all, [`Nanos::MAX`] none.
    interval: Option<Nanos>,
    /// When the permits taken so far would be used up, at one per interval.
    scheduled: Nanos,
}

impl RateLimit {
    /// Creates a limit; `None` means no limit.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let interval = per_second.map(|rate| SECOND.checked_div(rate.into()).unwrap_or(Nanos::MAX));
        Self {
            interval,
            scheduled: 0,
        }
    }

    /// Takes a permit, if there is one at `now`.
    pub(super) fn take(&mut self, now: Nanos) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        let scheduled = self.scheduled.max(now).saturating_add(interval);
        let permitted = scheduled <= now.saturating_add(SECOND);
        if permitted {
            self.scheduled = scheduled;
        }
        permitted
    }

    /// Returns a permit that turned out not to be needed.
    pub(super) fn give_back(&mut self) {
        self.scheduled = self.scheduled.saturating_sub(self.interval.unwrap_or(0));
    }
}
