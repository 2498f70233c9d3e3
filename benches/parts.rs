//! The irreducible parts of a hit, their sum, and a whole hit, in one run.
//!
//! `cargo bench --bench parts [-- --quick]` prints a table. Whole calls are net of the service
//! alone. The bench `counted` compares the same by instructions, without noise.
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(
    clippy::indexing_slicing,
    reason = "a bench stops at the first failure"
)]

use tower_api_key::AuthLayer;
use tower_layer::Layer;

mod support;

use support::{
    fixtures::{Body, bearing, key, store},
    parts,
    service::{Echo, Extensions, Loop},
    slices::{Arm, measure},
};

fn main() {
    let request = || bearing::<Body>(&key("live"));
    let mut bare = Loop::new(Echo, request(), Extensions::Empty);
    let mut empty = Loop::new(
        AuthLayer::new(store()).layer(Echo),
        request(),
        Extensions::Empty,
    );
    let mut warm = Loop::new(
        AuthLayer::new(store()).layer(Echo),
        request(),
        Extensions::Warm,
    );
    let mut arms = parts::arms();
    let parts = arms.len();
    arms.push(Arm::new("no layer", move |times| bare.times(times)));
    arms.push(Arm::new("hit, empty extensions", move |times| {
        empty.times(times)
    }));
    arms.push(Arm::new("hit, warm extensions", move |times| {
        warm.times(times)
    }));
    let nanos = measure(&mut arms);

    println!("| part | ns |\n|---|---:|");
    for (Arm { name, .. }, nanos) in arms.iter().zip(&nanos) {
        println!("| {name} | {nanos:.1} |");
    }
    let common: f64 = nanos[2..parts].iter().sum();
    println!("\n| extensions | sum of parts, ns | hit net, ns | net / sum |\n|---|---:|---:|---:|");
    for (word, part, whole) in [("empty", 0, parts + 1), ("warm", 1, parts + 2)] {
        let (sum, net) = (common + nanos[part], nanos[whole] - nanos[parts]);
        println!("| {word} | {sum:.1} | {net:.1} | {:.2} |", net / sum);
    }
}
