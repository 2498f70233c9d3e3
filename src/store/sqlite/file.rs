//! Is the database's file still the one that was opened?
//!
//! SQLite goes on with a file that was renamed, deleted or replaced: an open connection answers
//! from what nobody else sees, and a new connection opens whatever has the name now, with a
//! write-ahead log beside it that belongs to another file and destroys it. So a store remembers
//! which files it opened, and answers only while their names lead to them.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use sqlx::SqliteConnection;

use crate::store::StoreError;

/// Device and inode. Where the standard library does not tell them (that is, not on Unix), nothing:
/// only a file that is gone is noticed then. Windows lets nobody rename or delete a file that
/// SQLite has open.
type Identity = (u64, u64);

/// Why a store does not answer, though SQLite would.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0:?} cannot be found: is its volume mounted?")]
    Gone(PathBuf, #[source] io::Error),
    #[error("{0:?} was replaced by another file: restart the service, and stop it before a backup is restored")]
    Replaced(PathBuf),
}

/// The files of a database, as they were when it was opened.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    main: Part,
    /// The write-ahead log and its index. They last as long as a connection is open, and the store
    /// keeps one open.
    beside: Vec<Part>,
    /// Another file under the name may have been opened since then, by the owner of a shared pool.
    replaced: AtomicBool,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    identity: Identity,
}

impl DatabaseFile {
    /// Remembers the file that has the name `path`, before it is opened.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { main: Part::new(path)?, beside: Vec::new(), replaced: AtomicBool::new(false) })
    }

    /// Remembers the files beside it, once a connection has used them. `resolved` is where SQLite
    /// has found the file, behind symbolic links.
    pub(super) fn with_files_beside(self, resolved: &str) -> Self {
        let parts = ["-wal", "-shm"].map(|suffix| Part::new(format!("{resolved}{suffix}").into()));
        Self { beside: parts.into_iter().flatten().collect(), ..self }
    }

    /// Makes sure that the name leads to the file that was opened.
    pub(super) fn verify(&self) -> Result<(), FileError> {
        if self.replaced.load(Ordering::Relaxed) {
            return Err(FileError::Replaced(self.main.path.clone()));
        }
        self.main.verify().inspect_err(|error| {
            let replaced = matches!(error, FileError::Replaced(_));
            self.replaced.fetch_or(replaced, Ordering::Relaxed);
        })
    }

    /// The same for the files beside it too.
    pub(super) fn verify_all(&self) -> Result<(), FileError> {
        self.verify()?;
        self.beside.iter().try_for_each(Part::verify)
    }

    /// Whether the log beside the name belongs to the file of another name, or of none, by now.
    pub(super) fn has_left_its_log(&self) -> bool {
        self.main.verify().is_err()
    }
}

impl Part {
    fn new(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&path)?;
        Ok(Self { path, identity })
    }

    fn verify(&self) -> Result<(), FileError> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err(FileError::Replaced(self.path.clone())),
            Err(error) => Err(FileError::Gone(self.path.clone(), error)),
        }
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| (0, 0))
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

/// Moves what the write-ahead log holds into the file that was opened, wherever it is now, and
/// empties the log: SQLite would take it for the log of the file that has the name now.
pub(super) async fn empty_log(db: &mut SqliteConnection) {
    // Nothing more can be done if it does not succeed.
    _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(db).await;
}
