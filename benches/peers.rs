//! This crate and what one would use instead, side by side in one run, around the same trivial service.
//!
//! `cargo bench --features axum,sqlite --bench peers [-- --quick]` prints a table. All arms are measured in turn, in slices of a
//! fraction of a millisecond; a figure is the median over the slices. *Net* is what the layer adds to the service alone;
//! *ratio* compares the nets with that of a key hit. Extensions are empty but where the name says warm. How often each
//! arm allocates is told by the bench `allocations`, whose counting allocator would be in the times.
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench stops at the first surprise"
)]

mod competitors;
mod support;

use support::{
    service::with_timer,
    slices::{Arm, measure},
};

fn main() {
    with_timer(|| {
        let mut arms = competitors::arms();
        let figures = measure(&mut arms);
        print(&arms, &figures);
    });
}

fn print(arms: &[Arm], figures: &[f64]) {
    let (bare, ours) = (figures[0], figures[1] - figures[0]);
    println!("| | ns | net ns | ratio |\n|---|---:|---:|---:|");
    for (Arm { name, .. }, nanos) in arms.iter().zip(figures) {
        let net = nanos - bare;
        println!("| {name} | {nanos:.1} | {net:.1} | {:.2} |", net / ours);
    }
}
