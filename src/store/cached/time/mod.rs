//! The clock that times to live are measured by.

#[cfg_attr(
    any(target_os = "linux", target_os = "android", target_vendor = "apple"),
    path = "unix.rs"
)]
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", target_vendor = "apple")),
    path = "other.rs"
)]
mod system;

use std::time::Duration;

pub(super) use system::SystemMonotonic;

use super::entry::Nanos;

/// Tells how much time has passed, whatever is done to the time of day.
///
/// It has to count the time that the machine sleeps, as the default does on Linux, Android, Apple's
/// systems and Windows: otherwise a time to live is one of the machine's waking hours, and a key
/// that was revoked elsewhere meanwhile is accepted after the suspend. `std::time::Instant` does
/// not count it on Linux and Apple's systems.
pub trait MonotonicClock: Send + Sync + 'static {
    /// Returns the time since some fixed moment. Never less than it has returned before.
    fn elapsed(&self) -> Duration;
}

/// Counts in nanoseconds; what does not fit, 584 years, is for ever.
pub(super) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
