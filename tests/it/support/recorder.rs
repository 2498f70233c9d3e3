//! A recorder for the crate `metrics` that stores what is recorded.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The kind of a metric, its name and its unit.
pub(crate) type Description = (String, String, Option<Unit>);

/// Stores sums by name and labels; for histograms the number of samples, and each sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestRecorder(
    Arc<Mutex<BTreeMap<String, f64>>>,
    Arc<Mutex<Vec<(String, f64)>>>,
    Arc<Mutex<Vec<Description>>>,
);

struct Cell(TestRecorder, String);

impl TestRecorder {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(Cell(
            self.clone(),
            format!("{}{{{}}}", key.name(), labels.join(",")),
        ))
    }

    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0
            .lock()
            .unwrap()
            .get(&format!("tower_api_key_{name}"))
            .copied()
            .unwrap_or(0.0)
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn describe(&self, kind: &str, name: &KeyName, unit: Option<Unit>, text: &str) {
        assert!(!text.is_empty() && !text.ends_with('.'), "{text:?}");
        let described = (kind.to_owned(), name.as_str().to_owned(), unit);
        self.2.lock().unwrap().push(described);
    }

    /// The descriptions, in order.
    pub(crate) fn described(&self) -> Vec<Description> {
        self.2.lock().unwrap().clone()
    }

    /// The samples of a histogram, in order.
    pub(crate) fn samples(&self, name: &str) -> Vec<f64> {
        let samples = self.1.lock().unwrap();
        let own = samples
            .iter()
            .filter(|(key, _)| *key == format!("tower_api_key_{name}"));
        own.map(|(_, value)| *value).collect()
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut sums = (self.0).0.lock().unwrap();
        let sum = sums.entry(self.1.clone()).or_default();
        *sum = change(*sum);
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.change(|sum| sum + by as f64);
    }

    fn absolute(&self, to: u64) {
        self.change(|_| to as f64);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, by: f64) {
        self.change(|sum| sum + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|sum| sum - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.change(|count| count + 1.0);
        (self.0).1.lock().unwrap().push((self.1.clone(), value));
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("counter", &name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("gauge", &name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe("histogram", &name, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}
