//! A process of the platform, and what it has printed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

pub(super) struct Node {
    process: Child,
    /// Where it listens.
    pub(super) address: String,
    /// The paths that it has named for a browser.
    pub(super) urls: Vec<String>,
    pub(super) password: String,
    /// The key in its lines, if it has made one.
    pub(super) key: Option<String>,
    pub(super) printed: String,
}

impl Node {
    pub(super) fn on_a_new_file() -> (TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        let node = Self::on(&file);
        (folder, node)
    }

    fn on(file: &Path) -> Self {
        Self::start(&["127.0.0.1:0", file.to_str().unwrap()])
    }

    /// Starts a process, and reads what it prints until the last line.
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_platform"))
            .args(arguments)
            .env_remove("DEMO_PASSWORD")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (mut printed, mut urls) = (String::new(), Vec::new());
        let mut address = String::new();
        while !printed.trim_end().ends_with("/docs/") {
            let from = printed.len();
            let read = output.read_line(&mut printed).unwrap();
            assert_ne!(read, 0, "it ended early:\n{printed}");
            let url = printed[from..].trim().strip_prefix("http://");
            if let Some((host, path)) = url.and_then(|url| url.split_once('/')) {
                urls.push(format!("/{path}"));
                address = host.to_owned();
            }
        }
        // So that it can go on to print.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let after = |text: &str, end: &[char]| {
            let (_, rest) = printed.split_once(text)?;
            rest.split(end).next().map(str::to_owned)
        };
        let password = after("password ", &['\n']).unwrap();
        let key = after("Bearer ak_", &['\'']).map(|rest| format!("ak_{rest}"));
        Self {
            process,
            address,
            urls,
            password,
            key,
            printed,
        }
    }

    /// Sends what Ctrl-C sends, and waits for the end.
    #[cfg(unix)]
    pub(super) fn interrupt(mut self) -> std::process::ExitStatus {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
