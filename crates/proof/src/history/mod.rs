//! Random histories, run against a store and against the [model](crate::model).
//!
//! [`step`] has the steps and how they are drawn, [`resolve`] turns a step into a request or a
//! call, [`node`] makes it with the real layers and managers, [`site`] opens, loses and restores
//! nodes, and [`run`] compares.
//!
//! # When a history fails
//!
//! 1. The output ends with the shortest history that still fails: each step, the model's answer and
//!    the store's.
//! 2. proptest has written a line `cc …` to `tests/model.proptest-regressions`, which every
//!    test runs first from then on. `PROPTEST_RNG_SEED=<number>` draws the same histories again.
//! 3. Decide which of the two is wrong. The documented protocol decides, then the documentation of
//!    the manager.
//! 4. Mend it. If it was the store, keep the history as a test of the store.
//! 5. A line that need not stay is removed from that file.

pub mod attributes;
pub mod node;
pub mod resolve;
pub mod run;
pub mod site;
pub mod step;
