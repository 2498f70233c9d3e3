//! Credentials in a PostgreSQL database that many nodes share.
//!
//! A lookup is one statement (`sql`). Changes are transactions (`directory`), also
//! those of management (`managed`). The schema writes its own change log, by triggers, which every
//! node follows (`feed`, over the connection in `log`). `setup` makes the schema and tries it;
//! `check` and `pooler` find out whether what the store relies on holds.
//!
//! # Who may do what
//!
//! | role | may | needs |
//! |---|---|---|
//! | owner of the schema | run [`migrate`](PostgresStore::migrate), and everything else | to own the schema, or `CREATE` on the database |
//! | service | verify, follow the log, manage credentials, [`prune`](PostgresStore::prune) | the first group of statements below |
//! | eraser, beside the service's rights | remove users with [`delete_user`](Directory::delete_user) | the second group |
//! | reader | verify and follow the log; on a standby only verify, which takes no listeners | the third group |
//! | PUBLIC | nothing: `migrate` revokes what PostgreSQL grants by default | |
//!
//! One role can be owner and service. Two are safer: the service then cannot disable the log or
//! rewrite the audit trail.
//!
//! ```sql
#![doc = include_str!("rights.sql")]
//! ```
//!
//! Nobody else should have a right in the schema. In particular `TRIGGER` and `REFERENCES` on a
//! table let a role run code as whoever writes to it, and `CREATE` on the schema lets it plant
//! objects: `migrate` and [`check`](PostgresStore::check) refuse a schema where others may create,
//! one with objects of others, and one of another owner if the connection's role may itself create
//! schemas in the database. A role that may not has to trust the owner of the schema, so give
//! `CREATE` on the database to nobody whom you do not trust. Whoever may connect to the database
//! can notify the log's channel; that costs each follower at most 50 readings of the log per
//! second. They can also fill the server's queue of notifications. Once it is more than half full,
//! changes are no longer notified, so that they can be committed; followers find them when they
//! next read the log, 2 s after the last time. A transaction of somebody else's that notifies
//! cannot commit while the queue is full.
//!
//! # What the store relies on
//!
//! `check`, `migrate`, and the feed when it starts and at each keep-alive, find out whether the
//! following holds, and name what does not, as [`BrokenAssumption`](crate::BrokenAssumption)s.
//!
//! | assumption | otherwise | what to do |
//! |---|---|---|
//! | the encoding is UTF8 | ids that it cannot express would be outages | create the database with `ENCODING 'UTF8'` |
//! | no row-level security on any table | a good key could be unknown, the feed silent | disable it |
//! | every trigger of the log is there and `ENABLE ALWAYS` | changes would not be logged; the feed is lost until then | the statement in the error. `pg_restore --disable-triggers` leaves them otherwise |
//! | the tables are as the migrations make them: logged, with their unique indexes, without rules; on `changes` and `horizon` no other triggers | changes would be lost or not be logged | what the error says |
//! | `fsync` and `full_page_writes` are on | a crash could undo a revocation | switch them on, or [`danger_allow_lost_commits`](PostgresStore::danger_allow_lost_commits) |
//! | the server's queue of notifications is at most half full | followers hear of a change up to 2 s later | end the session that holds it up |
//! | one server process for each connection | prepared statements fail, notifications are lost | a pooler's session mode |
//! | the log is one of this cluster | each prune would empty every cache | `migrate` as the owner empties it |
//!
//! `synchronous_commit = off` needs no care: the log's triggers switch it on for the transaction.
//!
//! # The search path
//!
//! The schema is written into every statement. Whatever else a statement names is PostgreSQL's own:
//! transactions of the store, and the connection of a feed, set `search_path` to `pg_catalog`, so
//! that nothing that a stranger creates in `public` is called. A lookup and
//! [`is_descendant_of`](Directory::is_descendant_of) run outside of a transaction. They
//! compare values whose types are exactly those of PostgreSQL's operators, which PostgreSQL prefers
//! to those of other schemas unless the pool's `search_path` names such a schema before
//! `pg_catalog`: do not do that.
//!
//! # Poolers
//!
//! | PgBouncer's `pool_mode` | |
//! |---|---|
//! | `session` | works, with `ignore_startup_parameters = extra_float_digits`; each feed holds a server connection |
//! | `transaction`, `statement` | refused: sqlx prepares its statements on the connection, and the next transaction may run on another one, where the name is unknown or means another statement. Notifications do not arrive either |
//!
//! # Transport encryption
//!
//! This crate switches no TLS on in sqlx. Over a network, add sqlx to your own dependencies with
//! one of its features `tls-rustls-ring`, `tls-rustls-aws-lc-rs` or `tls-native-tls`, and connect
//! with `sslmode=verify-full`. Without such a feature sqlx connects unencrypted unless `sslmode`
//! demands otherwise.
//!
//! # Crashes, standbys, dumps
//!
//! - A standby that is promoted without having received everything (asynchronous replication) has
//!   lost the last commits, with acknowledged revocations among them: `synchronous_standby_names`
//!   prevents that. The feed says [`Change::Everything`](super::Change::Everything) after each
//!   reconnect, so that the caches agree with what is left.
//! - `pg_restore --clean` into a running system is noticed: the feed is lost while tables or
//!   triggers are missing, and says `Everything` afterwards. What was revoked after the dump was
//!   made is valid again, as its rows say.
//! - A dump restored into another cluster has transaction numbers that mean nothing there.
//!   `migrate` as the owner empties the log; until then each prune makes each follower say
//!   `Everything`.
//! - `PREPARE TRANSACTION` fails after a notification. A transaction that is to be prepared begins
//!   with `SET LOCAL tower_api_key.notify = 'off'`; followers then find its changes when they next
//!   read the log, 2 s after the last time.
//!
//! # Older and newer nodes
//!
//! A node works with a schema that is newer than itself if each migration that it does not know
//! says so, by a row in the table `compatibility`. So in a rolling deployment, and after rolling
//! back to the version before, older nodes keep running; they neither change the schema nor verify
//! the functions in it. A migration that older nodes cannot run with has no such row, and they
//! refuse it at their start: run the newer version, or restore the backup from before the
//! migration.
//!
//! # The schema
//!
//! Made by [`PostgresStore::migrate`], in a schema of its own (`tower_api_key`, or another name):
//!
//! ```sql
#![doc = include_str!("../../migrations/postgres/0001_initial.sql")]
//! ```
//!
//! # What waits for what
//!
//! Whatever issues or changes credentials of an owner locks the owner's row in `owner_turns`, so that a cap is exact. It also
//! locks the rows of the actor, whose revocation therefore comes before or after it. To end credentials locks nothing but their
//! own rows; to end all of an owner does so at once, and then once more in the owner's turn, or without it where it cannot be had. An administrator's open
//! transaction holds up what needs the same rows, for five seconds.

