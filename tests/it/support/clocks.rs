//! Clocks that a test moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_api_key::{
    clock::{Clock, UnixMillis},
    store::MonotonicClock,
};

/// A monotonic clock that only moves when it is advanced.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManualMonotonicClock(Arc<AtomicU64>);

impl ManualMonotonicClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl MonotonicClock for ManualMonotonicClock {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A monotonic clock in step with tokio's timers, which a paused test advances.
#[derive(Clone, Debug)]
pub(crate) struct TokioClock {
    since: tokio::time::Instant,
    slept: ManualMonotonicClock,
}

impl TokioClock {
    pub(crate) fn start() -> Self {
        Self {
            since: tokio::time::Instant::now(),
            slept: ManualMonotonicClock::default(),
        }
    }

    /// Suspends the machine: this clock advances, and the timers do not.
    pub(crate) fn suspend(&self, time: Duration) {
        self.slept.advance(time);
    }
}

impl MonotonicClock for TokioClock {
    fn elapsed(&self) -> Duration {
        self.since.elapsed() + self.slept.elapsed()
    }
}

/// A wall clock that a test sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct ManualWallClock(Arc<AtomicI64>);

impl ManualWallClock {
    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualWallClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}
