//! The guide: short chapters, each with examples that are tested.
//!
//! 1. [`placement`]: which layer goes outside of which, and what is public.
//! 2. [`refusals`]: what a client sees, and how to change it.
//! 3. [`organizations`]: keys, tokens, roles and scopes.
//! 4. [`managing`]: issuing, rotating and revoking credentials, and what it leaves behind.
//! 5. [`peppers`]: digests that are of no use without a key that is kept elsewhere.
//! 6. [`stores`]: writing a store, and SQLite in operation.
//! 7. [`many_machines`]: one file, one database, many nodes, and how long a revocation takes.
//! 8. [`promises`]: what holds whatever a client sends, and what does not.
//! 9. [`cost`]: what it costs, and what dominates.
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
