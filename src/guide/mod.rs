//! The guide: short chapters, each with examples that are tested.
//!
//! 1. [`placement`]: which layer goes outside of which, and what is public.
//! 2. [`refusals`]: what a client sees, and how to change it.
//! 3. [`organizations`]: keys, tokens, roles and scopes.
//! 4. [`stores`]: writing a store.
//! 5. [`many_machines`]: one file, one database, many nodes, and how long a revocation takes.
//! 6. [`promises`]: what holds whatever a client sends, and what does not.
//! 7. [`cost`]: what it costs, and what dominates.

pub mod cost;
pub mod many_machines;
pub mod organizations;
pub mod placement;
pub mod promises;
pub mod refusals;
pub mod stores;
