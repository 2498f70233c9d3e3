//! A temporary PostgreSQL cluster: created from the installed binaries, on a Unix socket in a
//! directory of its own, and removed when the process that created it ends, however it ends.
#![allow(dead_code, reason = "benches and an example use parts of this file")]
#![allow(clippy::expect_used, reason = "a test fails at the first surprise")]

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower_api_key::scope::Catalogue;
use tower_api_key_sqlx::PostgresStore;

/// Creates the cluster, prints the postmaster's process id, waits for the end of its input, and
/// removes the cluster. The input ends with the process that holds the other end, so that a killed
/// process leaves nothing behind; nor does one that is ended with its whole process group, since
/// the shell outlives a signal. A stopped postmaster is resumed first.
///
/// `PG_TEMPLATE`, if set, is a directory for a copy of the new cluster, from which the next ones
/// are made in less time: for programs that run each test in a process of its own. Such clusters
/// have the same system identifier.
const SUPERVISOR: &str = r#"
trap : HUP INT TERM
umask 077 && mkdir "$DIR" && cd "$DIR" || exit 1
if [ -n "$PRIMARY" ]; then
  "$BIN/pg_basebackup" -h "$PRIMARY" -U postgres -D data -R -X stream -c fast --no-sync >&2 ||
    exit 1
else
  if ! cp -R "$PG_TEMPLATE" data 2>/dev/null; then
    rm -rf data
    "$BIN/initdb" -D data -U postgres -A trust --encoding=UTF8 --locale=C --no-sync \
      >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
    [ -z "$PG_TEMPLATE" ] || { cp -R data copy && mv -T copy "$PG_TEMPLATE"; } 2>/dev/null ||
      rm -rf copy
  fi
  printf '%s\n' 'local all locked scram-sha-256' 'local all all trust' \
    'local replication all trust' >data/pg_hba.conf
fi
[ -z "$BLOCKS" ] || ulimit -f "$BLOCKS" || exit 1
"$BIN/pg_ctl" -D data -l log -w \
  -o "-c listen_addresses= -c unix_socket_directories=$DIR $SETTINGS" \
  start >/dev/null || { cat log >&2; exit 1; }
head -n 1 data/postmaster.pid
read -r _
kill -CONT "$(head -n 1 data/postmaster.pid 2>/dev/null)" 2>/dev/null
"$BIN/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$DIR"
"#;

/// A running cluster. Stopped and removed when dropped.
pub(crate) struct Cluster {
    supervisor: Child,
    input: Option<ChildStdin>,
    postmaster: u32,
    dir: PathBuf,
    bin: PathBuf,
}

/// The cluster that the tests of one binary share; `None`, with a message, without PostgreSQL's
/// binaries.
pub(crate) fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).as_ref()
}

impl Cluster {
    /// Starts a cluster. Returns `None` without PostgreSQL's binaries, unless `REQUIRE_PG=1` makes
    /// that a failure.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// Like `start`, with more options for the server, such as `-c max_connections=300`.
    pub(crate) fn start_with(settings: &str) -> Option<Self> {
        Self::launch(settings, Path::new(""), "")
    }

    /// Starts a cluster in which no file grows past 16 MiB, the size of a write-ahead log file. For
    /// the tables, that is a full disk. Removed rows free their space only when the table is
    /// vacuumed.
    pub(crate) fn start_with_file_limit() -> Option<Self> {
        Self::launch("-c autovacuum=off", Path::new(""), "32768")
    }

    /// Starts a standby of this cluster, which follows it by streaming replication.
    pub(crate) fn standby(&self) -> Self {
        Self::launch("", &self.dir, "").expect("the binaries exist")
    }

    /// Starts a cluster: a standby of the one in `primary` unless that is empty, with files of at
    /// most `blocks` of 512 bytes unless that is empty.
    fn launch(settings: &str, primary: &Path, blocks: &str) -> Option<Self> {
        let Some(bin) = binaries() else {
            assert!(
                std::env::var_os("REQUIRE_PG").is_none_or(|value| value != "1"),
                "no PostgreSQL binaries"
            );
            // Bypasses the test harness, which captures `eprintln!` in a test that passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: no PostgreSQL binaries");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "tower-api-key-pg-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        let settings = format!("-c max_connections=200 {settings}");
        let mut supervisor = as_owner("sh")
            .args(["-c", SUPERVISOR])
            .envs([
                ("DIR", dir.as_os_str()),
                ("BIN", bin.as_os_str()),
                ("SETTINGS", settings.as_ref()),
            ])
            .envs([
                ("PRIMARY", primary.as_os_str()),
                ("BLOCKS", blocks.as_ref()),
            ])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("stdout is piped"))
            .read_line(&mut line)
            .expect("text");
        let postmaster = line.trim().parse().expect("the cluster starts");
        Some(Self {
            input: supervisor.stdin.take(),
            supervisor,
            postmaster,
            dir,
            bin,
        })
    }

