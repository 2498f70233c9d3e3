//! Finding out whether a pooler is between the service and the server.
//!
//! Two connections that are open at the same time have a server process each. A pooler that assigns
//! server connections per transaction gives both the same process, or one of them several.

use sqlx::{PgExecutor, Row};

/// Returns whether the two connections share server processes.
pub(super) async fn is_shared<A, B>(one: &mut A, other: &mut B) -> Result<bool, sqlx::Error>
where
    for<'c> &'c mut A: PgExecutor<'c>,
    for<'c> &'c mut B: PgExecutor<'c>,
{
    let first = [backend(&mut *one).await?, backend(&mut *one).await?];
    let second = [backend(&mut *other).await?, backend(&mut *other).await?];
    let again = [backend(one).await?, backend(other).await?];
    let stays = |[before, after]: [i32; 2], last| before == after && after == last;
    Ok(!stays(first, again[0]) || !stays(second, again[1]) || again[0] == again[1])
}

/// Returns the server's process. Not with a prepared statement, which may not be found again behind
/// such a pooler.
async fn backend(db: impl PgExecutor<'_>) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()")
        .fetch_one(db)
        .await?
        .try_get(0)
}
