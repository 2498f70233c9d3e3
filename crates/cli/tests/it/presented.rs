//! `whois` and `revoke`, which read a token from standard input.

use crate::support::Database;

#[test]
fn whois_shows_whose_a_token_is_and_records_no_use() {
    for database in Database::each() {
        let (id, secret) = database.key("ci");
        let before = database.run("events --org org_1").done();
        for input in [
            secret.clone(),
            format!("{secret}\r\n"),
            format!("{secret}\nmore\n"),
        ] {
            let shown = database.run_with("whois --json", &input).object();
            assert_eq!(
                (&shown["id"], &shown["org"]),
                (&id.as_str().into(), &"org_1".into())
            );
            assert_eq!(shown["owner_gone"], false);
        }
        let after = database
            .run(&format!("key show --org org_1 --json {id}"))
            .object();
        assert!(after["first_used_at"].is_null() && after["last_used_at"].is_null());
        assert_eq!(database.run("events --org org_1").done(), before);
    }
}

#[test]
fn a_key_of_a_deleted_organization_has_no_owner() {
    for database in Database::each() {
        let (_, secret) = database.key("ci");
        database.run("org delete org_1").done();
        assert_eq!(
            database.run_with("whois --json", &secret).object()["owner_gone"],
            true
        );
    }
}

#[test]
fn a_presented_token_is_revoked() {
    for database in Database::each() {
        let (id, secret) = database.key("ci");
        let revoked = database.run_with("revoke --json", &secret).object();
        assert_eq!(
            (&revoked["id"], &revoked["status"]),
            (&id.into(), &"deleted".into())
        );
        assert!(
            database
                .run_with("revoke", &secret)
                .refused(3)
                .contains("deleted")
        );
        let events = database.run("events --org org_1 --json").json();
        assert_eq!(
            (&events[0]["action"], &events[0]["actor_kind"]),
            (&"revoked".into(), &"bearer".into())
        );
        let origin = events[0]["origin"].as_str().unwrap();
        assert!(origin.starts_with("operator tester on "), "{origin}");
    }
}

#[test]
fn what_is_not_a_credential_is_refused_without_being_repeated() {
    for database in Database::each() {
        for input in [
            "ak_unknown.not-a-real-secret",
            "pat_not-a-real-secret",
            "nonsense",
        ] {
            for verb in ["whois", "revoke"] {
                let err = database.run_with(verb, input).refused(3);
                assert!(!err.contains(input), "{err}");
            }
        }
        for input in ["", "\n", " \n"] {
            database.run_with("whois", input).refused(2);
        }
    }
}
