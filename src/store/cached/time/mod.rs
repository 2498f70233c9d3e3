//! The clock that measures TTLs.

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

/// A clock that measures elapsed time, unaffected by changes of the time of day.
///
/// Replace the default, with [`Cached::with_monotonic_clock`](super::Cached::with_monotonic_clock),
/// only in tests or on a system whose clock it cannot read.
///
/// It must count the time that the machine sleeps, as the default does on Linux, Android, Apple's
/// systems and Windows. Otherwise a TTL stops while the machine sleeps, and a key that was revoked
/// elsewhere in the meantime is accepted after the suspend. `std::time::Instant` does not count
/// that time on Linux and Apple's systems.
///
/// ```
/// use std::{
///     sync::{Arc, atomic::{AtomicU64, Ordering}},
///     time::Duration,
/// };
/// use tower_api_key::store::{Cached, MemoryStore, MonotonicClock};
///
/// /// A clock for tests, which moves only when the test moves it.
/// #[derive(Clone, Default)]
/// struct Manual(Arc<AtomicU64>);
///
/// impl MonotonicClock for Manual {
///     fn elapsed(&self) -> Duration {
///         Duration::from_millis(self.0.load(Ordering::Relaxed))
///     }
/// }
///
/// let clock = Manual::default();
/// let cache = Cached::new(MemoryStore::new()).with_monotonic_clock(clock.clone());
/// clock.0.fetch_add(5_000, Ordering::Relaxed); // the cache is five seconds older
/// ```
pub trait MonotonicClock: Send + Sync + 'static {
    /// Returns the time since some fixed moment. It must never decrease.
    fn elapsed(&self) -> Duration;
}

/// Returns a duration in nanoseconds. What does not fit (584 years) becomes [`Nanos::MAX`], which
/// means forever.
pub(super) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
