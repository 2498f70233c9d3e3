//! Stores for [`tower_api_key`] in SQLite and PostgreSQL, over sqlx 0.9.
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
