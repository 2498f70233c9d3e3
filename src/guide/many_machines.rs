//! From one machine to many.
//!
//! | nodes | store | a revocation counts |
//! |---|---|---|
//! | one process | [`MemoryStore`](crate::store::MemoryStore), or a SQLite file | at once |
//! | several processes, one machine | a SQLite file | with the next look-up; with a cache, when its feed has told |
//! | several machines | PostgreSQL | the same |
//!
//! # Three steps
//!
//! 1. **The store.** `PostgresStore` takes the pool that the service already has. Each node calls `migrate()` when it starts;
//!    they wait for each other, and the first one does the work. Where the service's role may not create anything, the owner
//!    of the schema runs `migrate()` first, from a small program of its own, and then the `GRANT`s of
//!    [`store::postgres`](crate::store); a new version is deployed in the same order: migrate, grant, roll out the nodes. Without a cache every request is one look-up, and a
//!    revocation counts as soon as it is acknowledged, on every node.
//! 2. **The cache.** [`Cached`](crate::store::Cached) answers from memory. By itself it knows of the changes that were made
//!    through it, and of others after its time to live (5 s).
//! 3. **The feed.** `store.feed()` tells the cache of every change, whoever made it: another node, a tool, a person with `psql`.
//!    The time to live is then only the last resort.
//!
#![cfg_attr(feature = "postgres", doc = "```no_run")]
#![cfg_attr(not(feature = "postgres"), doc = "```ignore")]
//! use std::{sync::Arc, time::Duration};
//! use sqlx::PgPool;
//! use tower_api_key::{AuthLayer, scope::Catalogue, store::{Cached, PostgresStore}};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPool::connect("postgres://localhost/service").await?;
//! let store = PostgresStore::new(pool, Catalogue::anyreach());
//! store.migrate().await?;
//! let feed = store.feed().await?;
//! let cache = Arc::new(Cached::new(store).with_max_staleness_after_disconnect(Duration::from_secs(5)));
//! tokio::spawn(cache.follow(feed));
//! let auth = AuthLayer::new(cache);
//! # Ok(())
//! # }
//! ```
//!
//! # The pool
//!
//! Lookups and management share the pool. Management takes at most half of its connections, and keeps one of these for
//! revocations: give the pool four connections or more. A call of management gives up within 10 s, and may be repeated.
//!
//! # The bounds
//!
//! For how long another node can accept a credential after its revocation was acknowledged:
//!
//! | state | bound |
//! |---|---|
//! | the feed is connected | the time of a notification |
//! | its connection broke, or the log does not do its work | until it has caught up, at most the cache's bound after a loss (6 s; 5 s above) |
//! | the server, or the way to it, has fallen silent | 4 s until that is noticed (2 s + 2 s, `with_keep_alive`), and then the same |
//! | the machine, or the task that follows, stood still | as if the server had fallen silent |
//! | nobody follows | the time to live |
//!
//! The bounds are times of the clock on the wall, on Linux, Android, Apple's systems and Windows: the time that a machine sleeps
//! counts, and after it a cache that follows looks everything up again. A *virtual* machine that is stopped from outside is
//! another matter: its clocks stand still too, so that its bounds go on where they stopped. Restart the service after
//! such a stop.
//!
//! A bound is one for requests that come after it. A request whose credential was looked up before the revocation is
//! answered, however long its handler takes; one that must not outlive its credential, such as a stream, has to look again.
//!
//! So 4 s + 5 s above, and never more than the time to live where that is shorter. On the node that made the change through
//! its cache the bound is nothing at all. Measure the first row on your own machines: the example `postgres_cluster` runs
//! three nodes, and prints it with `--measure 1000`; in production watch `tower_api_key_revocation_lag_seconds` and
//! `tower_api_key_feed_up` (see [`observe`](mod@crate::observe)).
//!
//! # How a change reaches the caches
//!
//! Triggers append each change of an organization, a person, a membership or a credential to a log, in the transaction
//! that makes it, and notify. The notification only wakes the listeners up; what changed is read from the log, so that
//! lost notifications lose nothing:
//!
//! - On a lost connection the feed says so at once, connects again, *listens first*, says
//!   `Everything`, and then what it finds that it missed. Only then does the cache trust it again,
//!   empty: after a crash or a restore nothing that was read before is certain.
//! - It reads exactly what its last snapshot of the database did not see. A transaction that began early and commits late is
//!   not skipped, nobody's long transaction holds a revocation back, and writers do not wait for each other.
//! - `TRUNCATE`, any removal from the log of what the reader had not read, a restored dump, and a
//!   standby that took over empty the cache. A prune of what it has read does not.
//! - A disabled trigger, or row-level security on the log, is noticed within 2 s and counts as a
//!   lost feed until it is put right.
//!
//! # What to know
//!
//! - Call `prune` now and then, for example hourly with an age of a day: the log grows by a row for each change.
//! - The feed has a connection of its own, with the pool's options, outside of the pool; the pool's
//!   `after_connect` does not run for it. So what a connection needs to reach the schema (a role, a
//!   setting) belongs into the connect options, such as `options([("role", "api_key_service")])`.
//!   It has to reach the server that can write: a standby takes no listeners.
//! - A pooler that shares connections (PgBouncer's transaction and statement modes) loses prepared
//!   statements and notifications. `check`, `migrate` and `feed` refuse it; its session mode works.
//! - A role that a node's catalogue lacks is an outage there: credentials and members with it are
//!   answered 503, since what they may do is not known. So deploy a catalogue with a new role to
//!   every node before anybody is given the role, and move everybody off a role before you deploy a
//!   catalogue without it.
//! - While a machine is suspended nothing is read, and the time does not count. When it wakes up, a
//!   connection that has died meanwhile is noticed within 4 s, as any other.
//! - Who needs which rights, what the store relies on, TLS, dumps, and older nodes with a newer
//!   schema: see the module of the store (`store::postgres`).
//! - Look-ups may go to a standby. What it has not replayed yet is not revoked there; without a cache that is the bound, and
//!   *with* one it is worse: an answer that is older than the change it was told of would be kept. Cache only what is read from
//!   the server that is followed.
//! - Nobody with the rights of a service or a reader can switch the log off. The owner can: what is
//!   changed while a trigger is disabled is told as `Everything` once the feed is restored.
