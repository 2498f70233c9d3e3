//! The guide: short chapters with tested examples.
//!
//! 1. [`placement`]: how to order the layers, and how to make a route public.
//! 2. [`refusals`]: what a client sees, and how to change it.
//! 3. [`organizations`]: keys, tokens, roles and scopes.
//! 4. [`managing`]: issuing, rotating and revoking credentials, and the audit trail.
//! 5. [`peppers`]: digests that are useless without a key stored elsewhere.
//! 6. [`stores`]: writing a store, and operating SQLite.
//! 7. [`many_machines`]: one file, one database, many nodes, and how long a revocation takes.
//! 8. [`promises`]: what holds whatever a client sends, and what does not.
//! 9. [`cost`]: what a request costs, and what dominates.
//! 10. [`comparison`]: what other crates do.

pub mod comparison;
pub mod cost;
pub mod managing;
pub mod many_machines;
pub mod organizations;
pub mod peppers;
pub mod placement;
pub mod promises;
pub mod refusals;
pub mod stores;
