//! The README agrees with the command.

use std::{env, path::Path, process::Command};

use crate::support::{command, end};

const README: &str = include_str!("../../README.md");

/// The code blocks of a language, one after the other.
fn blocks(language: &str) -> String {
    let parts = README.split("```").skip(1).step_by(2);
    parts
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

#[test]
fn its_commands_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_api-keys"));
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [program.parent().unwrap().to_owned()]
        .into_iter()
        .chain(env::split_paths(&path));
    let script = blocks("sh");
    assert!(script.contains("api-keys revoke"), "{script}");
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(&dir);
    shell.env("PATH", env::join_paths(path).unwrap());
    end(shell, "").done();
}

#[test]
fn its_table_of_exit_codes_is_that_of_the_help() {
    let mut help = command();
    help.arg("--help");
    let help = end(help, "").done();
    let codes = help.split_once("Exit codes:\n").unwrap().1;
    let codes: Vec<_> = codes.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(codes.len(), 5);
    for line in codes {
        let (code, text) = line.trim().split_once("  ").unwrap();
        let text = text.replace("api-keys check", "`api-keys check`");
        assert!(README.contains(&format!("| {code} | {text} |")), "{line}");
    }
}

#[test]
fn it_names_each_command() {
    let mut help = command();
    help.arg("-h");
    let help = end(help, "").done();
    let commands = help.split_once("Commands:\n").unwrap().1;
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        assert!(README.contains(&format!("| `{name}")), "{name}");
    }
}
