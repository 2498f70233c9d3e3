//! Counts the lookups that waited for the store.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Records one counter of the crate and ignores the other metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Misses(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Misses {
    pub(crate) fn count(&self) -> u64 {
        self.0.0.load(Relaxed)
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }

    fn absolute(&self, to: u64) {
        self.0.store(to, Relaxed);
    }
}

impl Recorder for Misses {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "tower_api_key_cache_misses_total" => Counter::from_arc(Arc::clone(&self.0)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
