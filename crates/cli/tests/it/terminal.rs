//! What is different on a terminal: colour, and the bar of an import.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    process::{Command, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{import::line, support::Database};

/// A terminal: its own end, and the end for a process.
fn terminal() -> (File, File) {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&own).expect("it is ours");
    unlockpt(&own).expect("it is ours");
    let name = ptsname(&own, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("ASCII");
    let others = OpenOptions::new().read(true).write(true).open(name);
    (own.into(), others.expect("it is there"))
}

/// Runs a command whose standard error is a terminal, and its standard output, too, if `both`.
/// Returns what the terminal has received.
fn received(mut command: Command, input: Stdio, both: bool) -> String {
    let (mut own, others) = terminal();
    command
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(input);
    let output = match both {
        true => others.try_clone().expect("a descriptor").into(),
        false => Stdio::null(),
    };
    let mut child = command
        .stdout(output)
        .stderr(others)
        .spawn()
        .expect("it starts");
    drop(command); // with the descriptors of the other end
    let mut text = Vec::new();
    let _ = own.read_to_end(&mut text); // ends with an error once the other end is closed
    child.wait().expect("it ends");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_status_is_coloured_on_a_terminal() {
    let database = Database::each().next().unwrap();
    database.key("ci");
    let list = database.command("key list --org org_1");
    assert!(received(list, Stdio::null(), true).contains("\u{1b}[32mactive"));
    let show = database.command("key show --org org_1 unknown");
    assert!(received(show, Stdio::null(), true).contains("\u{1b}[31m"));
    let mut plain = database.command("key list --org org_1");
    plain.env("CLICOLOR", "0");
    assert!(!received(plain, Stdio::null(), true).contains("\u{1b}[32m"));
}

#[test]
fn an_import_from_a_file_has_a_bar_on_a_terminal() {
    let database = Database::each().next().unwrap();
    let path = database.dir.path().join("keys.jsonl");
    let lines: String = (0..3).map(|n| line(&format!("k{n}"))).collect();
    std::fs::write(&path, lines + "{\n").unwrap();
    let input = File::open(&path).unwrap();
    let import = database.command("key import --org org_1");
    let text = received(import, input.into(), false);
    assert!(
        text.contains("lines") && text.contains("line 4: "),
        "{text}"
    );
}
