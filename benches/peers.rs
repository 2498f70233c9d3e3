//! This crate and its competitors, side by side in one run, around the same trivial service.
//!
//! `cargo bench --features axum --bench peers [-- --quick]` prints a table. All arms are
//! measured in turn, in slices of a fraction of a millisecond; a figure is the median over the
//! slices. *Net* is what the layer adds to the service alone; *ratio* is the net relative to that
//! of a key hit. Extensions are empty unless the name says warm. The bench `allocations` counts the
//! allocations of each arm, because its counting allocator would distort the times.
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench stops at the first failure"
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
