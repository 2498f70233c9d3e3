//! Credentials in a PostgreSQL database that many nodes share.
//!
//! A look-up is one statement (`sql`, read in `row`). Changes are transactions (`admin`), also those of management
//! (`managed`). The schema writes its own change log, by triggers, which every node follows (`feed`). `setup` makes the schema
//! and tries it.
//!
//! # The schema
//!
//! Made by [`PostgresStore::migrate`], in a schema of its own (`tower_api_key`, or another name):
//!
//! ```sql
#![doc = include_str!("../../../migrations/postgres/0001_credentials.sql")]
#![doc = ""]
#![doc = include_str!("../../../migrations/postgres/0002_management.sql")]
//! ```
//!
//! A service that may not create anything needs `USAGE` on the schema; `SELECT` on all tables for look-ups and the feed;
//! for changes also `INSERT` and `UPDATE` on `organizations`, `users`, `memberships`, `credentials`, `INSERT` on `events`
//! and `DELETE` on `memberships`; for last uses `INSERT` and `UPDATE` on `uses` and `INSERT` on `events`; for
//! [`prune`](PostgresStore::prune) `DELETE` on `changes`.

mod admin;
mod feed;
mod managed;
mod row;
mod setup;
mod sql;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{PgPool, Row};

use super::{Credential, CredentialStore, Lookup, OrgTree, Record, StoreError};
use crate::{
    principal::Catalogue,
    secret::{Digest, Pepper, Peppers},
};
use managed::ByOwner;
use row::failed;
use sql::{Schema, Statements};

pub use feed::PostgresFeed;
pub use setup::SetupError;

/// How a transaction begins, whatever the database's default is: a question must see what was committed while it waited.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A store in PostgreSQL (13 or newer), over the service's own pool. A clone shares the pool.
///
/// Every look-up is one prepared statement, which also finds the state of the key's organization, or of the token's
/// owner and the membership. A pool checks an idle connection with a round trip of its own before it hands it out, unless
/// [`test_before_acquire`](sqlx::pool::PoolOptions::test_before_acquire) is off.
///
/// Waits for a connection as long as the pool says ([`acquire_timeout`](sqlx::pool::PoolOptions::acquire_timeout), 30 s by
/// default); the layer's deadline ends the wait of a request before that.
///
/// An id that contains NUL cannot be stored: [`WriteError::Store`](super::WriteError::Store). Ids of up to 1300 bytes can.
///
/// ```no_run
/// use sqlx::PgPool;
/// use tower_api_key::{principal::Catalogue, store::{PostgresStore, StoreAdmin}};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = PgPool::connect("postgres://localhost/service").await?;
/// let store = PostgresStore::new(pool, Catalogue::documented());
/// store.migrate().await?;
/// store.create_organization("org_1", None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    catalogue: Catalogue,
    peppers: Option<Peppers>,
    schema: Schema,
    statements: Arc<Statements>,
    by_owner: Arc<ByOwner>,
}

impl PostgresStore {
    /// Makes a store in the schema `tower_api_key`. Asks the database nothing: see [`migrate`](Self::migrate) and
    /// [`check`](Self::check).
    #[must_use]
    pub fn new(pool: PgPool, catalogue: Catalogue) -> Self {
        Self::over(pool, catalogue, None, Schema::standard())
    }

    fn over(pool: PgPool, catalogue: Catalogue, peppers: Option<Peppers>, schema: Schema) -> Self {
        let statements = Arc::new(Statements::of(|text| schema.statement(text)));
        Self { pool, catalogue, peppers, statements, by_owner: Arc::new(ByOwner::of(&schema)), schema }
    }

    /// Takes another schema.
    ///
    /// # Errors
    /// [`SetupError::InvalidSchema`] unless it is a name of small letters, digits and `_`, not beginning with a digit or
    /// `pg_`, of at most 55 bytes.
    pub fn with_schema(self, name: &str) -> Result<Self, SetupError> {
        let schema = Schema::new(name).ok_or_else(|| SetupError::InvalidSchema(name.into()))?;
        Ok(Self::over(self.pool, self.catalogue, self.peppers, schema))
    }

    /// Keeps the digests of new credentials under a pepper, and verifies those under others. Every node has to be given the
    /// same.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        Self { peppers: Some(peppers), ..self }
    }

    /// Returns the roles.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Starts to follow the change log. Every change that is committed after this has returned is told, whoever makes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::TimedOut`] when the log cannot be read.
    pub async fn feed(&self) -> Result<PostgresFeed, StoreError> {
        PostgresFeed::start(self.clone()).await
    }

    /// Removes what is older than `age` from the change log, and returns how many rows that were. To be called now and then,
    /// by any node, also by several at once.
    ///
    /// A follower that has not read what is removed is told so, and tells [`Change::Everything`](super::Change::Everything).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn prune(&self, age: Duration) -> Result<u64, StoreError> {
        let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let pruned = self.statements.prune.query().bind(millis).execute(&self.pool).await;
        pruned.map(|done| done.rows_affected()).map_err(failed)
    }
}

/// PostgreSQL's text holds no NUL: nothing that has one is stored, and the database need not be asked.
fn storable(id: &str) -> bool {
    !id.contains('\0')
}

#[async_trait]
impl CredentialStore for PostgresStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let record = match lookup.credential() {
            Credential::OrgKey { id } if !storable(id) => None,
            Credential::OrgKey { id } => {
                let row = self.statements.find_key.query().bind(id).fetch_optional(&self.pool).await.map_err(failed)?;
                row.map(|row| self.key(&row, id)).transpose()?
            }
            Credential::PersonalToken { digest } => {
                let organization = lookup.organization().filter(|id| storable(id));
                let bytes = |digest: &Digest| digest.to_bytes().to_vec();
                let query = match &self.peppers {
                    None => self.statements.find_token.query().bind(bytes(digest)),
                    peppers => {
                        let candidates = Peppers::candidates(peppers.as_ref(), digest);
                        let candidates = candidates.iter().map(bytes).collect::<Vec<_>>();
                        self.statements.find_peppered_token.query().bind(candidates)
                    }
                };
                let row = query.bind(organization).fetch_optional(&self.pool).await.map_err(failed)?;
                row.map(|row| self.token(&row, digest, organization)).transpose()?
            }
        };
        Ok(record.map(Arc::new))
    }

    fn decoy(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }
}

#[async_trait]
impl OrgTree for PostgresStore {
    async fn is_descendant_of(&self, organization: &str, ancestor: &str) -> Result<bool, StoreError> {
        if !storable(organization) || !storable(ancestor) {
            return Ok(false);
        }
        let query = self.statements.is_descendant.query().bind(organization).bind(ancestor);
        query.fetch_one(&self.pool).await.and_then(|row| row.try_get(0)).map_err(failed)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.schema).finish_non_exhaustive()
    }
}
