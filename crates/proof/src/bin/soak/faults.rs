//! When a fault is injected, and which answers it excuses.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// For how long after a fault answers may still show it: connections are replaced when they are
/// used.
const AFTERMATH: Duration = Duration::from_secs(5);

/// A fault that the program injects again and again.
#[derive(Debug, Default)]
pub(crate) struct Fault(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Never,
    Now,
    Until(Instant),
}

impl Fault {
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap() = State::Now;
    }

    pub(crate) fn end(&self) {
        *self.0.lock().unwrap() = State::Until(Instant::now());
    }

    /// Returns whether it excuses the answer, just arrived, to a request that was sent at `sent`.
    pub(crate) fn excuses(&self, sent: Instant) -> bool {
        match *self.0.lock().unwrap() {
            State::Never => false,
            State::Now => true,
            State::Until(end) => sent <= end + AFTERMATH,
        }
    }
}
