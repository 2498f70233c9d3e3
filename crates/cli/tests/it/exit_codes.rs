//! The exit codes that the help lists.

use crate::support::{Database, command, end};

#[test]
fn done_is_0_and_so_are_help_and_version() {
    for words in [
        "--help",
        "-h",
        "--version",
        "key --help",
        "key create --help",
        "org -h",
    ] {
        let mut command = command();
        command.args(words.split_whitespace());
        assert_ne!(end(command, "").done(), "", "{words}");
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_1() {
    for url in [
        "postgres://app@127.0.0.1:1/service",
        "sqlite:/nonexistent/keys.db",
    ] {
        let mut command = command();
        command.args(["key", "list", "--org", "org_1", "--database", url]);
        end(command, "").refused(1);
    }
}

#[test]
fn wrong_arguments_and_settings_are_2() {
    let database = Database::each().next().unwrap();
    for words in [
        "",
        "key",
        "unknown",
        "key list",
        "key list --org org_1 --state unknown",
        "key list --org org_1 --expiring-before soon",
        "key create --org org_1",
        "key create --org org_1 --name a --role viewer --scopes agents:read",
        "key create --org org_1 --name a --expires tomorrow",
        "key create --org org_1 --name a --networks nowhere",
        "key create --org org_1 --name a --metadata none",
        "key revoke --org org_1",
        "key revoke --org org_1 id --all",
        "prune --deleted never",
        "check --schema other",
        "check --catalogue /nonexistent",
        "check --no-plain-digests",
        "key list --org org_1 --further-prefix ghx_=unknown",
        "completions unknown",
    ] {
        database.run(words).refused(2);
    }
    for url in [
        "",
        "keys.db",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:keys.db?mode=rwc",
        "mysql://db",
    ] {
        let mut command = command();
        command.args(["check", "--database", url]);
        end(command, "").refused(2);
    }
    let mut without = command();
    without.arg("check");
    assert!(end(without, "").refused(2).contains("API_KEYS_DATABASE"));
}

#[test]
fn a_refusal_is_3() {
    for database in Database::each() {
        for words in [
            "org create org_1",
            "user create user_1",
            "key show --org org_1 unknown",
            "key create --org org_1 --name a --role unknown",
            "key create --org org_1 --name a --expires 2020-01-01",
            "key create --org unknown --name a",
            "key create --org org_1 --name a --max-credentials 0",
        ] {
            let err = database.run(words).refused(3);
            assert!(err.starts_with("error: "), "{words}: {err}");
        }
    }
}
