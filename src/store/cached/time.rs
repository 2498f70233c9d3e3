//! The monotonic clock, behind a trait: time to live is measured by it, and a test moves it by hand.

use std::time::{Duration, Instant};

use super::entry::Nanos;

/// Tells how much time has passed, whatever anybody does to the time of day.
pub trait Monotonic: Send + Sync + 'static {
    /// Returns the time since some fixed moment. Never less than it has returned before.
    fn elapsed(&self) -> Duration;
}

/// The operating system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemMonotonic(Instant);

impl SystemMonotonic {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Monotonic for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Counts in nanoseconds; what does not fit, 584 years, is for ever.
pub(super) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
