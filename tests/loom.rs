//! The interleavings of everything that threads share without asking a database, checked with
//! [loom]: the core of the cache, the memory store, and the last uses.
//!
//! The modules of the crate are compiled again here, with `sync` replaced by the model checker's
//! locks, atomics and a map of its own. Each model is explored up to a bound on preemptions, 3
//! unless it says otherwise, and prints how many executions that were. A model that takes minutes
//! without optimization is explored up to 2 in such builds, so that a plain `cargo test` stays
//! bearable, and up to 3 with `--release`. To set the bound of all models:
//! `LOOM_MAX_PREEMPTIONS=4 cargo test --release --test loom`; an argument selects models by name.
//!
//! This is a binary and not a module behind `cfg(loom)`, because that flag applies to every crate
//! of a build: tokio has no network under it, everything would be built twice, and much of it would
//! not compile. It has no test harness, which would run the unit tests of the
//! modules outside of a model.
//!
//! [loom]: https://docs.rs/loom
//!
//! # All synchronization of the crates
//!
//! Paths without a crate are those of `src`; `sqlx` stands for `crates/sqlx/src`.
//!
//! | what | where | what must hold | checked by |
//! |---|---|---|---|
//! | map without locks, mutex of the writers | `store/memory` | a reader finds what exists throughout, and one state of it; a change is whole for the next writer, and final once its call has returned | here, `memory`; over the real map `it/regression_memory.rs` |
//! | mutex of the tables, flag of each version | `scope` | what is read after a replacement has returned is of the new catalogue, and what was read before is known to be old | over real threads, `it/replaced_catalogue.rs` and the contract |
//! | map without locks, of one entry; mutex of what replaces it | `store/static_store` | a lookup is answered from one list, and from the new one once a reload has returned | over the real map, `it/static_store.rs` |
//! | map without locks, mutex, numbers of changes, validity marks | `store/cached/core.rs` and what it uses | a change that was applied overrides every lookup that began before | here, `cache`; with the real parts `it/cached_races.rs` |
//! | map without locks, slots that are retired | `last_use/` | no use and no mark of a use after a rotation is lost; what one writer has marked is not returned again | here, `uses` |
//! | `watch`, `OnceLock` of the task's handle | `store/cached/fetch.rs` | every waiter receives the result, also if the leader is dropped | here, `cache`, with a condition variable instead; `it/cancellation.rs`, `it/cached_races.rs` |
//! | `Drop` of changes that are being made | `store/cached/write.rs` | a change that may have been made is applied to the cache | `it/cancellation.rs`, `it/regression_cache.rs` |
//! | follower that is dropped | `store/cached/follow.rs` | the cache trusts a lost feed only for the stated time | here, `cache`; `it/cancellation.rs` |
//! | clone of the service that waits | `future/` | no permit of the inner service is held while a store is asked, and none after a cancellation | `it/readiness.rs`, `it/cancellation.rs` |
//! | `OnceLock` | `scope/accepted.rs` | holds the bits for the first catalogue that asks; others are compared by name | unit tests there |
//! | `Once` | `observe/test_double.rs` | the warning is emitted once | `it/test_doubles.rs` |
//! | async mutexes of the writing connection, and of the ordinary change that waits for it | `sqlx/sqlite/writer.rs` | a cancelled change is made or not, and the next one does not wait for it; a revocation waits for at most one ordinary change besides the one being made | `sqlx` `it/cancellation.rs`, `it/sqlite_managed/ending.rs` |
//! | semaphore of management | `sqlx/sqlite/mod.rs` | lookups keep half of the pool; a cancelled call gives its permit back | `sqlx` `it/cancellation.rs` |
//! | semaphores of management | `sqlx/postgres/pool.rs` | a revocation has a connection while all other calls wait; a cancelled call gives its permits back once the server is done with it | `sqlx` `it/cancellation.rs`, `it/postgres_managed/waiting.rs` |
//! | `OnceLock` of the first error | `sqlx/sqlite/file.rs` | a file that was replaced stays refused | `sqlx` `it/sqlite_file.rs` |
//! | counter of names | `sqlx/sqlite/open.rs` | two stores in memory do not share a database | `sqlx` `it/sqlite_open.rs` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first failure"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "the core of the cache is compiled once more, beside models that use what is private"
)]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    unfulfilled_lint_expectations,
    reason = "the modules are compiled as they are, and not all of them is used"
)]

#[path = "../src/anyreach.rs"]
mod anyreach;
#[path = "../src/clock.rs"]
mod clock;
#[path = "../src/credential/mod.rs"]
mod credential;
#[path = "../src/error.rs"]
mod error;
#[path = "../src/id.rs"]
mod id;
#[path = "../src/last_use/mod.rs"]
mod last_use;
#[path = "../src/observe/mod.rs"]
mod observe;
#[path = "../src/panics.rs"]
mod panics;
#[path = "../src/scope/mod.rs"]
mod scope;
#[path = "../src/secret/mod.rs"]
mod secret;
#[path = "../src/store/mod.rs"]
mod store;

#[path = "loom/sync.rs"]
mod sync;

#[path = "loom/cache.rs"]
mod cache;
#[path = "loom/memory.rs"]
mod memory;
#[path = "loom/uses.rs"]
mod uses;

use std::{
    env, panic, process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

pub use async_trait::async_trait;
use error::ConfigError;

/// A model: explores its interleavings and returns how many executions that were.
type Model = (&'static str, fn() -> usize);

/// Explores `model` up to `preemptions`, unless the environment sets another bound.
fn explore_up_to(preemptions: usize, model: impl Fn() + Sync + Send + 'static) -> usize {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 100_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    executions.load(Ordering::Relaxed)
}

fn explore(model: impl Fn() + Sync + Send + 'static) -> usize {
    explore_up_to(3, model)
}

/// Explores a model that takes minutes without optimization: less far then.
fn explore_large(model: impl Fn() + Sync + Send + 'static) -> usize {
    explore_up_to(if cfg!(debug_assertions) { 2 } else { 3 }, model)
}

/// Runs the models whose names contain an argument; all of them without one.
fn main() {
    let names: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let chosen = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let models = [cache::ALL, memory::ALL, uses::ALL].concat();
    let queue = Mutex::new(models.into_iter().filter(|(name, _)| chosen(name)));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while run_next(&queue) {});
        }
    });
}

/// Runs the next model; returns false if none is left. A failure ends the process.
fn run_next(queue: &Mutex<impl Iterator<Item = Model>>) -> bool {
    let Some((name, model)) = queue.lock().unwrap().next() else {
        return false;
    };
    let began = Instant::now();
    let Ok(executions) = panic::catch_unwind(model) else {
        println!("{name}: FAILED");
        process::exit(1);
    };
    let took = began.elapsed();
    println!("{name}: {executions} executions in {took:.1?}");
    true
}
