//! Helpers that the tests of the stores share.

pub(crate) mod feeds;
pub(crate) mod pg;
pub(crate) mod poll;
#[path = "../../../../../tests/it/support/recorder.rs"]
pub(crate) mod recorder;
