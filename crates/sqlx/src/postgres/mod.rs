//! Credentials in a PostgreSQL database that many nodes share.
//!
//! Start with [`PostgresStore`]; the rest of this page is for operators and administrators.
//!
//! # Who may do what
//!
//! | role | may | needs |
//! |---|---|---|
//! | owner of the schema | run [`migrate`](PostgresStore::migrate) or [`migration_sql`], and everything else | to own the schema, or `CREATE` on the database |
//! | service | verify, follow the log, manage credentials, [`prune`](PostgresStore::prune) | the first group of statements below |
//! | eraser, beside the service's rights | remove users with [`delete_user`](tower_api_key::store::Directory::delete_user) | the second group |
//! | sweeper, beside the service's rights | remove what is over with [`sweep`](tower_api_key::manage::Manager::sweep) or [`run_retention`](tower_api_key::manage::Manager::run_retention) | the third group |
//! | reader | verify and follow the log; on a standby only verify, which takes no listeners | the fourth group |
//! | PUBLIC | nothing: `migrate` revokes what PostgreSQL grants by default | |
//!
//! One role can be owner and service. Two are safer: the service then cannot disable the log or
//! rewrite the audit trail.
//!
//! ```sql
#![doc = include_str!("rights.sql")]
//! ```
//!
//! Give no other role a right in the schema. `TRIGGER` and `REFERENCES` on a table let a role run
//! code as any role that writes to the table, and `CREATE` on the schema lets it create objects
//! there. So `migrate` and [`check`](PostgresStore::check) refuse a schema in which other roles may
//! create, one that contains objects of other roles, and one of another owner if the connection's
//! role may itself create schemas in the database. A role that may not must trust the owner of the
//! schema, so grant `CREATE` on the database to trusted roles only.
//!
//! Every role that may connect to the database can notify the log's channel, which costs each
//! follower at most 50 readings of the log per second. It can also fill the server's queue of
//! notifications. Once the queue is more than half full, the store's changes no longer notify, so
//! they can still be committed; followers find them when they next read the log, at most 2 s later.
//! Other transactions that notify cannot commit while the queue is full.
//!
//! # What the store relies on
//!
//! `check`, `migrate`, and the feed when it starts and at each keep-alive, verify the following,
//! and report what does not hold as [`BrokenAssumption`](crate::BrokenAssumption)s.
//!
//! | assumption | otherwise | what to do |
//! |---|---|---|
//! | the encoding is UTF8 | ids that it cannot express would be outages | create the database with `ENCODING 'UTF8'` |
//! | no row-level security on any table | a valid key could be unknown, the feed silent; a management call that would miss a row fails | disable it |
//! | every trigger of the log is there and `ENABLE ALWAYS` | changes would not be logged; the feed is lost until then | the statement in the error. `pg_restore --disable-triggers` leaves them otherwise |
//! | the tables are as the migrations create them: logged, with their unique indexes, without rules and without other triggers | changes would be skipped, undone or not logged | what the error says |
//! | `fsync` and `full_page_writes` are on | a crash could undo a revocation | turn them on, or [`danger_allow_lost_commits`](PostgresStore::danger_allow_lost_commits) |
//! | the server's queue of notifications is at most half full | followers see a change up to 2 s later | end the session that blocks it |
//! | one server process for each connection | prepared statements fail, notifications are lost | a pooler's session mode |
//! | the log was written in this cluster | each prune would empty every cache | `migrate` as the owner empties it |
//!
//! `synchronous_commit = off` does no harm: the log's triggers turn it on for the transaction.
//!
//! # The search path
//!
//! Every statement names its schema. Everything else in a statement is PostgreSQL's own: the store's
//! transactions, and the connection of a feed, set `search_path` to `pg_catalog`, so they call
//! nothing that another role created in `public`. A lookup and
//! [`is_descendant_of`](tower_api_key::store::Directory::is_descendant_of) run outside of a
//! transaction. They compare values of exactly the types of PostgreSQL's operators, which PostgreSQL
//! prefers to the operators of other schemas. Never put a schema before `pg_catalog` in the pool's
//! `search_path`: that changes the order.
//!
//! # Poolers
//!
//! | PgBouncer's `pool_mode` | |
//! |---|---|
//! | `session` | works, with `ignore_startup_parameters = extra_float_digits`; each feed holds a server connection |
//! | `transaction`, `statement` | refused: sqlx prepares statements on a connection, and the next transaction may run on another one, where the name is unknown or belongs to another statement. Notifications do not arrive either |
//!
//! # Transport encryption
//!
//! This crate enables no TLS feature of sqlx, since your service chooses the TLS library. Over a
//! network, add sqlx 0.9 to your own dependencies with one of its features `tls-rustls-ring`,
//! `tls-rustls-aws-lc-rs` or `tls-native-tls`, and connect with `sslmode=verify-full`. If your
//! service has another version of sqlx, add this one under another name:
//!
//! ```toml
//! [dependencies.sqlx09]
//! package = "sqlx"
//! version = "0.9"
//! default-features = false
//! features = ["tls-rustls-ring"]
//! ```
//!
//! Without such a feature, sqlx connects unencrypted unless `sslmode` requires encryption, and then
//! fails.
//!
//! # Crashes, standbys, dumps
//!
//! - A standby that is promoted before it has received everything (asynchronous replication) has lost
//!   the last commits, acknowledged revocations among them; `synchronous_standby_names` prevents
//!   that. The feed yields [`Change::Everything`](tower_api_key::store::Change::Everything) after each
//!   reconnect, so the caches agree with what is left.
//! - `pg_restore --clean` into a running system is noticed: the feed is lost while tables or
//!   triggers are missing, and yields `Everything` afterwards. A credential that was revoked after
//!   the dump was made is valid again, as its row says.
//! - A dump that is restored into another cluster has transaction numbers that mean nothing there.
//!   `migrate` as the owner empties the log; until then each prune makes each follower yield
//!   `Everything`.
//! - `PREPARE TRANSACTION` fails after a notification. Begin a transaction that is to be prepared
//!   with `SET LOCAL tower_api_key.notify = 'off'`; followers then find its changes when they next
//!   read the log, at most 2 s later.
//!
//! # Older and newer nodes
//!
//! A node works with a schema that is newer than itself if each migration that it does not know
//! allows it, with a row in the table `compatibility`. So older nodes keep running in a rolling
//! deployment and after a rollback to the previous version; they neither change the schema nor
//! verify the functions in it. A migration that older nodes cannot work with has no such row, and
//! they refuse to start: run the newer version, or restore the backup from before the migration.
//!
//! # The schema
//!
//! [`PostgresStore::migrate`] creates it, in a schema of its own (`tower_api_key`, or another name):
//!
//! ```sql
#![doc = include_str!("../../migrations/postgres/0001_initial.sql")]
//! ```
//!
//! # What waits for what
//!
//! A call that issues or changes credentials locks the owner's row in `owner_turns`, which makes a
//! cap exact, and the rows of the actor, so a revocation of the actor comes before or after it.
//! Ending a credential locks its own row only. Ending all credentials of an owner does the same at
//! once, and then again with the owner's row locked, or without it if the lock is not to be had. An
//! administrator's open transaction blocks what needs the same rows for five seconds at most.

