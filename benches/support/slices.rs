//! Side-by-side measurement: every arm gets a short slice in turn, so that other load on the
//! machine affects all arms alike.

use std::time::{Duration, Instant};

/// SingleRecordStore of the things that are compared.
pub(crate) struct Arm {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut(u32)>,
}

impl Arm {
    /// An arm whose `run` repeats its call the given number of times.
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut(u32) + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Whether rough figures are enough: `--quick`, or a run as a test (only `cargo bench` passes
/// `--bench`).
pub(crate) fn quick() -> bool {
    let mut arguments = std::env::args();
    arguments.any(|argument| argument == "--quick")
        || !std::env::args().any(|argument| argument == "--bench")
}

/// Measures all arms in turn: nanoseconds per call, the median over the slices.
pub(crate) fn measure(arms: &mut [Arm]) -> Vec<f64> {
    let (rounds, slice) = if quick() {
        (31, Duration::from_micros(100))
    } else {
        (501, Duration::from_micros(250))
    };
    let calls: Vec<u32> = arms.iter_mut().map(|arm| calls_for(slice, arm)).collect();
    let mut nanos = vec![Vec::with_capacity(rounds); arms.len()];
    for _ in 0..rounds {
        for ((arm, calls), nanos) in arms.iter_mut().zip(&calls).zip(&mut nanos) {
            nanos.push(timed(arm, *calls).as_nanos() as f64 / f64::from(*calls));
        }
    }
    nanos.into_iter().map(median).collect()
}

fn calls_for(slice: Duration, arm: &mut Arm) -> u32 {
    let mut calls = 1;
    while timed(arm, calls) < slice {
        calls *= 2;
    }
    calls
}

fn timed(arm: &mut Arm, calls: u32) -> Duration {
    let start = Instant::now();
    (arm.run)(calls);
    start.elapsed()
}

/// The median; 0 without values.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the given share of the values lies; 0 without values.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or_default()
}
