//! Panics of code that is not ours: a store, a hook, a reporter.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; `None` when it panics.
///
/// What it panicked with is leaked, since it may panic again when it is dropped. Whoever calls this does not look again
/// at what `f` may have left half done.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f))
        .map_err(std::mem::forget)
        .ok()
}
