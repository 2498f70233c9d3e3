//! What a store accepts as a pool.

use sqlx::{Database, Pool};

/// A pool of the sqlx that this crate uses; [`Pool`] implements it.
///
/// It is in the signatures for its error message: if your service uses another major version of
/// sqlx, the compiler names this crate's version and what to call instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pool of sqlx 0.9 for `{DB}`",
    label = "expected `tower_api_key_sqlx::sqlx::Pool<{DB}>`",
    note = "if this is a pool of another version of sqlx, use that of `tower_api_key_sqlx::sqlx`",
    note = "or let the store connect: `PostgresStore::connect(url, ..)`, `SqliteStore::open(path, ..)`"
)]
pub trait IntoPool<DB: Database>: sealed::Sealed {
    /// Returns the pool.
    #[doc(hidden)]
    fn into_pool(self) -> Pool<DB>;
}

impl<DB: Database> IntoPool<DB> for Pool<DB> {
    fn into_pool(self) -> Pool<DB> {
        self
    }
}

mod sealed {
    pub trait Sealed {}

    impl<DB: sqlx::Database> Sealed for sqlx::Pool<DB> {}
}
