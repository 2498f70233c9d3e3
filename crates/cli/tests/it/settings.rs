//! The settings that services have, too.

use std::fs;

use crate::support::Database;

/// Writes a file beside the database, and returns its path.
fn file(database: &Database, name: &str, text: &str) -> String {
    let path = database.dir.path().join(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn roles_come_from_the_catalogue() {
    for database in Database::each() {
        let roles =
            r#"{"roles": {"editor": ["posts:write"]}, "implies": {"posts:write": ["posts:read"]}}"#;
        let roles = file(&database, "roles.json", roles);
        let create = format!("key create --org org_1 --name a --catalogue {roles} --role");
        database.run(&format!("{create} editor")).done();
        database.run(&format!("{create} viewer")).refused(3);
        for text in [
            "",
            "{}",
            r#"{"roles": {"editor": ["a b"]}}"#,
            r#"{"roles": {}, "more": 1}"#,
        ] {
            let bad = file(&database, "bad.json", text);
            database
                .run(&format!("key list --org org_1 --catalogue {bad}"))
                .refused(2);
        }
    }
}

#[test]
fn a_key_under_a_pepper_is_found_with_the_pepper_alone() {
    for database in Database::each() {
        let secret = "not-a-real-pepper-".repeat(2);
        let peppers = file(&database, "peppers", &format!("2026=text:{secret}\n"));
        let create = format!("key create --org org_1 --name a --role viewer --peppers {peppers}");
        let key = database.run(&create).done();
        database
            .run_with(
                &format!("whois --peppers {peppers} --no-plain-digests"),
                &key,
            )
            .done();
        let err = database.run_with("whois", &key).refused(1);
        assert!(err.contains("2026") && !err.contains(&secret), "{err}");
        let mut by_variable = database.command("whois");
        by_variable.env("API_KEYS_PEPPERS", format!("2026=text:{secret}"));
        crate::support::end(by_variable, &key).done();
        let short = file(&database, "short", "2026=text:s3cret");
        let err = database.run(&format!("check --peppers {short}")).refused(2);
        assert!(!err.contains("s3cret"), "{err}");
    }
}

#[test]
fn tokens_have_the_prefixes_of_the_services() {
    let database = Database::each().next().unwrap();
    let prefixes = "--key-prefix acme_key_ --token-prefix acme_user_";
    let key = database
        .run(&format!("key create --org org_1 --name a {prefixes}"))
        .done();
    let token = database
        .run(&format!("token create --user user_1 --name a {prefixes}"))
        .done();
    assert!(key.starts_with("acme_key_") && token.starts_with("acme_user_"));
    database.run_with(&format!("whois {prefixes}"), &key).done();
    database.run_with("whois", &key).refused(3);
    database
        .run("key list --org org_1 --key-prefix a_ --token-prefix a_b_")
        .refused(2);
}
