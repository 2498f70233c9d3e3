//! Verifying that the database's file is still the one that was opened.
//!
//! SQLite keeps using a file that was renamed, deleted or replaced: an open connection answers from
//! a file that no other program sees, and a new connection opens whatever file has the name now,
//! applies to it the write-ahead log of the other file, and destroys it. So a store remembers which
//! files it opened, and answers only while their names lead to them.
//!
//! The same holds for the files beside it: a program that opens the database after the log or the
//! log's index was removed creates new ones, and from then on neither program sees what the other
//! writes. A second name of the file has that effect too, because SQLite looks for the log beside
//! the name that it was given.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use sqlx::SqliteConnection;

use tower_api_key::store::StoreError;

/// Device and inode. Where the standard library does not expose them (that is, not on Unix),
/// nothing: then only a missing file is noticed. Windows lets no program rename or delete a file
/// that SQLite has open.
type Identity = (u64, u64);

/// Why a store does not answer although SQLite would.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0:?} cannot be found: is its volume mounted?")]
    Gone(PathBuf, #[source] Arc<io::Error>),
    #[error(
        "{0:?} was replaced by another file: restart the service, and stop it before you restore a \
         backup"
    )]
    Replaced(PathBuf),
    #[error(
        "{0:?} was removed or replaced while it was in use: restart every program that uses the \
         database"
    )]
    LogLost(PathBuf),
    #[error(
        "more than one name (hard link) leads to {0:?}, and programs that use different names do \
         not see each other's changes: remove the other names, then restart every program that \
         uses the database"
    )]
    Linked(PathBuf),
}

/// The files of a database when it was opened.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    main: Part,
    /// The write-ahead log and its index. They exist as long as a connection is open, and the store
    /// keeps one open.
    beside: Vec<Part>,
    /// An error that remains even if the names lead to the files again: meanwhile the owner of a
    /// shared pool may have opened another file, or another program may have written to another
    /// log.
    lost: OnceLock<FileError>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    identity: Identity,
}

impl DatabaseFile {
    /// Remembers the file named `path`, before it is opened.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            main: Part::new(path)?,
            beside: Vec::new(),
            lost: OnceLock::new(),
        })
    }

    /// Returns the name that the store was given.
    pub(super) fn path(&self) -> &Path {
        &self.main.path
    }

    /// Remembers the files beside it, once a connection has used them. `resolved` is where SQLite
    /// found the file, behind symbolic links.
    pub(super) fn with_files_beside(self, resolved: &str) -> io::Result<Self> {
        let parts = ["-wal", "-shm"].map(|suffix| Part::new(format!("{resolved}{suffix}").into()));
        Ok(Self {
            beside: parts.into_iter().collect::<io::Result<_>>()?,
            ..self
        })
    }

    /// Verifies that the names lead to the files that were opened, and that the database's file has
    /// no other name.
    pub(super) fn verify(&self) -> Result<(), FileError> {
        self.lost.get().map_or(Ok(()), |error| Err(error.clone()))?;
        self.look().inspect_err(|error| {
            if !matches!(error, FileError::Gone(..)) {
                _ = self.lost.set(error.clone());
            }
        })
    }

    fn look(&self) -> Result<(), FileError> {
        let main = self.main.verify()?;
        if main.is_file() && names(&main) > 1 {
            return Err(FileError::Linked(self.main.path.clone()));
        }
        let Some(lost) = self.beside.iter().find(|part| part.verify().is_err()) else {
            return Ok(());
        };
        // They may all have disappeared with their volume, and may come back.
        self.main.verify()?;
        Err(FileError::LogLost(lost.path.clone()))
    }

    /// Whether the name now leads to another file, or to none, so that the log beside it belongs to
    /// another file.
    pub(super) fn has_left_its_log(&self) -> bool {
        self.main.verify().is_err()
    }
}

impl Part {
    fn new(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&fs::metadata(&path)?);
        Ok(Self { path, identity })
    }

    fn verify(&self) -> Result<fs::Metadata, FileError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(metadata),
            Ok(_) => Err(FileError::Replaced(self.path.clone())),
            Err(error) => Err(FileError::Gone(self.path.clone(), error.into())),
        }
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    (0, 0)
}

/// Returns how many names (hard links) lead to a file. A directory also has one for each directory
/// in it.
#[cfg(unix)]
fn names(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn names(_: &fs::Metadata) -> u64 {
    1
}

/// Creates an empty file, which is an empty database, if there is none. SQLite gives the files
/// beside it the same mode.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Moves the content of the write-ahead log into the file that was opened, wherever that is now,
/// and empties the log: SQLite would apply it to the file that has the name now.
pub(super) async fn empty_log(db: &mut SqliteConnection) {
    // If this fails, nothing else can be done.
    _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(db)
        .await;
}
