//! Memory and descriptors of a process over time.

use std::time::Duration;

use tower_api_key_proof::rig::{Report, descriptors, median, resident_kib};

/// Shorter runs have no target: pools fill and tables grow for some minutes.
const WARM: Duration = Duration::from_secs(300);

/// One look at a node.
#[derive(Clone, Copy, Debug)]
struct Sample {
    after: Duration,
    resident_kib: u64,
    descriptors: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    /// Takes a sample and prints it, with the lookups that waited for the store so far.
    pub(crate) fn take(&mut self, name: &str, pid: u32, after: Duration, misses: &str) {
        let sample = Sample {
            after,
            resident_kib: resident_kib(pid),
            descriptors: descriptors(pid),
        };
        println!(
            "{name} after {} s | {} KiB | {} descriptors | {misses} lookups",
            after.as_secs(),
            sample.resident_kib,
            sample.descriptors
        );
        self.0.push(sample);
    }

    pub(crate) fn report(&self, report: &mut Report, name: &str, wanted: usize) {
        let alive = |sample: &&Sample| sample.resident_kib > 0 && sample.descriptors > 0;
        let taken = self.0.iter().filter(alive).count();
        let row = format!("{name}: samples of a living node");
        report.row(&row, taken, &wanted.to_string(), taken == wanted);
        type Figure = fn(&Sample) -> u64;
        let figures: [(&str, Figure); 2] = [
            ("resident KiB", |sample| sample.resident_kib),
            ("descriptors", |sample| sample.descriptors),
        ];
        for (what, figure) in figures {
            let figures: Vec<_> = self.0.iter().map(figure).collect();
            let third = figures.len() / 3;
            let (second, last) = (
                median(&figures[third..2 * third]),
                median(&figures[2 * third..]),
            );
            let row = format!("{name}: {what}, medians of the second and the last third");
            let figure = format!("{second}, {last}");
            if self.0.last().is_none_or(|sample| sample.after < WARM) {
                report.note(&row, figure);
                continue;
            }
            let held = last * 10 <= second * 11;
            report.row(&row, figure, "last ≤ 1.1 × second", held);
        }
    }
}
