//! Keys and tokens: edit, rotate, disable, enable, revoke.

use serde_json::{Value, json};

use crate::support::Database;

#[test]
fn an_edit_changes_what_it_names_and_keeps_the_rest() {
    for database in Database::each() {
        let create = "key create --org org_1 --name a --description b --metadata c=d \
                      --networks 192.0.2.0/24 --environment live --json";
        let key = database.run(create).object();
        let id = key["id"].as_str().unwrap();
        let edit = |words: &str| {
            let words = format!("key edit --org org_1 --json {id} {words}");
            let key = database.run(&words).object();
            ["name", "description", "metadata", "networks", "environment"]
                .map(|field| key[field].clone())
        };
        let (network, other) = (json!(["192.0.2.0/24"]), json!(["198.51.100.0/24"]));
        for (words, fields) in [
            (
                "--name x",
                [
                    json!("x"),
                    json!("b"),
                    json!({ "c": "d" }),
                    network.clone(),
                    json!("live"),
                ],
            ),
            (
                "--no-environment",
                [
                    json!("x"),
                    json!("b"),
                    json!({ "c": "d" }),
                    network,
                    Value::Null,
                ],
            ),
            (
                "--networks 198.51.100.0/24 --metadata e=f --no-description",
                [
                    json!("x"),
                    Value::Null,
                    json!({ "e": "f" }),
                    other,
                    Value::Null,
                ],
            ),
            (
                "--no-networks --no-metadata --environment test --description y",
                [
                    json!("x"),
                    json!("y"),
                    json!({}),
                    Value::Null,
                    json!("test"),
                ],
            ),
        ] {
            assert_eq!(edit(words), fields, "{words}");
        }
        database
            .run(&format!("key edit --org org_1 {id}"))
            .refused(2);
        database
            .run(&format!(
                "key edit --org org_1 {id} --name x --no-metadata --metadata a=b"
            ))
            .refused(2);
    }
}

#[test]
fn a_rotation_prints_the_new_secret_and_ends_the_old_one() {
    for database in Database::each() {
        let (id, old) = database.key("ci");
        let new = database.run(&format!("key rotate --org org_1 {id}")).done();
        assert_eq!(
            database.run_with("whois --json", &old).object()["status"],
            "deleted"
        );
        let shown = database.run_with("whois --json", &new).object();
        assert_eq!(
            (&shown["status"], &shown["rotated_from"]),
            (&"active".into(), &id.into())
        );
    }
}

#[test]
fn an_overlap_keeps_both_valid() {
    for database in Database::each() {
        let (id, old) = database.key("ci");
        let rotate = format!("key rotate --org org_1 {id} --overlap 1h --expires never");
        let new = database.run(&rotate).done();
        for secret in [&old, &new] {
            assert_eq!(
                database.run_with("whois --json", secret).object()["status"],
                "active"
            );
        }
        database.run(&rotate).refused(3);
    }
}

#[test]
fn a_disabled_key_can_be_enabled_and_a_revoked_one_cannot() {
    for database in Database::each() {
        let (id, _) = database.key("ci");
        for (verb, status) in [
            ("disable", "disabled"),
            ("enable", "active"),
            ("revoke", "deleted"),
        ] {
            let changed = database
                .run(&format!("key {verb} --org org_1 --json {id}"))
                .object();
            assert_eq!(changed["status"], status, "{verb}");
        }
        database
            .run(&format!("key enable --org org_1 {id}"))
            .refused(3);
        database
            .run(&format!("key revoke --org org_1 {id}"))
            .refused(3);
        assert!(
            database
                .run(&format!("key show --org org_1 {id}"))
                .done()
                .contains("deleted")
        );
    }
}

#[test]
fn all_of_an_owner_are_revoked_together() {
    for database in Database::each() {
        for name in ["a", "b"] {
            database
                .run(&format!("token create --user user_1 --name {name}"))
                .done();
        }
        let revoked = database.run("token revoke --user user_1 --all").done();
        assert_eq!(revoked.lines().count(), 2);
        assert!(
            database
                .run("token list --user user_1 --json")
                .json()
                .is_empty()
        );
        assert!(
            database
                .run("token revoke --user user_1 --all --json")
                .json()
                .is_empty()
        );
    }
}

#[test]
fn another_owners_key_is_unknown() {
    for database in Database::each() {
        database.run("org create org_2").done();
        let (id, _) = database.key("ci");
        for verb in [
            "show",
            "edit --name a",
            "rotate",
            "disable",
            "enable",
            "revoke",
        ] {
            database
                .run(&format!("key {verb} --org org_2 {id}"))
                .refused(3);
        }
    }
}
