//! Another process that has the SQLite file open.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tower_api_key_sqlx::SqliteStore;

/// Set only for the other process: the file, and what it runs there.
const FILE: &str = "SQLITE_FAULT_TEST_FILE";
const SQL: &str = "SQLITE_FAULT_TEST_SQL";

/// Not a test but the other process. Runs its statements, prints how that went, and keeps its
/// connection open until its input ends.
#[tokio::test]
async fn child() {
    let (Some(file), Ok(sql)) = (std::env::var_os(FILE), std::env::var(SQL)) else {
        return;
    };
    let options = SqliteStore::options(file)
        .create_if_missing(false)
        .busy_timeout(Duration::from_millis(200));
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let ran = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await;
    let mut out = std::io::stdout().lock();
    match ran {
        Ok(_) => writeln!(out, "\nran").unwrap(),
        Err(error) => writeln!(out, "\nrefused {error}").unwrap(),
    }
    out.flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A running process. Ended when dropped; its open transaction is then rolled back.
pub(super) struct Other {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Why its statements were refused.
    pub(super) refused: Option<String>,
}

impl Other {
    /// Starts a process that has run `sql` in the file.
    pub(super) fn run(file: &Path, sql: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["faults::other_process::child", "--exact", "--nocapture"])
            .env(FILE, file)
            .env(SQL, sql)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map(Result::unwrap);
        let refused = lines.find_map(|line| match line.split_once(' ') {
            _ if line == "ran" => Some(None),
            Some(("refused", why)) => Some(Some(why.to_owned())),
            _ => None,
        });
        Self {
            input: process.stdin.take(),
            output,
            process,
            refused: refused.expect("the process ran its statements"),
        }
    }

    /// Kills the process with what it has begun.
    pub(super) fn kill(mut self) {
        self.process.kill().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.output.read_to_end(&mut Vec::new());
        _ = self.process.wait();
    }
}
