//! The events of the thread that a test runs on, as JSON, down to TRACE.
//!
//! One subscriber for the whole process: with one per test, a call site that another thread meets first could be noted
//! as of no interest to anybody.

use std::{cell::RefCell, io, sync::Once};

use serde_json::Value;

thread_local! {
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Buffer;

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to note this thread's events; forgets the ones from before.
pub(crate) fn start() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| Buffer);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    drop(take());
}

/// Takes what was written since the last time.
pub(crate) fn take() -> String {
    String::from_utf8(WRITTEN.take()).unwrap()
}

/// Takes the events of a target, with all that is known of each.
pub(crate) fn events(target: &str) -> Vec<Value> {
    let lines = take();
    let events = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["target"] == target).collect()
}
