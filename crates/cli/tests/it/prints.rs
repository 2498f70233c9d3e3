//! What is printed, and where.

use std::process::Stdio;

use crate::{
    check::sqlite_statement,
    support::{Database, command, end},
};

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    for database in Database::each() {
        let (_, secret) = database.key("ci");
        for words in [
            "key list --org org_1",
            "key list --org org_1 --json",
            "events --org org_1",
            "whois",
            "check",
            "prune",
            "completions bash",
            "--help",
        ] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let (input, mut token) = std::io::pipe().unwrap();
            std::io::Write::write_all(&mut token, secret.as_bytes()).unwrap();
            drop(token);
            let mut command = database.command(words);
            let output = command
                .stdout(writer)
                .stdin(input)
                .stderr(Stdio::piped())
                .output();
            let output = output.unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                (output.status.code(), err.as_str()),
                (Some(0), ""),
                "{words}"
            );
        }
    }
}

#[test]
fn closed_standard_error_is_not_an_error() {
    let database = Database::each().next().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = database.command("org create org_2");
    let status = command
        .stderr(writer)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn there_is_no_colour_beside_terminals() {
    let database = Database::each().next().unwrap();
    database.key("ci");
    for words in [
        "key list --org org_1",
        "key show --org org_1 unknown",
        "key",
        "--help",
    ] {
        let ended = database.run(words);
        assert!(
            !ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'),
            "{words}"
        );
    }
}

#[test]
fn a_table_has_a_line_for_each_key() {
    let database = Database::each().next().unwrap();
    let (id, _) = database.key("ci");
    let table = database.run("key list --org org_1").done();
    let lines: Vec<_> = table.lines().collect();
    assert!(
        lines[0].starts_with("ID ") && lines[0].contains("STATUS"),
        "{table}"
    );
    assert!(lines.len() == 2 && lines[1].starts_with(&id) && lines[1].contains("viewer"));
}

#[test]
fn a_name_cannot_confuse_the_terminal() {
    let database = Database::each().next().unwrap();
    let (id, _) = database.key("ci");
    sqlite_statement(
        &database,
        "UPDATE tower_api_key_credentials SET name = 'a' || char(27, 0x202e, 0x9b, 10) || 'b'",
    );
    for words in [
        "key list --org org_1",
        &format!("key show --org org_1 {id}"),
    ] {
        let plain = database.run(words).done();
        assert!(plain.contains("a\\u{1b}\\u{202e}\\u{9b}\\nb"), "{plain}");
        let json = database.run(&format!("{words} --json"));
        let odd = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!json.out.contains(odd), "{}", json.out);
        assert_eq!(json.object()["name"], "a\u{1b}\u{202e}\u{9b}\nb");
    }
    let ended = database.run(&format!("key disable --org org_1 {id}"));
    assert!(!ended.err.contains(['\u{1b}', '\u{202e}']), "{}", ended.err);
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let mut command = command();
        command.args(["completions", shell]);
        let script = end(command, "").done();
        assert!(
            script.contains("api-keys") && script.contains("rotate"),
            "{shell}"
        );
    }
}

#[test]
fn each_command_with_json_prints_objects() {
    for database in Database::each() {
        let (id, secret) = database.key("ci");
        for words in [
            "org create org_2",
            "user create user_2",
            "member set --org org_2 --user user_2 --role admin",
            "key create --org org_1 --name a --role viewer",
            "key list --org org_1",
            &format!("key show --org org_1 {id}"),
            &format!("key disable --org org_1 {id}"),
            "token create --user user_1 --name a",
            "events --org org_1",
            "whois",
            "revoke",
            "check",
            "prune",
            "migrate",
        ] {
            let ended = database.run_with(&format!("{words} --json"), &secret);
            let objects = ended.json();
            assert!(
                !objects.is_empty() && objects.iter().all(|one| one.is_object()),
                "{words}"
            );
        }
    }
}
