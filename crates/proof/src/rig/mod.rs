//! Parts that the programs share: options, a table of figures, child processes, and HTTP clients.
//!
//! A program prints a row for each figure and fails when one misses its target. Whatever else is
//! wrong (a port that cannot be bound, a child that ends) ends it with a panic.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a program ends at the first surprise"
)]

mod caller;
mod node;
mod options;
mod random;
mod report;
mod times;

pub use caller::{Answer, Caller, Protocol};
pub use node::{Node, descriptors, resident_kib};
pub use options::Options;
pub use random::Random;
pub use report::Report;
pub use times::{median, millis, quantile};
