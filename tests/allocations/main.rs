//! Memory that is allocated and retained, counted per thread by the allocator of
//! `allocation-counter`.
//!
//! A binary of its own: the allocator counts for a whole process, and a subscriber or recorder that
//! another test installs would allocate during the measurements.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first failure"
)]
#![allow(clippy::print_stdout, reason = "prints its figures")]

mod cache;
mod layer;
#[path = "../it/support/now.rs"]
mod now;
