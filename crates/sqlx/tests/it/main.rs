//! The integration tests of the SQL stores in one binary, a module for each subject. Most of them
//! share one PostgreSQL cluster, which is started once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails at the first surprise"
)]
#![allow(clippy::print_stdout, reason = "some tests print what they counted")]

mod support;

mod cancellation;
#[cfg(unix)]
mod faults;
mod feed_lag;
mod manage_catalogue;
mod manage_last_use;
mod migration_sql;
mod migrations;
mod peppers;
mod postgres;
mod postgres_assumptions;
mod postgres_connect;
mod postgres_faults;
mod postgres_feed;
mod postgres_kill;
mod postgres_logs;
mod postgres_managed;
mod postgres_prune;
mod postgres_rights;
mod salted;
mod skipped;
mod sqlite;
mod sqlite_faults;
mod sqlite_feed;
#[cfg(unix)]
mod sqlite_file;
mod sqlite_kill;
mod sqlite_managed;
mod sqlite_open;
mod upgrade;
