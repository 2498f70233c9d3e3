//! The clock of the standard library. On Windows it counts the time that the machine sleeps
//! (`QueryPerformanceCounter`).

use std::time::{Duration, Instant};

use super::MonotonicClock;

/// Measures the time since [`start`](Self::start).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemMonotonic(Instant);

impl SystemMonotonic {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl MonotonicClock for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
