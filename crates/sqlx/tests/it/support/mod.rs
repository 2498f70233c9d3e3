//! Helpers that the tests of the stores share.

#[path = "../../../../../tests/it/support/clocks.rs"]
#[allow(dead_code, reason = "the core's tests use the rest")]
pub(crate) mod clocks;
pub(crate) mod feeds;
pub(crate) mod pg;
pub(crate) mod poll;
#[path = "../../../../../tests/it/support/public_futures.rs"]
pub(crate) mod public_futures;
#[path = "../../../../../tests/it/support/recorder.rs"]
pub(crate) mod recorder;
#[path = "../../../../../tests/it/support/world.rs"]
pub(crate) mod world;
