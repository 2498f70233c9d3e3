//! What attacks `tower-api-key` and its stores: a model of the protocol and of management with random
//! histories that are run against it, and programs for what takes longer than a test may.

pub mod rig;
