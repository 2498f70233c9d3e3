//! Catches panics of code that is not ours: a store, a hook, a reporter.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`, and returns `None` if it panics.
///
/// The payload of the panic is leaked, since dropping it may panic again. A caller must not use
/// anything that `f` may have left half done.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f))
        .map_err(std::mem::forget)
        .ok()
}
