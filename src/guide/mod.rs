//! The guide: short chapters, each with examples that are tested.
//!
//! 1. [`placement`]: which layer goes outside of which, and what is public.
//! 2. [`refusals`]: what a client sees, and how to change it.
//! 3. [`organizations`]: keys, tokens, roles and scopes.
//! 4. [`managing`]: issuing, rotating and revoking credentials, and what it leaves behind.
//! 5. [`stores`]: writing a store.
//! 6. [`many_machines`]: one file, one database, many nodes, and how long a revocation takes.
//! 7. [`promises`]: what holds whatever a client sends, and what does not.
//! 8. [`cost`]: what it costs, and what dominates.

pub mod cost;
pub mod managing;
pub mod many_machines;
pub mod organizations;
pub mod placement;
pub mod promises;
pub mod refusals;
pub mod stores;
