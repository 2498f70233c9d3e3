//! Tests that must run alone in a process.

use std::process::Command;

/// Set in the process that runs a single test.
const ALONE: &str = "TOWER_API_KEY_TEST_ALONE";

/// Runs the test with this name, as the harness lists it, in a new process. Returns `true` inside
/// that process.
pub(crate) fn in_own_process(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the test binary has a path");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("the test binary can be run");
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}{error}"
    );
    false
}
