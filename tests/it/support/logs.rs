//! The events of the thread that runs a test, as JSON, down to TRACE.
//!
//! There is one subscriber per process: with one per test, a call site that another thread reaches
//! first could be cached as uninteresting. Threads that did not call [`start`] are skipped, because
//! writing their events would take longer than most tests.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::Once,
};

use serde_json::Value;
use tracing_subscriber::{filter::dynamic_filter_fn, fmt, layer::SubscriberExt as _};

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
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

/// Starts recording the events of this thread and discards earlier ones.
pub(crate) fn start() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::registry()
            .with(dynamic_filter_fn(|_, _| LISTENING.get()))
            .with(fmt::layer().json().with_writer(|| Buffer));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    LISTENING.set(true);
    drop(take());
}

/// Takes the text written since the last call.
pub(crate) fn take() -> String {
    String::from_utf8(WRITTEN.take()).unwrap()
}

/// Takes the events of a target, with all their fields.
pub(crate) fn events(target: &str) -> Vec<Value> {
    let lines = take();
    let events = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["target"] == target).collect()
}

/// Takes the only event of a target.
pub(crate) fn only_event(target: &str) -> Value {
    let mut events = events(target);
    assert_eq!(events.len(), 1, "expected one event, got {events:?}");
    events.remove(0)
}

/// Checks that `event` is an error whose message contains `fix`.
pub(crate) fn assert_error_names_fix(event: &Value, fix: &str) {
    assert_eq!(event["level"], "ERROR", "{event}");
    let message = event["fields"]["message"].as_str().unwrap();
    assert!(message.contains(fix), "{event}");
}
