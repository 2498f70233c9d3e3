//! Child processes of a program: the program itself, started again in another role.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A child process that prints its address first, and then a line for each line that it reads.
/// Killed when dropped.
#[derive(Debug)]
pub struct Node {
    process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Node {
    /// Starts this program with `arguments`, and waits for its first line.
    pub async fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts again");
        let commands = process.stdin.take().expect("piped");
        let output = process.stdout.take().expect("piped");
        let mut answers = BufReader::new(output).lines();
        let first = answers.next_line().await.expect("text");
        Self {
            process,
            commands,
            answers,
            address: first.expect("the child prints its address"),
        }
    }

    /// Returns the first line that the child printed.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the child's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id().expect("it was not waited for")
    }

    /// Sends a line and returns the child's answer.
    pub async fn tell(&mut self, command: &str) -> String {
        let line = format!("{command}\n");
        let sent = self.commands.write_all(line.as_bytes()).await;
        sent.expect("the child reads");
        self.line().await.expect("the child answers")
    }

    /// Returns the next line, or `None` if the child has ended.
    pub async fn line(&mut self) -> Option<String> {
        self.answers.next_line().await.ok().flatten()
    }

    /// Kills the child with SIGKILL and returns the lines that it had printed.
    pub async fn kill(mut self) -> Vec<String> {
        self.process.start_kill().expect("it was not waited for");
        let mut rest = Vec::new();
        while let Some(line) = self.line().await {
            rest.push(line);
        }
        self.process.wait().await.expect("a child");
        rest
    }
}

/// Returns the resident memory of a process in KiB; zero if it has ended.
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Returns the number of open descriptors of a process; zero if it has ended.
#[must_use]
pub fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64)
}