// A lookup is one statement (`lookup`, `sql`). Changes are transactions (`directory`, `managed`) on
// a limited part of the pool (`pool`). The schema writes its own change log with triggers, which
// every node follows (`feed`, over the connection in `log`). `migrate` and `setup` prepare the
// schema; `check` and `pooler` find out whether what the store relies on holds.
mod check;
mod connect;
mod directory;
mod error;
mod feed;
mod log;
mod lookup;
mod managed;
mod migrate;
mod pool;
mod pooler;
mod prune;
mod row;
mod schema;
mod setup;
mod sql;

use std::{fmt, sync::Arc};

use sqlx::{PgPool, Postgres};

use crate::{IntoPool, SetupError};
use managed::ByOwner;
use pool::Permits;
use schema::Schema;
use sql::Statements;
use tower_api_key::{
    scope::Catalogue,
    secret::{Peppers, SaltedDigests},
    store::StoreError,
};

pub use feed::PostgresFeed;
pub use migrate::migration_sql;

/// A store in PostgreSQL 13 or newer, over the service's own pool or one of its own.
///
/// Use it if several nodes share credentials. A clone shares the pool. Every lookup is one prepared
/// statement, which also reads the state of the key's organization, or of the token's owner and
/// their membership.
///
/// **Pool.** Build it with sqlx 0.9 and pass it to [`new`](Self::new). With another version of
/// sqlx, or none, call [`connect`](Self::connect) with a URL. A pool tests an idle connection with
/// a round trip before it hands it out, unless
/// [`test_before_acquire`](sqlx::pool::PoolOptions::test_before_acquire) is off. A lookup waits for
/// a connection as long as the pool allows
/// ([`acquire_timeout`](sqlx::pool::PoolOptions::acquire_timeout), 30 s by default); the layer's
/// deadline ends a request's wait before that.
///
/// **Management** shares the pool. Its calls use at most half of the connections at once (at least
/// one), and all but revocations and reads of a single row leave one of these free, so lookups find
/// a connection and so does a revocation. In a pool of fewer than four connections they may wait
/// for each other. Stores that share a pool without being clones of each other each use as many.
///
/// **Deadlines.** A management call gives up after 10 s, or earlier if it has waited 5 s for a lock
/// or one of its statements takes 8 s: [`StoreError::Unavailable`]. You may repeat it: nothing was
/// written, unless the answer to the commit itself was lost.
///
/// # Example
///
/// ```no_run
/// use tower_api_key::{scope::Catalogue, store::Directory};
/// use tower_api_key_sqlx::{PostgresStore, sqlx::PgPool};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = PgPool::connect("postgres://localhost/service").await?;
/// let store = PostgresStore::new(pool, Catalogue::anyreach());
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
    salted: Option<SaltedDigests>,
    schema: Schema,
    statements: Arc<Statements>,
    by_owner: Arc<ByOwner>,
    permits: Permits,
    lost_commits_allowed: bool,
}

