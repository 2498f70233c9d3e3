//! What attacks `tower-api-key` and its stores: a model of the protocol and of management with
//! random histories that are run against it, and programs for what takes longer than a test may.
#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "nobody depends on this crate: a new case has to be a compile error"
)]

pub mod history;
pub mod model;
pub mod rig;
