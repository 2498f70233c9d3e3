//! Secrets stay where they belong.

use std::process::Command;

use crate::support::{Database, Ended, command, end};

/// All that a command has printed.
fn printed(ended: &Ended) -> String {
    format!("{}{}", ended.out, ended.err)
}

#[test]
fn a_token_among_the_arguments_is_refused_and_not_repeated() {
    let database = Database::each().next().unwrap();
    let (id, secret) = database.key("ci");
    for words in [
        format!("whois {secret}"),
        format!("revoke {secret}"),
        format!("key show --org org_1 {secret}"),
        format!("key create --org org_1 --name={secret}"),
        format!("{secret} whois"),
        format!("whois --token={secret}"),
    ] {
        let ended = database.run(&words);
        assert!(!printed(&ended).contains(&secret), "{ended:?}");
        assert!(ended.refused(2).contains("standard input"));
    }
    let shown = database
        .run(&format!("key show --org org_1 --json {id}"))
        .object();
    assert_eq!(shown["status"], "active");
}

#[test]
fn a_token_of_another_system_is_not_repeated_either() {
    let database = Database::each().next().unwrap();
    for secret in [
        "ghx_0123456789abcdef0123456789abcdef",
        "ak_short.not-a-real-secret",
    ] {
        for words in [
            format!("whois {secret}"),
            format!("unknown {secret}"),
            format!("--{secret}"),
        ] {
            let ended = database.run(&words);
            assert!(!printed(&ended).contains(secret), "{ended:?}");
            ended.refused(2);
        }
    }
}

#[test]
fn the_password_of_a_url_is_never_printed() {
    let with = |arguments: &[&str]| {
        let mut command: Command = command();
        command.args(arguments);
        end(command, "")
    };
    for url in [
        "postgres://app:s3cret@127.0.0.1:1/service",
        "postgres://app:s3cret@127.0.0.1:port/service",
        "postgres://app:s3/cret@db/service",
        "mysql://app:s3cret@db/service",
        "postgresql:app:s3cret@db",
    ] {
        for arguments in [
            &["check", "--database", url][..],
            &["migrate", "--database", url],
            &["check", "--databas", url],
            &[url, "check"],
            &["org", "create", "org_1", url],
            &["--help", "--database", url],
        ] {
            let ended = with(arguments);
            let printed = printed(&ended);
            assert!(
                !printed.contains("s3cret") && !printed.contains("s3/cret"),
                "{ended:?}"
            );
        }
    }
    let mut help = command();
    help.args(["key", "list", "--help"]);
    help.env("API_KEYS_DATABASE", "postgres://app:s3cret@db/service");
    assert!(!end(help, "").done().contains("s3cret"));
}

#[test]
fn a_wrong_password_is_an_error_that_does_not_repeat_it() {
    let Some(database) = Database::each().nth(1) else {
        return;
    };
    let cluster = crate::support::pg::shared().unwrap();
    cluster.psql("CREATE ROLE locked LOGIN PASSWORD 'not-a-real-password'");
    let url = database.url.replace("postgres@", "locked:s3cret@");
    let mut check = database.command("check");
    check.env("API_KEYS_DATABASE", url);
    let err = end(check, "").refused(1);
    assert!(
        err.contains("denied access") && !err.contains("s3cret"),
        "{err}"
    );
}

#[test]
fn lists_and_events_contain_neither_secrets_nor_digests() {
    for database in Database::each() {
        let (id, secret) = database.key("ci");
        let digest = tower_api_key::secret::Digest::of(secret.as_bytes()).to_hex();
        let part = secret.split_once('.').unwrap().1;
        for words in [
            "key list --org org_1",
            "events --org org_1",
            &format!("key show --org org_1 {id}"),
        ] {
            for json in ["", " --json"] {
                let ended = database.run(&format!("{words}{json}"));
                let printed = printed(&ended);
                assert!(
                    !printed.contains(part) && !printed.contains(&digest),
                    "{words}"
                );
            }
        }
        for verb in ["whois", "revoke"] {
            let ended = database.run_with(verb, &secret);
            assert!(!printed(&ended).contains(part), "{verb}");
        }
    }
}

#[test]
fn a_secret_that_cannot_be_written_is_an_error_that_names_the_key() {
    for database in Database::each() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = database.command("key create --org org_1 --name lost --role viewer");
        let output = command
            .stdout(writer)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let keys = database.run("key list --org org_1 --json").json();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(
            err.contains(keys[0]["id"].as_str().unwrap()) && !err.contains("ak_"),
            "{err}"
        );
    }
}
