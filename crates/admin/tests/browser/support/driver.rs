//! The one chromedriver of a test process.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write as _},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
};

use tempfile::TempDir;

/// Starts chromedriver in a session of its own, waits for the end of its input, and ends
/// chromedriver with every browser that it has started. The input ends with the process that holds
/// the other end, so that a killed process leaves nothing behind either.
const SUPERVISOR: &str = r#"
trap : HUP INT TERM
setsid "$DRIVER" --port=0 &
driver=$!
read -r _
kill -s KILL -- "-$driver"
wait
rm -rf "$DIR"
"#;

/// A running chromedriver, and the browser that it is to start.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) port: u16,
    pub(crate) browser: PathBuf,
    /// For what the browsers write.
    pub(crate) dir: PathBuf,
    /// Its input ends with this process.
    _supervisor: Child,
}

static SHARED: LazyLock<Option<Driver>> = LazyLock::new(|| {
    let found = program("chromedriver").zip(program("chromium"));
    let found = required("chromium or chromedriver", found)?;
    Some(Driver::start(&found.0, found.1))
});

/// Returns the chromedriver that all tests share; `None`, with a message, without the programs.
pub(crate) fn shared() -> Option<&'static Driver> {
    SHARED.as_ref()
}

/// Passes on what a test needs. If it is missing, says so, or fails if `REQUIRE_CHROMIUM` is set.
pub(crate) fn required<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let is_required = env::var_os("REQUIRE_CHROMIUM").is_some();
        assert!(
            !is_required,
            "REQUIRE_CHROMIUM is set, and there is no {what}"
        );
        // Bypasses the test harness, which captures `eprintln!` in a test that passes.
        let _ = writeln!(io::stderr(), "SKIPPED: tests in a browser: no {what}");
    }
    found
}

/// Finds a program in the search path.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|dir| dir.join(name));
    places.find(|place| place.is_file())
}

impl Driver {
    fn start(driver: &Path, browser: PathBuf) -> Self {
        let dir = TempDir::with_prefix("tower-api-key-browser-");
        let dir = dir.expect("a directory").keep();
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .envs([("DRIVER", driver), ("DIR", &dir)])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let output = supervisor.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| port(&line));
        // Nobody reads the rest, and nothing has to wait for that.
        thread::spawn(|| lines.for_each(drop));
        Self {
            port: port.expect("chromedriver starts"),
            browser,
            dir,
            _supervisor: supervisor,
        }
    }

    /// Creates a directory for a browser's profile.
    pub(crate) fn profile(&self) -> PathBuf {
        let profile = TempDir::new_in(&self.dir).expect("a directory").keep();
        fs::canonicalize(profile).expect("it exists")
    }
}

/// Reads `ChromeDriver was started successfully on port 40404.`
fn port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
