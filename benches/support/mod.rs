//! Shared by the benches: the service behind every layer, credentials to present, and the
//! measurement.
#![allow(dead_code, reason = "each bench uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench must not print figures of the wrong thing"
)]

pub(crate) mod fixtures;
#[path = "../../tests/it/support/now.rs"]
pub(crate) mod now;
pub(crate) mod parts;
pub(crate) mod refusals;
pub(crate) mod service;
pub(crate) mod slices;
