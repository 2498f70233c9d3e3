//! Whether the time of a check reveals what was checked: dudect's test, over pairs of classes.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin timing [-- <samples per class>]
//! ```
//!
//! Each line compares two classes whose samples alternate at random. The lines marked *alike* are
//! what the crate promises: the position of a wrong byte does not show. They fail at |t| ≥ 4.5. The
//! controls show that the same rig sees a leak (|t| > 50), and that it sees none where there is
//! none. The lines marked *information* compare different verdicts, whose ways part after the
//! comparison: what they differ in is printed, and not judged.
#![allow(clippy::print_stdout, reason = "prints its table")]

mod pairs;
mod rig;
mod store;
mod welch;

use std::process::ExitCode;

use pairs::{Pair, Target};

/// Samples of a class, by default.
const SAMPLES: usize = 1_000_000;

fn main() -> ExitCode {
    let samples = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let samples = samples.unwrap_or(SAMPLES);
    println!("| pair | samples per class | max abs t | difference of medians | target | verdict |");
    println!("|---|---:|---:|---:|---|---|");
    let missed = pairs::all()
        .into_iter()
        .filter(|pair| !report(pair, samples));
    match missed.count() {
        0 => ExitCode::SUCCESS,
        missed => {
            println!("\n{missed} targets missed");
            ExitCode::FAILURE
        }
    }
}

/// Measures a pair and prints its line; returns whether it meets its target.
fn report(pair: &Pair, samples: usize) -> bool {
    let found = (pair.run)(samples);
    let met = pair.target.is_met(found.t);
    let verdict = match (&pair.target, met) {
        (Target::Information, _) => "not judged",
        (_, true) => "ok",
        (_, false) => "missed",
    };
    println!(
        "| {} | {samples} | {:.2} | {:.2} ns | {} | {verdict} |",
        pair.name, found.t, found.difference, pair.target
    );
    met
}
