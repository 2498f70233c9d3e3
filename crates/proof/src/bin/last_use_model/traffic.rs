//! The moments at which rows were written.

use super::HOUR;

/// What a sample of keys makes a database write.
#[derive(Default)]
pub(crate) struct Traffic(Vec<i64>);

impl Traffic {
    /// Counts a row that is written at `at`.
    pub(crate) fn add(&mut self, at: i64) {
        self.0.push(at);
    }

    /// Returns how many rows were written within `time` from `start` on.
    pub(crate) fn written(&self, start: i64, time: i64) -> usize {
        let within = |at: &&i64| (start..start + time).contains(*at);
        self.0.iter().filter(within).count()
    }

    /// Returns how many rows were written in the busiest hour within `time` from `start` on.
    pub(crate) fn busiest_hour(&self, start: i64, time: i64) -> usize {
        let hours = (0..time / HOUR).map(|hour| self.written(start + hour * HOUR, HOUR));
        hours.max().unwrap_or_default()
    }
}
