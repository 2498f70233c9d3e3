//! Attacks that worked elsewhere, each carried out against this crate. A test is named after the
//! public report. Its comment says what the attack was, and what holds here.
//!
//! Clients tidy up what attacks depend on, so the requests are written to sockets byte by byte:
//! [`client`].

mod caches;
mod client;
mod fail_open;
mod headers;
mod injection;
mod leaks;
mod overload;
mod paths;
mod randomness;
mod tenancy;