impl PostgresStore {
    /// Creates a store in the schema `tower_api_key` of the pool's database.
    ///
    /// Runs no statement: call [`migrate`](Self::migrate) or [`check`](Self::check) next.
    ///
    /// The pool is one of **sqlx 0.9**, which this crate re-exports as
    /// [`tower_api_key_sqlx::sqlx`](crate::sqlx). A pool of another version of sqlx is another
    /// type, and does not compile; use [`connect`](Self::connect) then.
    #[must_use]
    pub fn new(pool: impl IntoPool<Postgres>, catalogue: Catalogue) -> Self {
        Self::with_parts(pool.into_pool(), catalogue, Schema::standard())
    }

    fn with_parts(pool: PgPool, catalogue: Catalogue, schema: Schema) -> Self {
        let statements = Arc::new(Statements::of(|text| schema.statement(text)));
        let (by_owner, permits) = (Arc::new(ByOwner::of(&schema)), Permits::of(&pool));
        Self {
            pool,
            catalogue,
            peppers: None,
            salted: None,
            statements,
            by_owner,
            permits,
            schema,
            lost_commits_allowed: false,
        }
    }

    /// Uses another schema than `tower_api_key`.
    ///
    /// # Errors
    /// [`SetupError::InvalidSchema`] unless the name consists of 1 to 55 lower-case letters, digits
    /// and `_`, and does not begin with a digit or `pg_`.
    pub fn with_schema(self, name: &str) -> Result<Self, SetupError> {
        let schema =
            Schema::new(name).ok_or_else(|| SetupError::InvalidSchema { name: name.into() })?;
        Ok(Self {
            peppers: self.peppers,
            salted: self.salted,
            lost_commits_allowed: self.lost_commits_allowed,
            ..Self::with_parts(self.pool, self.catalogue, schema)
        })
    }

    /// Accepts a server with `fsync` or `full_page_writes` off, which [`check`](Self::check)
    /// otherwise refuses: a crash of the server can then undo a revocation, or damage the database.
    ///
    /// For the throw-away databases of tests, and for file systems that write pages atomically.
    #[must_use]
    pub fn danger_allow_lost_commits(self) -> Self {
        Self {
            lost_commits_allowed: true,
            ..self
        }
    }

    /// Stores the digests of new credentials under the current pepper, and verifies the others
    /// under theirs. Give every node the same peppers.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        Self {
            peppers: Some(peppers),
            ..self
        }
    }

    /// Accepts keys with these salted digests, which another system issued: import them with
    /// [`Import::with_salt`](tower_api_key::manage::Import::with_salt). Give every node the
    /// same ones: without them it answers 503 for such keys.
    ///
    /// Peppers are not applied to them, and a store whose peppers
    /// [exclude plain digests](Peppers::without_plain_digests) refuses them.
    #[must_use]
    pub fn with_salted_digests(self, salted: SaltedDigests) -> Self {
        Self {
            salted: Some(salted),
            ..self
        }
    }

    /// Starts to follow the change log, on a connection of its own. The feed yields every change
    /// that is committed after this has returned, whoever makes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the log cannot be read.
    pub async fn feed(&self) -> Result<PostgresFeed, StoreError> {
        PostgresFeed::start(self.clone()).await
    }
}

/// Returns false for a text that PostgreSQL cannot store: nothing that contains NUL is there, so
/// the database need not be asked.
fn contains_no_nul(text: &str) -> bool {
    !text.contains('\0')
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