    /// The options to connect as the superuser.
    pub(crate) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.dir)
            .port(5432)
            .username("postgres")
            .database("postgres")
    }

    /// The same as a URL, for other processes.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@localhost:5432/postgres?host={}",
            self.dir.display()
        )
    }

    pub(crate) fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(8)
            .connect_lazy_with(self.options())
    }

    /// An empty store in a schema of its own.
    pub(crate) async fn store(&self) -> PostgresStore {
        let store = self.unmigrated_store(&fresh_schema());
        store
            .migrate()
            .await
            .expect("a fresh cluster can be migrated");
        store
    }

    /// A store whose schema does not exist yet.
    pub(crate) fn unmigrated_store(&self, schema: &str) -> PostgresStore {
        PostgresStore::new(self.pool(), Catalogue::anyreach())
            .with_schema(schema)
            .expect("a plain name")
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.options())
            .await
            .expect("the cluster answers")
    }

    /// Runs a statement in a separate `psql` process.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.psql_as("postgres", sql)
            .expect("the statement succeeds")
    }

    /// Runs a statement as another role. Returns the server's message if it refuses.
    pub(crate) fn psql_as(&self, role: &str, sql: &str) -> Result<String, String> {
        let output = self
            .tool("psql", role)
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, "postgres"])
            .output();
        let output = output.expect("psql starts");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// A dump as SQL that `psql` can run.
    pub(crate) fn dump(&self, options: &[&str]) -> String {
        let output = self
            .tool("pg_dump", "postgres")
            .arg("--inserts")
            .args(options)
            .arg("postgres")
            .output()
            .expect("pg_dump starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Newer versions write commands for psql itself around a dump.
        let sql = String::from_utf8_lossy(&output.stdout).into_owned();
        sql.lines()
            .filter(|line| !line.starts_with('\\'))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// One of PostgreSQL's programs, with the options to connect.
    pub(crate) fn tool(&self, name: &str, role: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.arg("-U").arg(role).arg("-h").arg(&self.dir);
        command
    }

    /// Starts PgBouncer in front of the cluster. Returns `None`, with a message, where it is not
    /// installed, unless `REQUIRE_PGBOUNCER=1` makes that a failure.
    pub(crate) fn pooler(&self, mode: &str) -> Option<Pooler> {
        let Some(program) = pgbouncer() else {
            let required = std::env::var_os("REQUIRE_PGBOUNCER").is_some_and(|value| value == "1");
            assert!(!required, "no pgbouncer");
            let _ = writeln!(std::io::stderr(), "SKIPPED: no pgbouncer");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(6000);
        let (port, dir) = (
            NEXT.fetch_add(1, Ordering::Relaxed) as u16,
            self.dir.display(),
        );
        let settings = format!(
            "[databases]\npostgres = host={dir} port=5432 user=postgres\n[pgbouncer]\nlisten_port \
             = {port}\nunix_socket_dir = {dir}\nauth_type = any\npool_mode = \
             {mode}\ndefault_pool_size = 50\nignore_startup_parameters = extra_float_digits\n"
        );
        let file = self.dir.join(format!("{port}.ini"));
        std::fs::write(&file, settings).expect("the directory exists");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&file, open).expect("the file is ours");
        let mut process = as_owner(&program.to_string_lossy())
            .arg("-q")
            .arg(&file)
            .spawn()
            .expect("pgbouncer starts");
        while !self.dir.join(format!(".s.PGSQL.{port}")).exists() {
            assert!(
                process.try_wait().expect("a child").is_none(),
                "pgbouncer ended"
            );
        }
        Some(Pooler {
            process,
            options: self.options().port(port),
        })
    }

    /// Runs `pg_ctl`, as in `["stop", "-m", "immediate"]`. To start a stopped cluster again with
    /// the options that it had, `["restart"]` it.
    pub(crate) fn pg_ctl(&self, arguments: &[&str]) {
        let ran = as_owner(&self.bin.join("pg_ctl").to_string_lossy())
            .args(arguments)
            .args(["-w", "-s", "-D"])
            .arg(self.dir.join("data"))
            .arg("-l")
            .arg(self.dir.join("log"))
            .current_dir(&self.dir) // to which the options of the last start are relative
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(ran.expect("pg_ctl starts").success(), "{arguments:?}");
    }

    /// Stops the process that accepts connections, and none of those that serve them. It resumes
    /// when the returned guard is dropped.
    pub(crate) fn freeze_postmaster(&self) -> Frozen {
        signal("STOP", &[self.postmaster]);
        Frozen(vec![self.postmaster])
    }

    /// Returns whether a statement fails.
    pub(crate) fn refuses(&self, sql: &str) -> bool {
        self.psql_as("postgres", sql).is_err()
    }

    /// Waits until `standby` has replayed everything that is committed here.
    pub(crate) fn wait_for_replay_by(&self, standby: &Self) {
        let end = self.psql("SELECT pg_current_wal_flush_lsn()");
        while standby.psql(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")) != "t" {}
    }

    /// Stops every process of the cluster, as on a machine that hangs. They resume when the
    /// returned guard is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        // The postmaster first, so that it starts no more processes.
        signal("STOP", &[self.postmaster]);
        let frozen = Frozen(
            std::iter::once(self.postmaster)
                .chain(children(self.postmaster))
                .collect(),
        );
        signal("STOP", &frozen.0);
        frozen
    }

    /// Kills every process of the cluster with SIGKILL, as a machine does that runs out of memory.
    pub(crate) fn kill(&self) {
        // The postmaster first, so that it starts no more processes.
        signal("STOP", &[self.postmaster]);
        let all: Vec<u32> = std::iter::once(self.postmaster)
            .chain(children(self.postmaster))
            .collect();
        signal("KILL", &all);
        while all.iter().any(|pid| is_alive(*pid)) {
            std::thread::yield_now();
        }
    }

    /// Starts the cluster again after [`kill`](Self::kill), with the options that it had.
    pub(crate) fn restart(&mut self) {
        // A process that was killed and that nobody has waited for looks alive to the server, which
        // then refuses to start. `kill` has seen all of them end.
        for lock in ["data/postmaster.pid", ".s.PGSQL.5432.lock"] {
            let _ = std::fs::remove_file(self.dir.join(lock));
        }
        let started = as_owner(&self.bin.join("pg_ctl").to_string_lossy())
            .args(["-w", "-l", "log", "-D", "data", "restart"])
            .current_dir(&self.dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(started.is_ok_and(|status| status.success()), "it restarts");
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid"));
        let pid = file.expect("it runs").lines().next().map(str::parse);
        self.postmaster = pid.expect("a line").expect("a number");
    }
}

/// A running PgBouncer, stopped when dropped.
pub(crate) struct Pooler {
    process: Child,
    pub(crate) options: PgConnectOptions,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pgbouncer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join("pgbouncer"))
        .find(|program| program.is_file())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.supervisor.wait();
    }
}

/// The name of a schema that no other test of this process uses.
pub(crate) fn fresh_schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A cluster whose processes are stopped.
pub(crate) struct Frozen(Vec<u32>);

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    let _ = Command::new("sh")
        .args(["-c", "kill \"$@\"", "sh", &format!("-{name}")])
        .args(pids)
        .status();
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state stands after the name, which is in parentheses.
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn children(parent: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
        .unwrap_or_default();
    listed
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Runs a program as `postgres` instead of root, because PostgreSQL refuses to run as root.
fn as_owner(program: &str) -> Command {
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "--",
        program,
    ]);
    command
}

/// The directory of `initdb` and its companions: in the path, or where Debian puts them, newest
/// version first.
fn binaries() -> Option<PathBuf> {
    let has = |dir: &PathBuf| {
        ["initdb", "pg_ctl", "psql"]
            .iter()
            .all(|name| dir.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir(Path::new("/usr/lib/postgresql"))
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    debian.sort();
    std::env::split_paths(&path)
        .find(|dir| has(dir))
        .or_else(|| debian.into_iter().rev().find(has))
}
