//! Imports.

use serde_json::json;
use tower_api_key::secret::Digest;

use crate::support::Database;

/// A line of an import of the key `ak_<id>.not-a-real-secret`.
pub(crate) fn line(id: &str) -> String {
    format!(
        "{}\n",
        json!({ "id": id, "digest": digest(id), "name": id, "role": "viewer" })
    )
}

fn token(id: &str) -> String {
    format!("ak_{id}.not-a-real-secret")
}

fn digest(id: &str) -> String {
    Digest::of(token(id).as_bytes()).to_hex()
}

#[test]
fn an_imported_key_is_found_by_its_token() {
    for database in Database::each() {
        let line = json!({
            "id": "billing", "digest": digest("billing"), "name": "nightly", "org": "org_1",
            "scopes": ["agents:read"], "description": "moved",
            "created_at": 1_600_000_000_000_i64, "expires_at": "2150-01-01T00:00:00Z",
        });
        let summary = database
            .run_with("key import --json", &line.to_string())
            .object();
        assert_eq!(summary, json!({ "imported": 1, "taken": 0, "refused": 0 }));
        let key = database
            .run_with("whois --json", &token("billing"))
            .object();
        for (field, value) in [
            ("id", json!("billing")),
            ("name", json!("nightly")),
            ("scopes", json!(["agents:read"])),
            ("description", json!("moved")),
            ("created_at", json!("2020-09-13T12:26:40Z")),
            ("expires_at", json!("2150-01-01T00:00:00Z")),
        ] {
            assert_eq!(key[field], value, "{field}");
        }
    }
}

#[test]
fn bad_lines_are_reported_by_number_and_the_good_ones_imported() {
    for database in Database::each() {
        let secret = "pat_not-a-real-secret";
        let bad = [
            (2, "{".to_owned()),
            (3, json!([secret]).to_string()),
            (4, json!({ "id": "a", "name": "a" }).to_string()),
            (5, json!({ "id": "a", "name": "a", "digest": secret }).to_string()),
            (6, json!({ "id": "a", "name": "a", "digest": digest("a"), "token": secret }).to_string()),
            (7, json!({ "id": secret, "name": 5, "digest": digest("a") }).to_string()),
            (8, json!({ "id": "a b", "name": "a", "digest": digest("a") }).to_string()),
            (9, json!({ "id": "a", "name": "a", "digest": digest("a"), "role": secret }).to_string()),
            (10, json!({ "id": "a", "name": "a", "digest": digest("a"), "scopes": [secret] }).to_string()),
            (11, json!({ "id": "a", "name": "a", "digest": digest("a"), "expires_at": secret }).to_string()),
            (12, json!({ "id": "a", "name": "a", "digest": digest("a"), "org": "unknown" }).to_string()),
            (13, json!({ "id": "a", "name": "a", "digest": digest("a"), "salt": "00" }).to_string()),
            (14, json!({ "id": "a", "name": "a", "digest": digest("a"), "organizations": ["b"] }).to_string()),
            (15, json!({ "id": "a", "name": secret, "digest": digest("a"), "role": "viewer", "scopes": [] }).to_string()),
        ];
        let bad_lines: String = bad.iter().map(|(_, line)| format!("{line}\n")).collect();
        let input = format!("{}{bad_lines}{}", line("first"), line("last"));
        let ended = database.run_with("key import --org org_1 --json", &input);
        assert_eq!(ended.code, 3);
        let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(
            summary,
            json!({ "imported": 2, "taken": 0, "refused": bad.len() })
        );
        let numbers: Vec<_> = ended
            .err
            .lines()
            .filter_map(|line| line.strip_prefix("line "))
            .collect();
        assert_eq!(numbers.len(), bad.len(), "{}", ended.err);
        for ((number, _), reported) in bad.iter().zip(numbers) {
            assert!(reported.starts_with(&format!("{number}: ")), "{reported}");
        }
        assert!(!ended.err.contains("not-a-real-secret") && !ended.err.contains(&digest("a")));
        for id in ["first", "last"] {
            database.run_with("whois", &token(id)).done();
        }
    }
}

#[test]
fn a_second_run_reports_what_is_taken_and_changes_nothing() {
    for database in Database::each() {
        let input = line("a") + &line("b");
        database.run_with("key import --org org_1", &input).done();
        let again = database.run_with("key import --org org_1 --json", &input);
        assert_eq!(again.code, 3);
        assert!(again.out.contains("\"imported\":0,\"taken\":2") && again.err.contains("line 2"));
        let more = input + &line("c");
        let resumed = database.run_with("key import --org org_1 --json --skip-taken", &more);
        assert_eq!(resumed.err, "");
        assert_eq!(
            resumed.object(),
            json!({ "imported": 1, "taken": 2, "refused": 0 })
        );
    }
}

#[test]
fn tokens_are_imported_from_csv() {
    for database in Database::each() {
        let digest = Digest::of(b"pat_not-a-real-secret").to_hex();
        let input = format!(
            "user,id,digest,name,scopes,organizations,expires_at\n\
             user_1,7,{digest},laptop,agents:read members:read,org_1,4102444800000\n\
             user_1,8\n\
             user_1,,{digest},none,,,\n"
        );
        let ended = database.run_with("token import --format csv --json", &input);
        assert_eq!(ended.code, 3);
        assert!(
            ended
                .out
                .contains("\"imported\":1,\"taken\":0,\"refused\":2"),
            "{ended:?}"
        );
        assert!(ended.err.contains("line 3: ") && ended.err.contains("line 4: id is missing"));
        let shown = database
            .run_with("whois --json", "pat_not-a-real-secret")
            .object();
        assert_eq!(
            (&shown["id"], &shown["user"]),
            (&"7".into(), &"user_1".into())
        );
        assert_eq!(shown["scopes"], json!(["agents:read", "members:read"]));
        assert_eq!(shown["organizations"], json!(["org_1"]));
        assert_eq!(shown["expires_at"], "2100-01-01T00:00:00Z");
    }
}

#[test]
fn keys_without_an_id_and_with_a_salt_are_imported() {
    for database in Database::each() {
        let without_id = "ghx_not-a-real-secret-without-an-id";
        let lines = [
            json!({ "digest": Digest::of(without_id.as_bytes()).to_hex(), "name": "bare" }),
            json!({
                "id": "salted", "name": "salted", "salted": "sha256-prefix", "salt": "38663361",
                "digest": Digest::of(b"8f3ask_live_salted.not-a-real-secret").to_hex(),
            }),
        ];
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        database.run_with("key import --org org_1", &input).done();
        let whois =
            "whois --json --further-prefix ghx_=key-without-id --further-prefix sk_live_=key";
        for (token, name) in [
            (without_id, "bare"),
            ("sk_live_salted.not-a-real-secret", "salted"),
        ] {
            assert_eq!(database.run_with(whois, token).object()["name"], name);
        }
    }
}

#[test]
fn an_import_stops_when_the_database_fails() {
    let Some(database) = Database::each().nth(1) else {
        return;
    };
    let schema = database.schema.as_deref().unwrap();
    let cluster = crate::support::pg::shared().unwrap();
    cluster.psql(&format!("DROP TABLE {schema}.events CASCADE"));
    let input = line("a") + &line("b");
    let err = database
        .run_with("key import --org org_1", &input)
        .refused(1);
    assert!(
        err.contains("stopped at line 1") && !err.contains("line 2"),
        "{err}"
    );
    assert!(err.contains("a check of the database found: "), "{err}");
}
