//! Deploying it safely: what to set up around the crate, and what to do when a key leaks.
//!
//! The crate decides about requests. What it cannot see is up to you: who can write the database,
//! who sees the header before it does, and what a backup brings back. The [checklist](#checklist)
//! at the end has all of it.
//!
//! # Rights in the database
//!
//! Anyone who can write the tables can give a credential another owner, more rights, or its life
//! back. In PostgreSQL use two roles: one owns the schema and runs `migrate()` during a deployment,
//! the other one serves requests with the `GRANT`s that [`tower_api_key_sqlx::postgres`] lists. The
//! service then can neither switch off the change log nor rewrite the audit trail. Nodes that only
//! verify need the reader's rights. `check()` names what the store relies on and does not find;
//! call it after each deployment.
//!
//! A SQLite file is protected by its permissions alone: a file that the store creates is its user's
//! (mode 0600), and copies get the permissions that your tools give them. See
//! [`sqlite`](super::sqlite).
//!
//! With [`peppers`](super::peppers) a copy of the database verifies no token, and once plain
//! digests are refused, no token can be planted in it. Keep the pepper where the database's
//! administrators and backups do not have it.
//!
//! A database can write digests into its own log. PostgreSQL does with `log_statement`,
//! `log_min_duration_statement` or `auto_explain`, unless parameters are left out
//! (`log_parameter_max_length = 0`; `auto_explain` has a setting of its own), and it quotes the row
//! of a failed constraint unless `log_error_verbosity = terse`. A digest of a random secret cannot
//! be turned into the token ([`auditing`](super::auditing) has the arithmetic), but treat such logs
//! like a copy of the table.
//!
//! [`tower_api_key_sqlx::postgres`]: https://docs.rs/tower-api-key-sqlx/latest/tower_api_key_sqlx/postgres/
//!
//! # TLS
//!
//! A bearer token is worth what it opens to anyone who reads it on the way (RFC 6750, section 5.3).
//! Serve TLS, or put a proxy that does in front and let nothing else reach the service's port. Do
//! not redirect from `http` to `https`: the client has sent its token by then. Close the port. To
//! the database use `sslmode=verify-full`; the companion enables no TLS feature of sqlx by itself.
//!
//! # Proxies and forward authentication
//!
//! [`placement`](super::placement#forward-authentication) says what a gateway that asks this
//! service must and must not do. Beside that:
//!
//! - The proxy passes on *one* `Authorization` header. Two are refused, and so are two that were
//!   joined by a comma.
//! - The crate trusts no header that says who the caller is. If your handlers read one, the proxy
//!   has to remove what clients send under that name.
//! - If credentials are to be accepted from some [networks](crate::condition) only, tell the layer
//!   which proxies it is behind:
//!   [`ClientAddress::behind`](crate::condition::ClientAddress::behind). Without that, the proxy's
//!   own address counts.
//! - Rate limits by address belong in the proxy, which sees the address. The crate has none;
//!   [`with_miss_rate_limit`](crate::store::Cached::with_miss_rate_limit) protects the database,
//!   not the callers.
//! - A proxy or CDN in front that caches responses has to respect `Cache-Control` and `Vary`.
//!   Refusals are `no-store`; what your handlers answer is theirs to mark.
//!
//! # Headers in logs
//!
//! Access logs, tracing layers, crash reports and debugging proxies all see the token if they see
//! the headers before it is marked. Mark it outermost
//! ([`placement`](super::placement#outside-inside)), exclude `Authorization` from what the proxy
//! and the error tracker record, and search your logs for tokens with
//! [`scanner_regex`](crate::credential::TokenFormat::scanner_regex). In front of services that you
//! forward to, [`with_authorization_removed`](crate::AuthLayer::with_authorization_removed) keeps
//! it from them.
//!
//! # CORS and browsers
//!
//! A key that a web page sends is published. Do not allow the `authorization` header in
//! `Access-Control-Allow-Headers` for an API that keys open, unless its callers are pages of
//! people who bring their own token. The CORS layer goes outside: see
//! [`placement`](super::placement). To find out who does it all the same,
//! [`with_browser_guard`](crate::AuthLayer::with_browser_guard) refuses good credentials from
//! browsers and reports them.
//!
//! # Backups and restores
//!
//! **A restored backup revives what was revoked, disabled or expelled after it was made**: the row
//! says that it is valid. It also forgets the keys that were issued since, and brings back digests
//! under old peppers. So:
//!
//! - Keep the audit events outside of the database as well. A
//!   [hook](crate::manage::Manager::on_event) gets them as they happen. It misses those whose
//!   outcome the call did not learn, and those before a crash, so copy what
//!   [`events`](crate::manage::Manager::events) lists now and then too.
//! - Before the restored database serves requests, repeat what ended credentials since the backup.
//!   Ending one twice does no harm.
//! - Changes of organizations, users and memberships leave no event here. Take them from the system
//!   that owns them.
//! - If you cannot tell what was revoked, revoke all that existed, and issue again.
//!
//! ```
//! use tower_api_key::{
//!     manage::{Actor, ManageError, Manager},
//!     store::{AuditAction, AuditEvent, ManageStore},
//! };
//!
//! /// Repeats the endings among `events`, which were kept outside of the restored database.
//! async fn end_again(
//!     manager: &Manager<impl ManageStore>,
//!     events: impl IntoIterator<Item = AuditEvent>,
//! ) -> Result<(), ManageError> {
//!     for event in events {
//!         let (kind, id) = (event.owner.kind(), event.credential.as_str());
//!         let operator = Actor::operator("after the restore", event.owner.clone());
//!         let ended = match event.action {
//!             AuditAction::Deleted | AuditAction::Revoked | AuditAction::Rotated => {
//!                 manager.delete(&operator, kind, id).await.map(drop)
//!             }
//!             AuditAction::Disabled => manager.disable(&operator, kind, id).await.map(drop),
//!             _ => Ok(()),
//!         };
//!         match ended {
//!             // A credential from after the backup is not there.
//!             Ok(()) | Err(ManageError::Deleted | ManageError::UnknownCredential) => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//!     Ok(())
//! }
//! # let store = tower_api_key::store::MemoryStore::new();
//! # let _ = end_again(&Manager::new(store), Vec::new());
//! ```
//!
//! A credential that was rotated since the backup is deleted too. Its successor is not in the
//! backup, so its holder needs a new one. What was disabled and enabled again stays disabled until
//! you enable it. Caches that follow a feed are emptied by a
//! restore, in PostgreSQL and with SQLite's `.restore`. Restart the services after a restore of any
//! other kind.
//!
//! # Rotating keys and peppers
//!
//! - **Keys**: [`with_max_lifetime`](crate::manage::Manager::with_max_lifetime) refuses new
//!   credentials that do not expire, or too late
//!   ([`with_max_lifetime_of`](crate::manage::Manager::with_max_lifetime_of): those of one kind).
//!   [`rotate`](crate::manage::Manager::rotate) with an overlap window replaces
//!   one without an outage, and the audit trail names clients that still use the old one. A
//!   rotation is not an answer to a leak: with a window, the leaked key stays valid until it ends.
//! - **Peppers**: every year, or when someone who knew one leaves. [`peppers`](super::peppers) has
//!   the steps. Digests under a leaked pepper are as good as plain ones, which is no emergency for
//!   minted tokens.
//! - **Database passwords** are your pool's matter; `PostgresStore::new` takes the pool.
//!
//! # When a key leaks
//!
//! In this order:
//!
//! 1. **Revoke it.** If you have the token itself, as a secret scanner reports it, pass it to
//!    [`revoke_presented`](crate::manage::Manager::revoke_presented). It needs no other authority
//!    and returns whose it was. `Deleted` is not the end: a thief who has rotated the key has its
//!    successor, so go on with what [`find_presented`](crate::manage::Manager::find_presented)
//!    returns. With the public id alone, as a log or a list shows it, call
//!    [`delete`](crate::manage::Manager::delete) as an operator.
//! 2. **Find out whose it is, without sending it anywhere.**
//!    [`TokenFormat::parse`](crate::credential::TokenFormat::parse) reads the kind and a key's
//!    public id from the token.
//! 3. **See what it did.** Events with the target `tower_api_key::verdict` name its
//!    `credential_id`. [`events`](crate::manage::Manager::events) lists what was changed on the
//!    owner's credentials, newest first: a leaked key with `organizations:manage` may have issued
//!    others. Read it to its end: renaming a key fills pages.
//! 4. **If it may have issued others**, or you do not know which one leaked, call
//!    [`revoke_all`](crate::manage::Manager::revoke_all) for the owner. What the owner's
//!    credentials issue at the same time is refused or deleted too. A personal token may also have
//!    issued keys of the organizations where its owner holds `organizations:manage`: look at their
//!    events.
//! 5. **Wait for the bound** of your other nodes
//!    ([`many_machines`](super::many_machines#the-bounds)), and watch
//!    `tower_api_key_revocation_lag_seconds`. Restart a node whose feed is lost and that cannot
//!    wait. Requests that were accepted before are still answered.
//! 6. **Issue a new one**, and search for more with the
//!    [scanner's expression](super::managing#when-a-secret-has-leaked).
//!
//! ```
//! use tower_api_key::{
//!     manage::*,
//!     store::{AuditAction, AuditActor, AuditEvent, CredentialInfo, ManageStore, Owner},
//! };
//!
//! /// Ends a leaked token, and everything of its kind and owner if it has issued others. It can be
//! /// repeated.
//! async fn leaked(
//!     manager: &Manager<impl ManageStore>,
//!     token: &str,
//! ) -> Result<Option<Owner>, ManageError> {
//!     match manager.revoke_presented(token, Some("secret scanning")).await {
//!         // It may have been deleted before: by a colleague, by an earlier call, or by a thief who
//!         // rotated it and has the successor.
//!         Ok(_) | Err(ManageError::Deleted) => {}
//!         Err(ManageError::UnknownCredential) => return Ok(None), // none of ours
//!         Err(error) => return Err(error), // unavailable: repeat the call
//!     }
//!     let leaked = manager.find_presented(token).await?;
//!     let operator = Actor::operator("incident", leaked.owner.clone());
//!     if has_issued_others(manager, &operator, &leaked).await? {
//!         manager.revoke_all(&operator, leaked.kind()).await?;
//!     }
//!     Ok(Some(leaked.owner))
//! }
//!
//! /// Reads the owner's audit trail to its end: what the thief did last may fill many pages.
//! async fn has_issued_others(
//!     manager: &Manager<impl ManageStore>,
//!     operator: &Actor,
//!     leaked: &CredentialInfo,
//! ) -> Result<bool, ManageError> {
//!     let by_it = |event: &AuditEvent| match &event.by {
//!         AuditActor::Key(id) | AuditActor::Token { id, .. } => *id == leaked.id,
//!         _ => false,
//!     };
//!     let mut before = None;
//!     loop {
//!         let page = manager.events(operator, leaked.kind(), before, 200).await?;
//!         if page.iter().any(|event| event.action == AuditAction::Issued && by_it(event)) {
//!             return Ok(true);
//!         }
//!         match page.last() {
//!             Some(oldest) => before = oldest.number,
//!             None => return Ok(false),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use tower_api_key::store::{Directory, MemoryStore};
//! # let store = MemoryStore::new();
//! # store.create_organization("org_1", None).await?;
//! # let manager = Manager::new(store.clone());
//! # let owner = Owner::Organization("org_1".into());
//! # let operator = Actor::operator("test", owner.clone());
//! # let issued = manager.issue_key(&operator, NewKey::named("test")).await?;
//! # let secret = issued.into_secret().ok_or("issued before")?;
//! # for _ in 0..2 {
//! #     let whose = leaked(&manager, secret.expose_secret()).await?;
//! #     assert_eq!(whose.as_ref(), Some(&owner));
//! # }
//! # assert_eq!(leaked(&manager, "not a token").await?, None);
//! # #[cfg(feature = "testing")]
//! # {
//! #     use tower_api_key::{secret::Digest, store::{Filter, Record}, testing::principal};
//! #     let new = NewKey::named("leaked").with_role("admin");
//! #     let (info, secret) = manager.issue_key(&operator, new).await?.into_parts();
//! #     let (kind, id) = (info.kind(), info.id.as_str());
//! #     let record = Record::org_key(&info.id, Digest::of(b"test"), "org_1");
//! #     let record = record.with_role("admin", store.catalogue())?;
//! #     let thief = Actor::from_principal(&principal(record));
//! #     manager.issue_key(&thief, NewKey::named("another").with_role("admin")).await?;
//! #     for number in 0..250 {
//! #         manager.rename(&thief, kind, id, &format!("name {number}")).await?;
//! #     }
//! #     manager.rotate(&thief, kind, id, Rotation::default()).await?;
//! #     leaked(&manager, secret.ok_or("issued before")?.expose_secret()).await?;
//! #     let left = manager.list(&operator, kind, &Filter::default(), None, 10).await?;
//! #     assert!(left.items.is_empty(), "{left:?}");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! A customer's administrator can do the same with the credential that they hold: `delete` and
//! `revoke_all` with [`Actor::from_principal`](crate::manage::Actor::from_principal). If a *pepper*
//! or a copy of the *database* leaks, minted tokens stay safe; tokens that were imported from
//! elsewhere and were not random have to be revoked.
//!
//! # Clocks
//!
//! Expiry is compared with the node's wall clock: a node that is behind accepts an expired
//! credential for as long as it is behind. Run a time service on every node, and alert on its
//! offset. Times to live and the feed's bounds do not depend on the wall clock.
//!
//! # Several nodes
//!
//! - Give every node the same catalogue, peppers and token format, in the order that
//!   [`many_machines`](super::many_machines#roles) and [`peppers`](super::peppers) describe for a
//!   change of each. Alert on `tower_api_key_unknown_roles_total`.
//! - Follow the feed on each node, and alert on `tower_api_key_feed_up` being 0.
//! - Run [`run_expiry_watch`](crate::manage::Manager::run_expiry_watch) and
//!   [`run_retention`](crate::manage::Manager::run_retention) on each node, or on one: their work is
//!   done once.
//! - Make all changes through the cache that the same node's layers use.
//! - After a failover without synchronous replication, repeat the last revocations: the standby may
//!   not have received them.
//!
//! # What grows
//!
//! Every table grows with what is done to credentials, and not with requests.
//! [`run_retention`](crate::manage::Manager::run_retention) removes what is old:
//!
//! | table | what is removed | after |
//! |---|---|---|
//! | `credentials` | deleted ones, and expired ones | 90 days, a year |
//! | `credentials`, two columns | idempotency keys | 24 hours |
//! | `events` | audit events | two years |
//! | `uses` | the use of a credential that was not used since | 400 days, or with the credential |
//! | `changes` | rows of the log | 7 days; SQLite keeps 10 000 rows |
//! | `tombstones` | they stay: two short texts for each removed credential | |
//! | `organizations`, `users`, `memberships` | what your service removes | |
//!
//! A million deleted credentials took 187.5 MiB in SQLite and 291.7 MiB in PostgreSQL, and their
//! tombstones 28.4 MiB and 105.3 MiB after a `VACUUM FULL`. Meanwhile the 99th percentile of lookups
//! rose from 0.9 to 3.4 ms and from 1.0 to 2.6 ms, on two cores that were doing other work as well
//! (`cargo run --release -p tower-api-key-proof --bin retention`). In PostgreSQL each removal is a
//! row of the change log until that is swept, too.
//!
//! [`Retention`](crate::store::Retention) sets other ages. Removing takes rights in PostgreSQL that
//! the service does not need for anything else: see
//! [`tower_api_key_sqlx::postgres`]. Give them to a job of its own that calls
//! [`sweep`](crate::manage::Manager::sweep), if the service is not to be able to remove audit events.
//!
//! # Starting and stopping
//!
//! Start with `migrate()` or `check()`, then the feed, then the listener. A node that starts while
//! the database is down should fail its readiness check: it has nothing cached and would answer 503
//! to every key. When stopping, let the server finish its requests first, then
//! [write the last uses](crate::manage::Manager::run_usage_recorder), then close the pool. A
//! request that is cut off while it changes a credential has made the change completely or not at
//! all.
//!
//! # Checklist
//!
//! - [ ] The service's role is not the owner of the schema, and `check()` passes.
//! - [ ] TLS everywhere, no plain port, and nothing reaches the service around the proxy.
//! - [ ] `EveryRouteDecidesLayer` outermost, and a test that asks each route without a credential.
//! - [ ] `Authorization` is marked as sensitive outermost; the proxy, the error tracker and the
//!   database log neither headers nor parameters.
//! - [ ] A rate limit by client address in front.
//! - [ ] CORS outside, and no page that is given a key.
//! - [ ] Credentials expire, and peppers are kept apart from backups.
//! - [ ] Every node follows the feed; alerts on `tower_api_key_feed_up`, on `ERROR` events and on
//!   `tower_api_key_refused_total` by cause.
//! - [ ] Audit events are also kept elsewhere, and the restore was tried, with its revocations
//!   repeated.
//! - [ ] The person on call can run the code of [When a key leaks](#when-a-key-leaks).
//! - [ ] Release builds fail with the feature `testing`
//!   ([`TESTING_ENABLED`](crate::TESTING_ENABLED)).
