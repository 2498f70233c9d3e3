//! Takes the samples of two classes, in random order.

use std::{hint::black_box, time::Instant};

use super::welch::{Comparison, compare};

/// Which of the two classes a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    First,
    Second,
}

/// How often a comparison runs in one sample: one alone is shorter than the clock's tick.
pub(crate) const REPEATS: u32 = 64;

/// How samples are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many of each class.
    samples: usize,
    /// How often the code runs in one sample.
    repeats: u32,
    /// How many inputs are prepared before the first of them is measured. To prepare an input
    /// leaves traces in the processor, which differ from class to class: with many at a time, they
    /// are gone before the input's own sample. One at a time, if to prepare it changes the store.
    batch: usize,
}

impl Plan {
    /// The plan for a comparison alone.
    pub(crate) fn comparing(samples: usize) -> Self {
        Self {
            samples,
            repeats: REPEATS,
            batch: 1000,
        }
    }

    /// The plan for a whole check, before each of which the store is changed.
    pub(crate) fn checking(samples: usize) -> Self {
        Self {
            samples,
            repeats: 1,
            batch: 1,
        }
    }
}

/// Measures `run` with what `prepare` made of each class. Only `run` is timed; what it returns is
/// dropped afterwards.
pub(crate) fn measure<T, R>(
    plan: Plan,
    mut prepare: impl FnMut(Class) -> T,
    mut run: impl FnMut(T) -> R,
) -> Comparison {
    let Plan {
        samples,
        repeats,
        batch,
    } = plan;
    let (mut first, mut second) = (Vec::with_capacity(samples), Vec::with_capacity(samples));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut warm_up = (samples / 100).max(batch);
    while first.len() < samples || second.len() < samples {
        let classes: Vec<_> = (0..batch).map(|_| random.class()).collect();
        let inputs: Vec<_> = classes.iter().map(|class| prepare(*class)).collect();
        let mut times = Vec::with_capacity(batch);
        for input in inputs {
            times.push(timed(&mut run, input));
        }
        if warm_up > 0 {
            warm_up = warm_up.saturating_sub(batch);
            continue;
        }
        for (class, time) in classes.into_iter().zip(times) {
            let kept = match class {
                Class::First => &mut first,
                Class::Second => &mut second,
            };
            if kept.len() < samples {
                kept.push(time);
            }
        }
    }
    let found = compare(&mut first, &mut second);
    Comparison {
        difference: found.difference / f64::from(repeats),
        ..found
    }
}

/// Returns how many nanoseconds `run` takes.
fn timed<T, R>(run: &mut impl FnMut(T) -> R, input: T) -> u32 {
    let start = Instant::now();
    let output = black_box(run(black_box(input)));
    let time = start.elapsed();
    drop(output);
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Xorshift (G. Marsaglia, 2003): the order of the classes need not be secret, only irregular.
struct Random(u64);

impl Random {
    fn class(&mut self) -> Class {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        match self.0 >> 63 {
            0 => Class::First,
            _ => Class::Second,
        }
    }
}
