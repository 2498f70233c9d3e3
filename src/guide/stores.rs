//! Writing a store.
//!
//! Implement [`CredentialStore`](crate::CredentialStore): one question, three answers. The contract is in
//! [`store`](crate::store). A store never sees a token, only a key's id or a token's digest:
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
//!     async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
//!         match lookup.credential() {
//!             Credential::OrgKey { id } => Ok(self.0.get(id).cloned()),
//!             Credential::PersonalToken { .. } => Ok(None),
//!         }
//!     }
//! }
//! ```
//!
//! - Say `Err` whenever you are not sure. A 401 for an outage logs every client out; a 503 lets them try again.
//! - Compare ids byte for byte. A database column with a case-insensitive collation makes aliases.
//! - Answer from memory through [`peek`](crate::CredentialStore::peek) where you can: the request then costs no
//!   allocation and no clone of the inner service.
//! - The look-up is dropped when its deadline passes or the client goes away, and a panic in it is a 503.
//! - The layer needs tokio's timer for a look-up that is not answered by `peek`.
//! - A cache in front asks you again about a credential when its [feed](crate::store::Feed) tells
//!   [`Change::Credential`](crate::store::Change::Credential) of it, or tells of the organization or the person that the
//!   record names. What the record does not name it cannot know: a store that ties keys to whoever created them has to
//!   tell `Change::Credential` for each of those keys when the creator goes.
//!
//! # Moving in
//!
//! A token issued elsewhere works as it is: store [`Digest::of`](crate::secret::Digest::of) the whole token, or
//! [`Digest::from_bytes`](crate::secret::Digest::from_bytes), [`from_hex`](crate::secret::Digest::from_hex) or
//! [`from_base64`](crate::secret::Digest::from_base64) if you already keep its SHA-256. Any body of token68 characters
//! is accepted behind the prefixes, and the [prefixes](crate::credential::TokenFormat::with_prefixes) can be yours.
//!
//! An id that no token can carry is refused when it is stored. A digest does not show what it was
//! made of: if you have the tokens, read them with
//! [`TokenFormat::parse`](crate::credential::TokenFormat::parse), which returns an error for each
//! that could never be accepted, such as a key without a dot.
//!
//! # SQLite in operation
//!
//! - **Creating or not.** `SqliteStore::open` creates a file that does not exist, readable by its
//!   user alone (mode 0600). Where that would hide a mistake, such as a volume that is not mounted,
//!   call `open_existing`, which returns an error.
//! - **The file is replaced, renamed or deleted.** The store remembers the device and inode of the
//!   file that it opened, and of the `-wal` and `-shm` beside it. It compares them with each
//!   answer, before and after each change, and every 10 ms in its feed. Once they differ, every
//!   lookup is a 503 and every change an error, the feed is lost, and nothing is written to the
//!   file that has the name now. A database that was only renamed, or whose volume was away, is
//!   used again when it comes back. After a replacement, restart the service. On systems other than
//!   Unix the standard library does not tell inodes: there only a missing file is noticed.
//! - **The `-wal` or `-shm` is removed.** Never do this while a program has the database open: the
//!   next program makes new ones, and neither sees what the other writes, revocations included.
//!   The store that was open is an outage from then on. One that is opened later cannot know that
//!   another program still uses the old ones: it works, and a change that it acknowledges may be
//!   lost when the other program ends. Stop every program that has the database open, then start
//!   them again, and repeat the revocations of the time in between.
//! - **One name.** SQLite looks for the `-wal` beside the name that it was given. A hard link, or a
//!   bind mount of the file alone (`-v ./keys.db:/data/keys.db`), gives each program a log of its
//!   own, and none sees what the others write. Make no hard links, and mount the directory, never
//!   the file alone. A file with more than one hard link is refused when it is opened, and is an
//!   outage until the store is opened again when the link is made later. Symbolic links are
//!   followed and do no harm. A bind mount of the file alone is not noticed.
//! - **Restoring a backup.** Stop the service. Move the database away together with its `-wal` and
//!   `-shm`, put the backup in its place, and start the service. A `-wal` that is left beside
//!   another database is taken for its own, and destroys it. Never copy over a file that is open
//!   (`cp backup.db keys.db`): it keeps its inode, nothing can notice it, and SQLite mixes the two.
//!   To restore without stopping, use SQLite's own means: `sqlite3 keys.db ".restore backup.db"`;
//!   the feed then tells `Everything`. Revocations since the backup are undone by it in either
//!   case.
//! - **Making a backup.** `sqlite3 keys.db ".backup copy.db"` or `VACUUM INTO`. A copy of the `.db`
//!   file alone lacks what is still in the `-wal`, which may be the latest revocations.
//! - **Erasing.** What `delete_user` removes may remain in free pages, in the `-wal` and in
//!   backups. `PRAGMA secure_delete` and `VACUUM` take care of the first.
//! - **`rusqlite` in the same process.** Its SQLite is a second copy unless both use the same
//!   `libsqlite3-sys`. Two copies do not know of each other, and POSIX drops all locks of a process
//!   on a file when any descriptor of it is closed: the database is corrupted. Open the file from
//!   another process, or through sqlx. The same holds for `std::fs::File::open` on the database
//!   while the store is open.
//! - **Network file systems** lack the shared memory and often the locks that the write-ahead log
//!   needs. Use a local disk, or PostgreSQL.
//! - **Owners.** The row of an organization or a user stays while anything refers to it, also for a
//!   person with `sqlite3`, where foreign keys are off: an id that is given out again would bring
//!   old keys to life for somebody else. Set `deleted = 1` or `enabled = 0`, or call `delete_user`.
//! - **Rolling back.** A program refuses a schema that a later version has made, unless each later
//!   migration says in `tower_api_key_compatibility` that programs of this version can work with
//!   it.
//! - **In doubt**, `SqliteStore::check` names what the store cannot rely on.
