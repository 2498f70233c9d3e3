//! A small file system in memory, so that a disk can be full.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Mounts the file system, and unmounts it when its input ends: that is when the test ends, however
/// it ends.
const SUPERVISOR: &str = r#"
mount -t tmpfs -o size=8m,mode=0700 tower-api-key-test "$DIR" || exit 1
echo mounted
read -r _
umount -l "$DIR"
"#;

/// A mounted file system of 8 MiB. Unmounted when dropped.
pub(super) struct Tmpfs {
    supervisor: Child,
    directory: Option<tempfile::TempDir>,
}

impl Tmpfs {
    /// Returns `None`, with a message, where the user may not mount.
    pub(super) fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .env("DIR", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = supervisor.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        if line.trim() != "mounted" {
            // Bypasses the test harness, which captures `eprintln!` in a test that passes.
            _ = writeln!(
                std::io::stderr(),
                "SKIPPED: a full disk, no tmpfs without root"
            );
            _ = supervisor.wait();
            return None;
        }
        Some(Self {
            supervisor,
            directory: Some(directory),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }

    /// Fills what is left, and returns the file to delete for room.
    pub(super) fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        for block in [1 << 16, 1 << 12] {
            let refused = loop {
                if let Err(refused) = file.write_all(&vec![0; block]) {
                    break refused;
                }
            };
            assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
        }
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        _ = self.supervisor.wait();
    }
}
