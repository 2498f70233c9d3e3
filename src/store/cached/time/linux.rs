//! The clock of Linux and Android: it counts the time that the machine sleeps, is not affected by
//! changes of the time of day, and costs a few nanoseconds.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_getres, clock_gettime};

use super::{MonotonicClock, nanos};
use crate::store::cached::entry::Nanos;

/// How many ticks the kernel may be late. It ticks on one processor, and if that one stands still,
/// another takes over when it has seen five ticks of its own pass (`MAX_STALLED_JIFFIES` in
/// `kernel/time/tick-sched.c`).
const LATE_TICKS: u32 = 10;

/// `CLOCK_BOOTTIME`, "identical to CLOCK_MONOTONIC, except that it also includes any time that the
/// system is suspended", as it was when it was first read in this tick of the kernel.
///
/// That clock takes about as long as the rest of a hit. `CLOCK_MONOTONIC_COARSE`, which says in what
/// tick the kernel is, takes a sixth of that ("a faster but less precise version", `clock_gettime(2)`).
/// It stands still while the machine sleeps, but then it ticks, and this one is read anew.
#[derive(Debug)]
pub(crate) struct SystemMonotonic {
    /// The tick in which `now` was read, on the coarse clock.
    tick: AtomicU64,
    now: AtomicU64,
    lag: Duration,
}

impl SystemMonotonic {
    /// Starts the clock. Its zero is that of the system.
    pub(crate) fn start() -> Self {
        let tick = clock_getres(ClockId::MonotonicCoarse);
        let tick = Duration::try_from(tick).unwrap_or(Duration::from_millis(10));
        Self {
            tick: AtomicU64::new(Nanos::MAX),
            now: AtomicU64::new(0),
            lag: tick.saturating_mul(LATE_TICKS),
        }
    }

    /// Reads the precise clock, and keeps what it says for the rest of the tick.
    #[cold]
    fn read(&self, tick: Nanos) -> Nanos {
        let now = read(ClockId::Boottime);
        // Of two that read it at once, the later may come first.
        let earlier = self.now.fetch_max(now, Ordering::Relaxed);
        self.tick.store(tick, Ordering::Release);
        now.max(earlier)
    }
}

impl MonotonicClock for SystemMonotonic {
    fn elapsed(&self) -> Duration {
        let tick = read(ClockId::MonotonicCoarse);
        let now = match self.tick.load(Ordering::Acquire) == tick {
            true => self.now.load(Ordering::Relaxed),
            false => self.read(tick),
        };
        Duration::from_nanos(now)
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}

fn read(clock: ClockId) -> Nanos {
    nanos(Duration::try_from(clock_gettime(clock)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_the_time_since_the_machine_was_started_and_is_never_ahead() {
        let clock = SystemMonotonic::start();
        assert!(clock.lag() >= Duration::from_millis(1), "{:?}", clock.lag());
        assert!(
            clock.lag() <= Duration::from_millis(100),
            "{:?}",
            clock.lag()
        );
        let precise = || Duration::from_nanos(read(ClockId::Boottime));
        let mut last = Duration::ZERO;
        let begun = precise();
        while precise() < begun + 3 * clock.lag() {
            let (told, after) = (clock.elapsed(), precise());
            assert!(last <= told && told <= after, "{last:?} {told:?} {after:?}");
            last = told;
        }
        assert!(last > begun, "it has ticked");
    }

    #[test]
    fn a_reading_of_an_earlier_tick_that_comes_late_turns_nothing_back() {
        let clock = SystemMonotonic::start();
        let now = clock.elapsed();
        clock.now.store(nanos(now) + 1, Ordering::Relaxed); // by another thread, meanwhile
        assert!(Duration::from_nanos(clock.read(0)) > now);
        assert!(clock.elapsed() > now);
    }
}
