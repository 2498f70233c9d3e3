//! A pool of the store's own.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{PostgresStore, error::database_name};
use crate::SetupError;
use tower_api_key::{scope::Catalogue, store::StoreFault};

/// Connections of the pool that [`PostgresStore::connect`] creates: five for management, and at
/// least five for lookups.
const MAX_CONNECTIONS: u32 = 10;

/// How long [`PostgresStore::connect`] waits for the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for a connection of that pool. Shorter than the deadline of a management
/// call, so that its error is that the pool was exhausted.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// Connects to the database at `url`, with a pool of the store's own, in the schema
    /// `tower_api_key`.
    ///
    /// Use it if your service uses another version of sqlx, or another driver: nothing of sqlx is
    /// in the signature. With sqlx 0.9, pass your pool to [`new`](Self::new) instead, so that the
    /// database has one pool per service. Call [`migrate`](Self::migrate) or [`check`](Self::check)
    /// next.
    ///
    /// The pool has up to 10 connections, of which management uses at most five at once. It opens
    /// them as they are needed and closes them after 10 minutes without use. A call waits 5 s for
    /// one; a request's lookup waits no longer than the layer's deadline. An idle connection is
    /// tested with a round trip before it is used. [`close`](Self::close) closes the pool.
    ///
    /// The URL is `postgres://user:password@host:port/database?sslmode=verify-full`, with the
    /// parameters of [`PgConnectOptions`]; what it leaves out comes from the variables `PGHOST`,
    /// `PGPASSWORD` and so on, and from `.pgpass`. For `sslmode`, see
    /// [transport encryption](crate::postgres#transport-encryption).
    ///
    /// # Errors
    /// [`SetupError::InvalidUrl`] if the URL cannot be parsed; [`SetupError::CannotConnect`],
    /// [`SetupError::Missing`] or [`SetupError::Denied`] if no connection could be opened within
    /// 10 s. No error contains the password.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use tower_api_key::scope::Catalogue;
    /// use tower_api_key_sqlx::PostgresStore;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = std::env::var("DATABASE_URL")?;
    /// let store = PostgresStore::connect(&url, Catalogue::anyreach()).await?;
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str, catalogue: Catalogue) -> Result<Self, SetupError> {
        let options = parse(url)?;
        let name = database_name(&options);
        // Not from the pool: its timeout would hide why no connection can be made.
        let first = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
        let first = match first {
            Ok(connected) => connected.map_err(SetupError::from_postgres),
            Err(_) => Err(SetupError::cannot_connect(StoreFault::timed_out(
                CONNECT_TIMEOUT,
            ))),
        };
        let first = first.map_err(|error| error.in_database(&name))?;
        _ = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        Ok(Self::new(pool, catalogue))
    }

    /// Closes the pool, which may be the service's own, after the calls that use it. Feeds have
    /// connections of their own and end when they are dropped.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Parses a URL without repeating any of it in the error.
fn parse(url: &str) -> Result<PgConnectOptions, SetupError> {
    // The driver ignores the scheme, and takes the rest of `app:password` for a database name.
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or_else(|| invalid(NotPostgres))?;
    // A password with one of these characters would end there, and its rest be a database's name,
    // which errors repeat, or a parameter, which the driver logs.
    let after_authority = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
    if after_authority.is_some_and(|rest| rest.contains('@')) {
        return Err(invalid(Unescaped));
    }
    let options: PgConnectOptions = url.parse().map_err(invalid::<sqlx::Error>)?;
    Ok(options.disable_statement_logging())
}

fn invalid<E: std::error::Error + Send + Sync + 'static>(error: E) -> SetupError {
    SetupError::InvalidUrl {
        source: error.into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it does not begin with postgres:// or postgresql://")]
struct NotPostgres;

#[derive(Debug, thiserror::Error)]
#[error("there is an `@` after the host")]
struct Unescaped;

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    /// Returns all that an error shows, with its sources.
    fn shown(error: &dyn Error) -> String {
        let source = error.source().map(shown).unwrap_or_default();
        format!("{error} {error:?} {source}")
    }

    #[test]
    fn an_invalid_url_is_refused_without_showing_the_password() {
        for url in [
            "postgres://app:s3cret/x@db/service",
            "postgres://app:s3cret?x@db/service",
            "postgres://app:s3cret#x@db/service",
            "postgres://app:12/s3cret@db/service",
            "postgres://app:12?s3cret@db/service",
            "postgres://app:12#s3cret@db/service",
            "postgres://app:s3cret@db:port/service",
            "postgres://app:s3cret@db:99999/service",
            "postgres://app:s3cret@db/service?port=none",
            "postgres://app:s3cret@db/service?sslmode=none",
            "postgres://app:s3cret%ff@db/service",
            "postgres://app:s3cret@",
            "//app:s3cret@db/service",
            "app:s3cret",
            "mysql://app:s3cret@db/service",
            "",
        ] {
            let refused = parse(url).map(|options| database_name(&options));
            let error = refused.expect_err(url);
            assert!(
                matches!(error, SetupError::InvalidUrl { .. }),
                "{url}: {error:?}"
            );
            assert!(
                !shown(&error).contains("s3cret"),
                "{url}: {}",
                shown(&error)
            );
        }
    }

    #[test]
    fn a_database_is_named_without_the_password() {
        for (url, name) in [
            (
                "postgres://app:s3cret@db:5433/service",
                "app@db:5433/service",
            ),
            ("postgres://app:%40s3cret@db/service", "app@db:5432/service"),
            ("postgresql://app@db:5432", "app@db:5432/app"),
            (
                "postgres://app@localhost/service?host=/run/pg&password=s3cret",
                "app@/run/pg:5432/service",
            ),
        ] {
            assert_eq!(database_name(&parse(url).unwrap()), name, "{url}");
        }
    }
}