mod check;
mod directory;
mod error;
mod feed;
mod log;
mod managed;
mod migrate;
mod pool;
mod pooler;
mod row;
mod setup;
mod sql;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::{IntoPool, SetupError};
use managed::ByOwner;
use pool::{Permits, Purpose};
use row::{PgColumns, store_error};
use sql::{Schema, Statements};
use tower_api_key::store::{Credential, CredentialStore, Lookup, Record, StoreError};
use tower_api_key::{
    scope::Catalogue,
    secret::{Digest, Pepper, Peppers},
};

pub use feed::PostgresFeed;
pub use migrate::migration_sql;

/// How a transaction begins, whatever the database's defaults are. A question must see what was committed while it waited,
/// and neither a lock of somebody else's nor a statement of ours may hold up a call for ever.
///
/// Bitmaps read all that an owner has and sort it, which the planner prefers where it expects that to be little. Without them
/// the rows come in the order of an index, and only as many as are asked for.
///
/// Names without a schema are looked for in `pg_catalog` alone: in `public`, which is in the path of most roles, a stranger
/// may have created a function or an operator whose argument types fit better.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = pg_catalog, pg_temp; \
    SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '8s'; SET LOCAL enable_bitmapscan = off";

/// How a migration begins. It waits a minute for that of another node. It may take long itself, but waits for a lock on a table only as long as requests can wait behind it.
const BEGIN_MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0";

/// The same for a connection that nobody else uses.
const SET_SEARCH_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// How many rows of the log one transaction removes.
const PRUNED_AT_ONCE: i64 = 10_000;

/// What a migration says once it is alone.
const LIMIT_LOCKS: &str = "SET LOCAL lock_timeout = '3s'";

