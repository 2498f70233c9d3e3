//! The guide: a short book, to be read in order, with tested examples.
//!
//! The [front page](crate) gets a first request through. The chapters take it from there.
//!
//! **Protecting routes**
//!
//! 1. [`first_service`]: what a complete service has, step by step.
//! 2. [`placement`]: which layer goes outside of which, and how to make a route public.
//! 3. [`organizations`]: the two kinds of credential, and what roles and scopes allow.
//! 4. [`refusals`]: what a client sees when it is refused, and how to change it.
//! 5. [`testing_services`]: testing routes, expiry and outages.
//!
//! **Running a service**
//!
//! 6. [`managing`]: issuing, rotating, revoking and importing credentials, and the audit trail.
//! 7. [`stores`]: how to write a store over your own tables.
//! 8. [`sqlite`]: one machine: operating the SQLite store.
//! 9. [`many_machines`]: one database for many nodes, and how soon a revocation takes effect.
//! 10. [`peppers`]: digests that are useless without a key kept elsewhere.
//! 11. [`deploying`]: what to set up around the crate, and what to do when a key leaks.
//!
//! **Judging the crate**
//!
//! 12. [`promises`]: what holds whatever a client sends, and what does not.
//! 13. [`auditing`]: where each promise is kept in the source, and answers to scanners.
//! 14. [`cost`]: what a request costs, and what dominates.
//! 15. [`comparison`]: what other crates do.

pub mod auditing;
pub mod comparison;
pub mod cost;
pub mod deploying;
pub mod first_service;
pub mod managing;
pub mod many_machines;
pub mod organizations;
pub mod peppers;
pub mod placement;
pub mod promises;
pub mod refusals;
pub mod sqlite;
pub mod stores;
pub mod testing_services;
