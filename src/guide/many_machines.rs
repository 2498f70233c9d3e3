//! From one machine to many: which store to use, and how soon a revocation takes effect.
//!
//! | nodes | store | a revocation takes effect |
//! |---|---|---|
//! | one process | [`MemoryStore`](crate::store::MemoryStore), or a SQLite file | at once, if it is made through the cache that the layers use |
//! | several processes, one machine | a SQLite file | with the next lookup; with a cache, when its feed has delivered it |
//! | several machines | PostgreSQL | the same |
//!
//! # Three steps
//!
//! 1. **The store.** `PostgresStore`, of the crate [`tower-api-key-sqlx`], takes the pool that the
//!    service already has. Each node calls `migrate()` when it starts; the nodes wait for each
//!    other, and the first one does the work. Where the service's role may not create anything, the
//!    schema's owner first runs `migrate()` from a small program of its own, and then the `GRANT`s
//!    that the documentation of [`tower_api_key_sqlx::postgres`] lists. Deploy a new version in the
//!    same order: migrate, grant, roll out the nodes. Without a cache each well-formed credential
//!    costs one lookup, and a revocation takes effect on every node that reads from the primary as
//!    soon as it is acknowledged.
//! 2. **The cache.** [`Cached`](crate::store::Cached) answers from memory. By itself it sees
//!    changes made through it at once, and others after its time to live (5 s).
//! 3. **The feed.** `store.feed()` sends the cache every change, from any source: another node, a
//!    tool, a person with `psql`. The time to live is then only the last resort.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sqlx::PgPool;
//! use tower_api_key::{AuthLayer, scope::Catalogue, store::Cached};
//! use tower_api_key_sqlx::PostgresStore;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPool::connect("postgres://localhost/service").await?;
//! let store = PostgresStore::new(pool, Catalogue::anyreach());
//! store.migrate().await?;
//! let feed = store.feed().await?;
//! let bound = Duration::from_secs(5);
//! let cache = Cached::new(store).with_max_staleness_after_disconnect(bound);
//! tokio::spawn(cache.follow(feed));
//! let auth = AuthLayer::new(cache.clone()); // and one more clone for the `Manager`
//! # Ok(())
//! # }
//! ```
//!
//! [`tower-api-key-sqlx`]: https://docs.rs/tower-api-key-sqlx
//! [`tower_api_key_sqlx::postgres`]: https://docs.rs/tower-api-key-sqlx/latest/tower_api_key_sqlx/postgres/
//!
//! # The pool
//!
//! Lookups and management share the pool. Management takes at most half of its connections, but
//! one in any case, and reserves one of these for revocations: give the pool four connections or
//! more. A management call
//! gives up within 10 s, and may be repeated.
//!
//! # The bounds
//!
//! How long another node can accept a credential after its revocation was acknowledged:
//!
//! | state | bound |
//! |---|---|
//! | the feed is connected | the latency of a notification |
//! | its connection broke, or the log does not work | until it has caught up, at most the cache's bound after a loss (6 s; 5 s above) |
//! | the server, or the network path to it, stopped responding | 4 s until that is noticed (2 s + 2 s, `with_keep_alive`), and then the same |
//! | the machine, or the task that runs `follow`, was suspended | as if the server had stopped responding |
//! | the cache follows no feed | the time to live |
//!
//! So in the example the bound is 4 s + 5 s, and never more than the time to live where that is
//! shorter, unless [`danger_with_stale_accepts`](crate::store::Cached::danger_with_stale_accepts)
//! is on, which adds its grace while the store fails. On the node that made the change through its
//! cache the bound is zero. Measure the first
//! row on your own machines: the example `postgres_cluster` runs three nodes, and prints it with
//! `--measure 1000`. In production watch `tower_api_key_revocation_lag_seconds` and
//! `tower_api_key_feed_up` (see [`observe`](mod@crate::observe)).
//!
//! On Linux, Android, Apple's systems and Windows the bounds are wall-clock times: the time that a
//! machine sleeps counts, and afterwards a cache that follows a feed looks everything up again. A
//! *virtual* machine that is stopped from outside is different: its clocks stand still too, so its
//! bounds continue where they stopped. Restart the service after such a stop.
//!
//! A bound covers only requests that arrive after it has passed. A request whose credential was
//! looked up before the revocation is answered, however long its handler takes. A request that must
//! not outlive its credential, such as a stream, has to check again.
//!
//! # How a change reaches the caches
//!
//! Triggers append each change of an organization, a user, a membership or a credential to a log,
//! in the transaction that makes it, and send a notification. The notification only wakes the
//! listeners. They read what changed from the log, so a lost notification loses no change:
//!
//! - When its connection is lost, the feed reports that at once and connects again. It *listens
//!   first*, then emits `Everything`, and then the changes that it missed. Only then does the cache
//!   trust it again, and starts empty: after a crash or a restore no earlier answer is certain.
//! - It reads exactly what its last snapshot of the database did not see. A transaction that began
//!   early and commits late is not skipped, a long transaction does not hold a revocation back, and
//!   writers do not wait for each other.
//! - The cache is emptied by `TRUNCATE`, by removal from the log of anything that the reader had
//!   not read, by a restored dump, and by a standby that took over. Pruning what it has read does
//!   not empty it.
//! - A disabled trigger, or row-level security on the log, is noticed within 2 s and counts as a
//!   lost feed until it is fixed.
//!
//! # Roles
//!
//! The database stores the names of roles. What a role may do is in the
//! [`Catalogue`](crate::scope::Catalogue) of each process, which you deploy with the service, or
//! [replace](crate::scope::Catalogue::replace) while it runs, from a file or a table that the
//! service reads itself. No feed carries it: every node replaces its own. On a node the change is
//! complete when `replace` has returned. In between, nodes answer by the catalogue that each of
//! them has:
//!
//! | change | order |
//! |---|---|
//! | a new role | first the catalogue on every node, then assign the role |
//! | a wider role | the catalogue on every node; until the last one has it, a request is allowed or refused (403) depending on its node |
//! | a narrower role | the same; a right is gone for certain when the last node has the new catalogue. If it is urgent, [disable](crate::manage::Manager::disable) what must not have it, or [assign](crate::store::Directory::set_member) another role, which the feed carries |
//! | a role that goes | first assign another to each key and member that has it, then the catalogue |
//! | a scope that routes need | first the catalogue, then the routes that accept it |
//!
//! A credential whose role the node's catalogue lacks, its own or that of the membership that it is
//! used with, is refused with 503 (`record_corrupt`), since its rights are unknown there. A wrong
//! secret, and a credential that has ended, get the same 401 as ever. It keeps no rights from an
//! earlier catalogue. The node emits an event at `ERROR` with the role's name and
//! counts `tower_api_key_unknown_roles_total` (see [`observe`](mod@crate::observe)), once for each
//! call of the store. As an actor in a [`Manager`](crate::manage::Manager) such a credential
//! changes no others.
//!
//! Rolling back a deployment is such a change, too: with the old version the new role goes.
//!
//! # What to know
//!
//! - The log grows by a row for each change:
//!   [`run_retention`](crate::manage::Manager::run_retention) removes those of more than a week ago,
//!   and `prune` those of an age that you choose.
//! - The feed has a connection of its own, outside the pool but with the pool's options. The pool's
//!   `after_connect` does not run for it. So put whatever a connection needs to reach the schema (a
//!   role, a setting) into the connect options, such as `options([("role", "api_key_service")])`.
//!   The connection must reach the primary: a standby accepts no listeners.
//! - A pooler that shares connections (PgBouncer's transaction and statement modes) loses prepared
//!   statements and notifications. `check`, `migrate` and `feed` refuse it, and so does a feed that
//!   connects again; its session mode works.
//! - A role that a node's catalogue lacks is an outage there for those who have it: see
//!   [Roles](#roles).
//! - While a machine is suspended the feed reads nothing, and the time does not count towards its
//!   keep-alive. When the machine wakes up, a connection that has died meanwhile is noticed within
//!   4 s, as any other.
//! - For the rights of each role, what the store relies on, TLS, dumps, and older nodes with a
//!   newer schema, see [`tower_api_key_sqlx::postgres`].
//! - Lookups may go to a standby. A revocation that it has not replayed yet has no effect there.
//!   Without a cache that is the bound. *With* one it is worse: the cache would keep an answer that
//!   is older than the change it was notified of. Cache only what is read from the server that the
//!   feed follows.
//! - No one with the rights of a service or a reader can switch the log off. The owner can: changes
//!   made while a trigger is disabled are reported as `Everything` once the feed is restored.
