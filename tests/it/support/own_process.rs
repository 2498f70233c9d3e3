//! Tests that nothing else may run beside in the same process.

use std::process::Command;

/// Set for the process in which a single test runs.
const ALONE: &str = "TOWER_API_KEY_TEST_ALONE";

/// Runs the test with this name, as the harness lists it, in a process of its own, and tells, in
/// that process, that this is the one.
pub(crate) fn in_own_process(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the tests have a path");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it can be run");
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}{error}"
    );
    false
}