/// A store in PostgreSQL (13 or newer), over the service's own pool. A clone shares the pool.
///
/// Every lookup is one prepared statement, which also finds the state of the key's organization, or of the token's
/// owner and the membership. A pool checks an idle connection with a round trip of its own before it hands it out, unless
/// [`test_before_acquire`](sqlx::pool::PoolOptions::test_before_acquire) is off.
///
/// Waits for a connection as long as the pool says ([`acquire_timeout`](sqlx::pool::PoolOptions::acquire_timeout), 30 s by
/// default); the layer's deadline ends the wait of a request before that.
///
/// Management shares the pool. Its calls take at most half of the connections at once (at least one), and those that end
/// nothing leave one of these free, so that lookups find a connection and a revocation does too. In a pool of less than
/// four they may wait for each other. Stores that share a pool without being clones of each other each take as much.
///
/// A call of management gives up after 10 s, and before that when it has waited 5 s for a lock, or when one of its
/// statements takes 8 s: [`StoreError::Unavailable`]. It may be repeated: nothing was written,
/// unless the answer to the commit itself was lost.
///
/// ```no_run
/// use sqlx::PgPool;
/// use tower_api_key::{scope::Catalogue, store::Directory};
/// use tower_api_key_sqlx::PostgresStore;
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
    schema: Schema,
    statements: Arc<Statements>,
    by_owner: Arc<ByOwner>,
    permits: Permits,
    lost_commits_allowed: bool,
}

impl PostgresStore {
    /// Makes a store in the schema `tower_api_key`. Asks the database nothing: see [`migrate`](Self::migrate) and
    /// [`check`](Self::check).
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
            statements,
            by_owner,
            permits,
            schema,
            lost_commits_allowed: false,
        }
    }

    /// Takes another schema.
    ///
    /// # Errors
    /// [`SetupError::InvalidSchema`] unless it is a name of small letters, digits and `_`, not beginning with a digit or
    /// `pg_`, of at most 55 bytes.
    pub fn with_schema(self, name: &str) -> Result<Self, SetupError> {
        let schema =
            Schema::new(name).ok_or_else(|| SetupError::InvalidSchema { name: name.into() })?;
        let Self {
            pool,
            catalogue,
            peppers,
            lost_commits_allowed,
            ..
        } = self;
        Ok(Self {
            peppers,
            lost_commits_allowed,
            ..Self::with_parts(pool, catalogue, schema)
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

    /// Keeps the digests of new credentials under a pepper, and verifies those under others. Every node has to be given the
    /// same.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        Self {
            peppers: Some(peppers),
            ..self
        }
    }

    /// Starts to follow the change log. Every change that is committed after this has returned is told, whoever makes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the log cannot be read.
    pub async fn feed(&self) -> Result<PostgresFeed, StoreError> {
        PostgresFeed::start(self.clone()).await
    }

    /// Removes what is older than `age` from the change log, and returns how many rows that were. To be called now and then,
    /// by any node, also by several at once. Each 10 000 rows are a transaction of their own.
    ///
    /// A follower that has not read what is removed notices, and says
    /// [`Change::Everything`](super::Change::Everything). One that has is not disturbed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn prune(&self, age: Duration) -> Result<u64, StoreError> {
        const OLDEST: f64 = 1e11; // seconds: 3000 years, which PostgreSQL's timestamps reach back
        let mut pruned = 0;
        loop {
            let prune = self
                .statements
                .prune
                .query()
                .bind(age.as_secs_f64().min(OLDEST))
                .bind(PRUNED_AT_ONCE);
            let run = async |db: &mut PgConnection| prune.execute(db).await.map_err(store_error);
            let removed = self.transact(Purpose::Ordinary, run).await?.rows_affected();
            pruned += removed;
            if removed < PRUNED_AT_ONCE.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }
}

/// PostgreSQL's text holds no NUL: nothing that has one is stored, and the database need not be asked.
fn contains_no_nul(id: &str) -> bool {
    !id.contains('\0')
}

#[async_trait]
impl CredentialStore for PostgresStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let record = match lookup.credential() {
            Credential::OrgKey { id } if !contains_no_nul(id) => None,
            Credential::OrgKey { id } => {
                let row = self
                    .statements
                    .find_key
                    .query()
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(store_error)?;
                row.map(|row| self.reader().key(&PgColumns(&row), id))
                    .transpose()?
            }
            Credential::PersonalToken { digest } => {
                let organization = lookup.organization().filter(|id| contains_no_nul(id));
                let bytes = |digest: &Digest| digest.to_bytes().to_vec();
                let query = match &self.peppers {
                    None => self.statements.find_token.query().bind(bytes(digest)),
                    Some(_) => {
                        let candidates = self.digests().candidates(digest);
                        let candidates = candidates.iter().map(bytes).collect::<Vec<_>>();
                        self.statements.find_peppered_token.query().bind(candidates)
                    }
                };
                let row = query
                    .bind(organization)
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(store_error)?;
                row.map(|row| self.reader().token(&PgColumns(&row), digest, organization))
                    .transpose()?
            }
        };
        Ok(record.map(Arc::new))
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
