//! The pages in a real browser, with JavaScript and without.
//!
//! Needs `chromium` and `chromedriver`, and axe-core, which `.ci/axe` fetches. Without them the
//! tests print that they were skipped; if `REQUIRE_CHROMIUM` is set they fail instead.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails at the first surprise"
)]

mod creating;
mod ending;
mod list;
mod looks;
mod safety;
mod secret;
mod states;
mod support;
