//! How to write your own store, import existing tokens, and operate SQLite.
//!
//! Implement as much as you need:
//!
//! | implement | required methods | to |
//! |---|---|---|
//! | [`CredentialStore`](crate::CredentialStore) | `find` | accept credentials |
//! | [`ManageStore`](crate::store::ManageStore) | `catalogue`, `credential`, `credentials`, `commit`, `end` | issue, list and revoke them with a [`Manager`](crate::manage::Manager) |
//! | | and `issued_under` | issue under idempotency keys |
//! | | and `events` | keep an audit trail |
//! | | and `record_uses` | record the last use |
//! | [`Directory`](crate::store::Directory) | `is_descendant_of` | restrict routes to parts of a tree of organizations |
//!
//! The example `your_own_tables` (`cargo run --example your_own_tables`) does the first two over
//! tables that a service already has, with sqlx. Test your store with `testing::contract` of the
//! feature `testing`, and declare there what its tables leave out: the rest is tested.
//!
//! A store answers one question in three ways; the rules are in [`store`](crate::store). It never
//! sees a token, only a key's id or a token's digest:
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//!
//! use tower_api_key::store::{Credential, CredentialStore, Lookup, Record, StoreError};
//!
//! struct Keys(HashMap<String, Arc<Record>>);
//!
//! #[tower_api_key::async_trait]
//! impl CredentialStore for Keys {
//!     async fn find(
//!         &self,
//!         lookup: &Lookup<'_>,
//!     ) -> Result<Option<Arc<Record>>, StoreError> {
//!         match lookup.credential() {
//!             Credential::OrgKey { id } => Ok(self.0.get(id).cloned()),
//!             Credential::PersonalToken { .. } => Ok(None),
//!         }
//!     }
//! }
//! ```
//!
//! - Return `Err` whenever you are not sure. A 401 during an outage logs every client out; a 503
//!   lets them retry.
//! - Compare ids byte for byte. A database column with a case-insensitive collation creates
//!   aliases.
//! - Answer from memory through [`peek`](crate::CredentialStore::peek) where you can: the request
//!   then costs no allocation and no clone of the inner service.
//! - The lookup is dropped when its deadline passes or the client disconnects. A panic in it is a
//!   503.
//! - A lookup that `peek` does not answer needs tokio's timer.
//! - Add what your handlers need to know of the customer, such as the plan, with
//!   [`Record::with_data`](crate::store::Record::with_data). They read it with
//!   [`Principal::data`](crate::Principal::data).
//! - To keep last uses in your own table, see [managing](super::managing#the-last-use).
//! - A cache in front of the store looks a credential up again when its [feed](crate::store::Feed)
//!   emits [`Change::Credential`](crate::store::Change::Credential) for it, or a change to the
//!   organization or the person that the record names. The cache cannot know what the record does
//!   not name: a store that ties keys to their creator must emit `Change::Credential` for each of
//!   those keys when the creator leaves.
//!
//! # Importing existing tokens
//!
//! A token issued elsewhere works as it is. Store [`Digest::of`](crate::secret::Digest::of) the
//! whole token. If you already store its SHA-256, use
//! [`Digest::from_bytes`](crate::secret::Digest::from_bytes),
//! [`from_hex`](crate::secret::Digest::from_hex) or
//! [`from_base64`](crate::secret::Digest::from_base64). Any body of token68 characters is accepted
//! after the prefixes, and you can set your own
//! [prefixes](crate::credential::TokenFormat::with_prefixes).
//!
//! An id that no token can carry is refused when you store it. A digest does not show what it was
//! computed from. If you have the tokens, check them with
//! [`TokenFormat::parse`](crate::credential::TokenFormat::parse), which returns an error for each
//! token that could never be accepted, such as a key without a dot.
//!
//! # SQLite in operation
//!
//! Lookups that a cache answers cost no query; the feed tells it what other programs change in the
//! file:
//!
//! ```no_run
//! use std::sync::Arc;
//! use tower_api_key::{
//!     AuthLayer,
//!     scope::Catalogue,
//!     store::{Cached, SqliteStore},
//! };
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqliteStore::open("keys.db", Catalogue::anyreach()).await?;
//! let feed = store.feed().await?;
//! let store = Arc::new(Cached::new(store));
//! tokio::spawn(store.follow(feed));
//! let auth = AuthLayer::new(store);
//! # Ok(())
//! # }
//! ```
//!
//! - **Creating the file.** `SqliteStore::open` creates a file that does not exist, readable by its
//!   user alone (mode 0600). Where that would hide a mistake, such as a volume that is not mounted,
//!   call `open_existing`, which returns an error.
//! - **The file is replaced, renamed or deleted.** The store remembers the device and inode of the
//!   file that it opened, and of the `-wal` and `-shm` beside it. It compares them with each
//!   answer, before and after each change, and every 10 ms in its feed. Once they differ, every
//!   lookup is a 503 and every change an error, the feed is lost, and nothing is written to the
//!   file that now has the name. A database that was only renamed, or whose volume was away, is
//!   used again when it comes back. After a replacement, restart the service. On systems other than
//!   Unix the standard library does not expose inodes: there the store notices only a missing file.
//! - **The `-wal` or `-shm` is removed.** Never do this while a program has the database open. The
//!   next program creates new ones, and neither program sees what the other writes, revocations
//!   included. The store that was open fails from then on. A store opened later cannot know that
//!   another program still uses the old files: it works, and a change that it acknowledges may be
//!   lost when the other program ends. Stop every program that has the database open, start them
//!   again, and repeat the revocations made in between.
//! - **One name.** SQLite looks for the `-wal` beside the name that it was given. A hard link, or a
//!   bind mount of the file alone (`-v ./keys.db:/data/keys.db`), gives each program its own log,
//!   and none sees what the others write. Make no hard links, and mount the directory, never the
//!   file alone. A file with more than one hard link is refused when you open it. If the link is
//!   made later, the store fails until it is opened again. Symbolic links are followed and do no
//!   harm. A bind mount of the file alone is not noticed.
//! - **Restoring a backup.** Stop the service. Move the database away together with its `-wal` and
//!   `-shm`, put the backup in its place, and start the service. SQLite applies a `-wal` that is
//!   left beside another database to that database, and destroys it. Never copy over a file that
//!   is open (`cp backup.db keys.db`): it keeps its inode, nothing can notice it, and SQLite mixes
//!   the two. To restore without stopping, use SQLite's own command:
//!   `sqlite3 keys.db ".restore backup.db"`; the feed then emits `Everything`. Either way, a
//!   restore undoes the revocations made since the backup.
//! - **Making a backup.** Use `sqlite3 keys.db ".backup copy.db"` or `VACUUM INTO`, after
//!   `umask 077`: the copy gets the permissions that your shell gives new files. A copy of the
//!   `.db` file alone lacks what is still in the `-wal`, which may be the latest revocations.
//! - **Erasing.** What `delete_user` removes may remain in free pages, in the `-wal` and in
//!   backups. `PRAGMA secure_delete` and `VACUUM` clear the free pages.
//! - **`rusqlite` in the same process.** Its SQLite is a second copy unless both use the same
//!   `libsqlite3-sys`. Two copies do not know of each other, and POSIX drops all of a process's
//!   locks on a file when any descriptor of it is closed: the database is corrupted. Open the file
//!   from another process, or through sqlx. The same holds for `std::fs::File::open` on the
//!   database while the store is open.
//! - **Network file systems** lack the shared memory, and often the locks, that the write-ahead log
//!   needs. Use a local disk, or PostgreSQL.
//! - **Owners.** The row of an organization or a user cannot be deleted while anything refers to
//!   it, not even from `sqlite3`, where foreign keys are off: reusing its id would revive old keys
//!   for another owner. Set `deleted = 1` or `enabled = 0`, or call `delete_user`.
//! - **Rolling back.** A program refuses a schema that a later version has created, unless each
//!   later migration records in `tower_api_key_compatibility` that programs of this version can
//!   work with it.
//! - **Checking.** `SqliteStore::check` lists what the store cannot rely on.
