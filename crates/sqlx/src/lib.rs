//! SQLite and PostgreSQL stores for [`tower_api_key`], on **sqlx 0.9**.
//!
//! Use this crate if credentials must survive a restart, or if several processes share them:
//!
//! | you have | store | feature |
//! |---|---|---|
#![cfg_attr(
    feature = "sqlite",
    doc = "| one machine | [`SqliteStore`], in a file | `sqlite` |"
)]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "| one machine | `SqliteStore`, in a file | `sqlite` |"
)]
#![cfg_attr(
    feature = "postgres",
    doc = "| several machines | [`PostgresStore`], in a database | `postgres` |"
)]
#![cfg_attr(
    not(feature = "postgres"),
    doc = "| several machines | `PostgresStore`, in a database | `postgres` |"
)]
//!
//! Without either feature the crate is empty. Tests and services whose credentials may be lost use
//! [`MemoryStore`](tower_api_key::store::MemoryStore) of the core instead.
//!
//! Both stores verify and manage credentials, know organizations, users and memberships, write an
//! audit trail, and have a feed that informs a [`Cached`](tower_api_key::store::Cached) store of
//! what has changed, whichever program changed it.
//!
#![cfg_attr(feature = "sqlite", doc = include_str!("example_sqlite.md"))]
#![cfg_attr(feature = "postgres", doc = include_str!("example_postgres.md"))]
//! # Which sqlx
//!
//! This crate uses sqlx 0.9 and re-exports it as [`sqlx`]. A pool of another version does
//! not compile: the error says that it is not a pool of sqlx 0.9, and what to do instead.
//!
//! | your service uses | do this |
//! |---|---|
//! | sqlx 0.9 | pass your pool: `PostgresStore::new(pool, …)`, `SqliteStore::from_pool(pool, …)` |
//! | another sqlx, another driver, or none | let the store connect: `PostgresStore::connect(url, …)`, `SqliteStore::open(path, …)` |
//! | another sqlx, and settings that a URL cannot express | build a pool with `tower_api_key_sqlx::sqlx`, and pass that |
//!
//! A program links SQLite once. If another dependency holds `libsqlite3-sys` at an old version, as
//! sqlx 0.8 with its SQLite feature does, opening a SQLite store returns
//! [`SetupError::SqliteTooOld`]: update that dependency. TLS for PostgreSQL is a feature of sqlx
//! that your service chooses; see the module `postgres`.
//!
//! # Errors before the first request
//!
//! Opening, migrating and checking return one type, [`SetupError`]. It names the database without
//! its password, and says what to do.
//!
//! # The tables are the store's own
//!
//! A trigger of yours on a table of the store could skip or undo a revocation. `check` names it,
//! and a SQLite file that has one is not opened. To react to changes, use the manager's
//! [hook](tower_api_key::manage::Manager::on_event), the audit trail or the feed.
//!
//! # More
//!
//! - The guide of the core: [operating SQLite](tower_api_key::guide::sqlite),
//!   [from one machine to many](tower_api_key::guide::many_machines), [issuing and
//!   revoking](tower_api_key::guide::managing), [peppers](tower_api_key::guide::peppers).
//! - For operators: the modules `sqlite` and `postgres` have the schemas, the rights that roles
//!   need, and what the stores rely on. `migration_sql` in each of them is for administrators who
//!   run migrations by hand.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assumption;
mod error;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod shared;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use assumption::{BrokenAssumption, TriggerProblem};
pub use error::SetupError;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use pool::IntoPool;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

pub use sqlx;
