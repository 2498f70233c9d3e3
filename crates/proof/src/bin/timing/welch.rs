//! The statistic of dudect: Welch's t over cropped samples.
//!
//! O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", DATE 2017: slow
//! samples are interruptions and not the code, so the test is repeated with everything above a
//! threshold left out, for a hundred thresholds, and the largest |t| counts.

/// How many thresholds there are.
const THRESHOLDS: i32 = 100;

/// A test with fewer samples of a class than this has no meaning.
const ENOUGH: f64 = 10_000.0;

/// What two classes of samples have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// The largest |t| of all tests.
    pub(crate) t: f64,
    /// How much longer the second class takes, in nanoseconds: the difference of the medians.
    pub(crate) difference: f64,
}

/// Compares the times of two classes, in nanoseconds.
pub(crate) fn compare(first: &mut [u32], second: &mut [u32]) -> Comparison {
    first.sort_unstable();
    second.sort_unstable();
    let mut all: Vec<u32> = first.iter().chain(second.iter()).copied().collect();
    all.sort_unstable();
    // As in the authors' program: 1 − 0.5^(10·i/n), so that most thresholds are among the slow.
    let thresholds = (1..=THRESHOLDS).map(|number| {
        let share = 1.0 - 0.5_f64.powf(10.0 * f64::from(number) / f64::from(THRESHOLDS));
        quantile(&all, share)
    });
    let whole = f64::from(u32::MAX);
    let tests = thresholds.chain([whole]).filter_map(|threshold| {
        let (first, second) = (
            Moments::below(first, threshold),
            Moments::below(second, threshold),
        );
        first.t(&second)
    });
    Comparison {
        t: tests.fold(0.0, |most, t| most.max(t.abs())),
        difference: quantile(second, 0.5) - quantile(first, 0.5),
    }
}

/// Returns the value below which a share of the sorted samples lies.
fn quantile(sorted: &[u32], share: f64) -> f64 {
    let at = (share * sorted.len() as f64) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(at.min(last))
        .map_or(0.0, |time| f64::from(*time))
}

/// The count, the mean and the variance of samples.
struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Computes those of the samples up to a threshold.
    fn below(sorted: &[u32], threshold: f64) -> Self {
        let end = sorted.partition_point(|time| f64::from(*time) <= threshold);
        let kept = sorted.get(..end).unwrap_or_default();
        let count = kept.len() as f64;
        let sum: f64 = kept.iter().map(|time| f64::from(*time)).sum();
        let mean = sum / count;
        let squares = kept.iter().map(|time| (f64::from(*time) - mean).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0);
        Self {
            count,
            mean,
            variance,
        }
    }

    /// Returns Welch's t, if there are enough samples and they are not all the same.
    fn t(&self, other: &Self) -> Option<f64> {
        let error = self.variance / self.count + other.variance / other.count;
        let enough = self.count.min(other.count) >= ENOUGH;
        (enough && error > 0.0).then(|| (self.mean - other.mean) / error.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times around a mean, by a fixed generator.
    fn times(mean: u32, seed: u32) -> Vec<u32> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let noise = std::iter::successors(Some(seed), next).skip(1);
        noise
            .take(100_000)
            .map(|noise| mean + (noise >> 26))
            .collect()
    }

    #[test]
    fn equal_distributions_are_alike_and_shifted_ones_are_not() {
        let same = compare(&mut times(500, 1), &mut times(500, 2));
        assert!(same.t < 4.5, "{same:?}");
        let shifted = compare(&mut times(500, 1), &mut times(506, 2));
        assert!(shifted.t > 50.0, "{shifted:?}");
        assert_eq!(shifted.difference, 6.0);
    }

    #[test]
    fn an_interruption_hides_no_difference() {
        let (mut first, mut second) = (times(500, 1), times(506, 2));
        for times in [&mut first, &mut second] {
            times
                .iter_mut()
                .step_by(100)
                .for_each(|time| *time = 10_000_000);
        }
        assert!(compare(&mut first, &mut second).t > 50.0);
    }
}
