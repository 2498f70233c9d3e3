//! The endpoints over HTTP requests in memory, over each store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails at the first surprise"
)]

#[macro_use]
mod support;

mod changes;
mod errors;
mod events;
mod issue;
mod lists;
mod members;
mod mounting;
mod openapi;
mod outages;
#[cfg(feature = "pages")]
mod pages;
mod settings;
mod tenancy;
mod tokens;
