//! How often each arm of the bench `peers` allocates, per call.
//!
//! `cargo bench --features axum --bench allocations` prints a table.
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(clippy::unwrap_used, reason = "a bench stops at the first failure")]

mod competitors;
mod support;

use support::service::with_timer;

const CALLS: u32 = 100;

fn main() {
    println!("| | allocations |\n|---|---:|");
    with_timer(|| {
        for mut arm in competitors::arms() {
            (arm.run)(3); // the setup of a process's first call is not counted
            let counted = allocation_counter::measure(|| (arm.run)(CALLS)).count_total as f64
                / f64::from(CALLS);
            println!("| {} | {counted:.0} |", arm.name);
        }
    });
}
