//! The clock of Apple's systems that counts the time that the machine sleeps and is not affected by
//! changes of the time of day.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::MonotonicClock;

/// Reads `CLOCK_MONOTONIC`, which "will continue to increment while the system is asleep"
/// (`clock_gettime(3)` of macOS).
#[derive(Debug)]
pub(crate) struct SystemMonotonic;

impl SystemMonotonic {
    /// Returns the clock. Its zero is that of the system.
    pub(crate) fn start() -> Self {
        Self
    }
}

impl MonotonicClock for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or(Duration::ZERO)
    }
}
