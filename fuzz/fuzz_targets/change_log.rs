//! Rows of a change log that no trigger would write, in a real SQLite file: the feed tells each of
//! them, or that everything may have changed, and never stays lost.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::{
    runtime::wait,
    sqlite::{Database, LogRow},
};

thread_local! {
    static DATABASE: RefCell<Option<Database>> = const { RefCell::new(None) };
}

fuzz_target!(|rows: Vec<LogRow>| {
    let rows = rows.get(..rows.len().min(20)).unwrap_or_default();
    DATABASE.with_borrow_mut(|database| {
        let database = database.get_or_insert_with(Database::new);
        wait(database.assert_followed(rows));
    });
});
