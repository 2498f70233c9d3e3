//! What the benches share: the service behind every layer, credentials to present, and the measuring.
#![allow(dead_code, reason = "each bench takes a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that measures the wrong thing must not print a figure"
)]

pub(crate) mod fixtures;
#[path = "../../tests/it/support/now.rs"]
pub(crate) mod now;
pub(crate) mod parts;
pub(crate) mod refusals;
pub(crate) mod service;
pub(crate) mod slices;
