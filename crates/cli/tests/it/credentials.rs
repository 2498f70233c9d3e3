//! Keys and tokens: create, list, show.

use serde_json::{Value, json};

use crate::support::Database;

#[test]
fn a_new_secret_is_alone_on_standard_output() {
    for database in Database::each() {
        for (words, prefix) in [
            ("key create --org org_1 --name ci --role viewer", "ak_"),
            ("token create --user user_1 --name laptop", "pat_"),
        ] {
            let ended = database.run(words);
            let err = ended.err.clone();
            let out = ended.done();
            let secret = out.strip_suffix('\n').unwrap();
            assert!(secret.starts_with(prefix) && secret.len() == 55, "{words}");
            assert!(err.contains("issued") && !err.contains(secret), "{err}");
            database.run_with("whois", &out).done();
        }
    }
}

#[test]
fn a_key_has_what_it_was_created_with() {
    for database in Database::each() {
        let words = "key create --org org_1 --name door --scopes agents:read,members:read --json \
                     --expires 2150-01-01 --description opener --metadata building=7 \
                     --metadata floor=2 --networks 192.0.2.0/24,2001:db8::/32 --environment live";
        let created = database.run(words).object();
        let id = created["id"].as_str().unwrap();
        let shown = database
            .run(&format!("key show --org org_1 --json {id}"))
            .object();
        for (field, value) in [
            ("kind", json!("org_key")),
            ("org", json!("org_1")),
            ("user", Value::Null),
            ("name", json!("door")),
            ("status", json!("active")),
            ("scopes", json!(["agents:read", "members:read"])),
            ("description", json!("opener")),
            ("metadata", json!({ "building": "7", "floor": "2" })),
            ("networks", json!(["192.0.2.0/24", "2001:db8::/32"])),
            ("environment", json!("live")),
            ("created_by_kind", json!("operator")),
            ("expires_at", json!("2150-01-01T00:00:00Z")),
            ("last_used_at", Value::Null),
            ("secret", Value::Null),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
    }
}

#[test]
fn a_token_can_be_restricted() {
    for database in Database::each() {
        let words =
            "token create --user user_1 --name report --scopes agents:read --orgs org_1 --json";
        let created = database.run(words).object();
        assert_eq!(created["scopes"], json!(["agents:read"]));
        assert_eq!(created["organizations"], json!(["org_1"]));
        assert_eq!(created["user"], "user_1");
    }
}

#[test]
fn a_list_is_filtered_and_limited() {
    for database in Database::each() {
        for (name, more) in [
            ("a", "--expires 1h"),
            ("b", "--metadata team=ops"),
            ("c", ""),
        ] {
            let words = format!("key create --org org_1 --role viewer --name {name} {more}");
            database.run(&words).done();
        }
        let id = |name: &str| {
            let keys = database.run("key list --org org_1 --json").json();
            let key = keys.iter().find(|key| key["name"] == name).unwrap().clone();
            key["id"].as_str().unwrap().to_owned()
        };
        database
            .run(&format!("key disable --org org_1 {}", id("c")))
            .done();
        for (filter, names) in [
            ("", "cba"),
            ("--state active", "ba"),
            ("--state disabled", "c"),
            ("--state deleted", ""),
            ("--expiring-before 1d", "a"),
            ("--expiring-before 1s", ""),
            ("--unused-since 1d", ""),
            ("--unused-since 2150-01-01", "cba"),
            ("--metadata team=ops", "b"),
            ("--name B", "b"),
            ("--name c --state active", ""),
            ("--limit 2", "cb"),
            ("--limit 0", ""),
        ] {
            let keys = database
                .run(&format!("key list --org org_1 --json {filter}"))
                .json();
            let listed: String = keys.iter().filter_map(|key| key["name"].as_str()).collect();
            assert_eq!(listed, names, "{filter}");
        }
    }
}

#[test]
fn a_list_of_several_pages_is_complete() {
    for database in Database::each() {
        let lines: String = (0..205)
            .map(|n| crate::import::line(&format!("k{n}")))
            .collect();
        database.run_with("key import --org org_1", &lines).done();
        assert_eq!(
            database.run("key list --org org_1 --json").json().len(),
            205
        );
        let limited = database
            .run("key list --org org_1 --json --limit 203")
            .json();
        assert_eq!(limited.len(), 203);
        assert_eq!(database.run("events --org org_1 --json").json().len(), 205);
    }
}

#[test]
fn a_repeated_request_issues_no_second_key() {
    for database in Database::each() {
        let words = "key create --org org_1 --name ci --role viewer --idempotency-key once";
        database.run(words).done();
        assert!(database.run(words).refused(3).contains("issued"));
        assert_eq!(database.run("key list --org org_1 --json").json().len(), 1);
    }
}
