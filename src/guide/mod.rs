//! The guide: a short book, to be read in order, with tested examples.
//!
//! The [front page](crate) gets a first service to run. The chapters take it from there.
//!
//! **Protecting routes**
//!
//! 1. [`placement`]: which layer goes outside of which, and how to make a route public.
//! 2. [`organizations`]: the two kinds of credential, and what roles and scopes allow.
//! 3. [`refusals`]: what a client sees when it is refused, and how to change it.
//!
//! **Running a service**
//!
//! 4. [`managing`]: issuing, rotating, revoking and importing credentials, and the audit trail.
//! 5. [`stores`]: which store to use, and how to write one over your own tables.
//! 6. [`sqlite`]: one machine: operating the SQLite store.
//! 7. [`many_machines`]: one database for many nodes, and how soon a revocation takes effect.
//! 8. [`peppers`]: digests that are useless without a key kept elsewhere.
//!
//! **Judging the crate**
//!
//! 9. [`promises`]: what holds whatever a client sends, and what does not.
//! 10. [`cost`]: what a request costs, and what dominates.
//! 11. [`comparison`]: what other crates do.

pub mod comparison;
pub mod cost;
pub mod managing;
pub mod many_machines;
pub mod organizations;
pub mod peppers;
pub mod placement;
pub mod promises;
pub mod refusals;
pub mod sqlite;
pub mod stores;
