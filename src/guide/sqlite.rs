//! Operating the SQLite store: the file, backups, and what other programs may do to it.
//!
//! `SqliteStore` is in the crate
//! [`tower-api-key-sqlx`](https://docs.rs/tower-api-key-sqlx/latest/tower_api_key_sqlx/sqlite/),
//! feature `sqlite`. It keeps credentials in one file that several processes of a machine may open.
//! A cache in front of it answers from memory, and the store's feed sends the cache what other
//! programs change in the file:
//!
//! ```no_run
//! use tower_api_key::{AuthLayer, scope::Catalogue, store::Cached};
//! use tower_api_key_sqlx::SqliteStore;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqliteStore::open("keys.db", Catalogue::anyreach()).await?;
//! let feed = store.feed().await?;
//! let store = Cached::new(store);
//! tokio::spawn(store.follow(feed));
//! let auth = AuthLayer::new(store.clone()); // and one more clone for the `Manager`
//! # Ok(())
//! # }
//! ```
//!
//! # The file
//!
//! - **Creating the file.** `SqliteStore::open` creates a file that does not exist, readable by its
//!   user alone (mode 0600). Where that would hide a mistake, such as a volume that is not mounted,
//!   call `open_existing`, which returns an error.
//! - **The file is replaced, renamed or deleted.** The store remembers the device and inode of the
//!   file that it opened, and of the `-wal` and `-shm` beside it. It compares them with each
//!   answer, before and after each change, and every 10 ms in its feed. Once they differ, every
//!   lookup in the store is a 503 and every change an error, the feed is lost, and nothing is
//!   written to the file that now has the name. A database that was only renamed, or whose volume
//!   was away, is used again when it comes back. After a replacement, restart the service. On
//!   systems other than Unix the standard library does not expose inodes: there the store notices
//!   only a missing file.
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
//! - **Network file systems** lack the shared memory, and often the locks, that the write-ahead log
//!   needs. Use a local disk, or PostgreSQL.
//!
//! # Backups
//!
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
//!
//! # Other programs and other versions
//!
//! - **`rusqlite` in the same process.** Its SQLite is a second copy unless both use the same
//!   `libsqlite3-sys`. Two copies do not know of each other, and POSIX drops all of a process's
//!   locks on a file when any descriptor of it is closed: the database is corrupted. Open the file
//!   from another process, or through sqlx. The same holds for `std::fs::File::open` on the
//!   database while the store is open.
//! - **Owners.** The row of an organization or a user cannot be deleted while anything refers to
//!   it, not even from `sqlite3`, where foreign keys are off: reusing its id would revive old keys
//!   for another owner. Set `deleted = 1` or `enabled = 0`, or call `delete_user`.
//! - **Rolling back.** A program refuses a schema that a later version has created, unless each
//!   later migration records in `tower_api_key_compatibility` that programs of this version can
//!   work with it.
//! - **Checking.** `SqliteStore::check` lists what the store cannot rely on.
