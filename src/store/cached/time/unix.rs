//! The system clock that counts the time that the machine sleeps and is not affected by changes of
//! the time of day.

use std::time::Duration;

// `clock_gettime(2)` of Linux: "identical to CLOCK_MONOTONIC, except that it also includes any time
// that the system is suspended". Apple's manual says of its CLOCK_MONOTONIC that it "will continue
// to increment while the system is asleep".
#[cfg(not(target_vendor = "apple"))]
use rustix::time::ClockId::Boottime as CLOCK;
#[cfg(target_vendor = "apple")]
use rustix::time::ClockId::Monotonic as CLOCK;
use rustix::time::clock_gettime;

use super::MonotonicClock;

/// Reads `CLOCK_BOOTTIME`, or its equivalent on Apple's systems.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemMonotonic;

impl SystemMonotonic {
    /// Returns the clock. Its zero is that of the system.
    pub(crate) fn start() -> Self {
        Self
    }
}

impl MonotonicClock for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        Duration::try_from(clock_gettime(CLOCK)).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_since_the_machine_was_started_and_not_since_the_process_was() {
        let read = || Duration::try_from(clock_gettime(CLOCK)).unwrap_or(Duration::ZERO);
        let (before, told, after) = (read(), SystemMonotonic::start().elapsed(), read());
        assert!(
            before <= told && told <= after,
            "{before:?} {told:?} {after:?}"
        );
    }
}
