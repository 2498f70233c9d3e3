//! What is allocated, and what is kept: counted by the allocator that `allocation-counter` brings, for
//! each thread apart.
//!
//! A binary of its own: the allocator counts for a whole process, and a subscriber or a recorder that
//! another test installs would allocate in what is measured here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![allow(clippy::print_stdout, reason = "shows its figures")]

mod cache;
mod layer;
#[path = "../it/support/now.rs"]
mod now;
