//! The events of the thread that a test runs on, as JSON, down to TRACE.
//!
//! One subscriber for the whole process: with one per test, a call site that another thread meets first could be noted
//! as of no interest to anybody. Threads that have not asked are left in peace: most tests do not listen, and to write
//! down what they do would take longer than they do.

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

/// Starts to note this thread's events; forgets the ones from before.
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
