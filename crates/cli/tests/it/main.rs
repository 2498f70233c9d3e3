//! `api-keys` as a process, over SQLite and PostgreSQL.
#![allow(clippy::expect_used, reason = "a test fails at the first surprise")]
#![allow(clippy::indexing_slicing, reason = "likewise")]

mod changes;
mod check;
mod credentials;
mod directory;
mod events;
mod exit_codes;
mod import;
mod presented;
mod prints;
mod readme;
mod secrets;
mod service;
mod settings;
mod support;
#[cfg(unix)]
mod terminal;
