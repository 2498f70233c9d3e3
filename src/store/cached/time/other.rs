//! The clock of the standard library. On Windows it goes on while the machine sleeps
//! (`QueryPerformanceCounter`).

use std::time::{Duration, Instant};

use super::MonotonicClock;

/// Measures from a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemMonotonic(Instant);

impl SystemMonotonic {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl MonotonicClock for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
