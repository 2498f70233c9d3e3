//! The wall clock, behind a trait: it decides expiry, and tests can set it by hand.
//!
//! You need this module to write an expiry ([`UnixMillis`]), or to test what happens after one: the
//! feature `testing` has a `ManualClock`, and [`Clock`] is a trait of one method.
//!
//! Do not use it to measure durations; the monotonic clock does that.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Negative before
/// 1970.
///
/// This is the unit of `expires_at` and `created_at` on the wire (`1767225600000` is 2026-01-01).
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::clock::{Clock, SystemClock, UnixMillis};
///
/// const DAY: i64 = Duration::from_secs(24 * 60 * 60).as_millis() as i64;
/// let in_thirty_days = UnixMillis(SystemClock::default().now().0 + 30 * DAY);
/// assert!(in_thirty_days > SystemClock::default().now());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a number with its unit and nothing else"
)]
pub struct UnixMillis(pub i64);

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A source of the current time.
///
/// Called only for credentials that can expire. Replace the default [`SystemClock`] with
/// [`AuthLayer::with_clock`](crate::AuthLayer::with_clock); give a
/// [`Manager`](crate::manage::Manager) and a [`Cached`](crate::store::Cached) the same one.
///
/// ```
/// use tower_api_key::{
///     AuthLayer,
///     clock::{Clock, UnixMillis},
///     store::MemoryStore,
/// };
///
/// /// The moment at which a recorded request arrived, to replay it.
/// struct Recorded(i64);
///
/// impl Clock for Recorded {
///     fn now(&self) -> UnixMillis {
///         UnixMillis(self.0)
///     }
/// }
///
/// let auth = AuthLayer::new(MemoryStore::new()).with_clock(Recorded(1_767_225_600_000));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> UnixMillis;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> UnixMillis {
        (**self).now()
    }
}

/// The operating system's clock, the default everywhere.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let millis = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => UnixMillis(millis(since)),
            Err(before) => UnixMillis(-millis(before.duration())),
        }
    }
}
