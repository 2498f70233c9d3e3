//! Databases for tests, and the command run over them.

#[path = "../../../../sqlx/tests/it/support/pg.rs"]
pub(crate) mod pg;

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The result of a command that succeeds.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// What a command that succeeds prints with `--json`: an object a line.
    pub(crate) fn json(self) -> Vec<Value> {
        let lines = self.done();
        let lines = lines.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("JSON")
    }

    /// The same of a command that prints one object.
    pub(crate) fn object(self) -> Value {
        self.json().pop().expect("an object")
    }

    /// The error of a command that is refused, which has no result.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        self.err
    }
}

/// A database, which the command finds by its environment.
pub(crate) struct Database {
    pub(crate) dir: TempDir,
    pub(crate) url: String,
    pub(crate) schema: Option<String>,
}

impl Database {
    /// A SQLite file that does not exist yet.
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self {
            url: format!("sqlite:{}", dir.path().join("keys.db").display()),
            schema: None,
            dir,
        }
    }

    /// A PostgreSQL schema that does not exist yet; `None`, with a message, without PostgreSQL.
    pub(crate) fn postgres() -> Option<Self> {
        Some(Self {
            dir: tempfile::tempdir().expect("a directory"),
            url: pg::shared()?.url(),
            schema: Some(pg::fresh_schema()),
        })
    }

    /// A migrated database of each kind, with the organization `org_1` and the user `user_1`, who
    /// is a viewer there.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        let all = [Some(Self::sqlite()), Self::postgres()];
        all.into_iter().flatten().inspect(Self::set_up)
    }

    fn set_up(&self) {
        for command in [
            "migrate",
            "org create org_1",
            "user create user_1",
            "member set --org org_1 --user user_1 --role viewer",
        ] {
            self.run(command).done();
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("keys.db")
    }

    /// The command with words as arguments.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = command();
        command
            .args(words.split_whitespace())
            .env("API_KEYS_DATABASE", &self.url);
        if let Some(schema) = &self.schema {
            command.env("API_KEYS_SCHEMA", schema);
        }
        command
    }

    pub(crate) fn run(&self, words: &str) -> Ended {
        self.run_with(words, "")
    }

    pub(crate) fn run_with(&self, words: &str, input: &str) -> Ended {
        end(self.command(words), input)
    }

    /// Issues a key of `org_1` that is a viewer, and returns its id and its secret.
    pub(crate) fn key(&self, name: &str) -> (String, String) {
        let words = format!("key create --org org_1 --role viewer --json --name {name}");
        let key = self.run(&words).object();
        let text = |field: &str| key[field].as_str().expect("a text").to_owned();
        (text("id"), text("secret"))
    }
}

/// The command without arguments and settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-keys"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("API_KEYS_") || name_text.starts_with("PG") {
            command.env_remove(&name);
        }
    }
    command.env("USER", "tester").env_remove("CLICOLOR_FORCE");
    command
}

/// Runs a command to its end.
pub(crate) fn end(mut command: Command, input: &str) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A command that reads no input may have ended by now.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        code: output.status.code().expect("it is not killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
