//! The audit trail.

use crate::support::Database;

#[test]
fn the_trail_names_the_operator_and_the_host() {
    for database in Database::each() {
        let (id, _) = database.key("ci");
        database
            .run(&format!("key revoke --org org_1 --as night-shift {id}"))
            .done();
        let events = database.run("events --org org_1 --json").json();
        let shown = events
            .iter()
            .map(|event| (&event["action"], &event["actor_id"]));
        let (deleted, issued) = ("deleted".into(), "issued".into());
        let (second, first) = ("night-shift".into(), "tester".into());
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [(&deleted, &second), (&issued, &first)]
        );
        assert!(events.iter().all(|event| event["actor_kind"] == "operator"));
        assert!(
            events
                .iter()
                .all(|event| event["credential"] == id.as_str())
        );
        assert!(!cfg!(unix) || events.iter().all(|event| event["origin"].is_string()));
    }
}

#[test]
fn the_trail_is_of_one_owner_and_limited() {
    for database in Database::each() {
        database.key("ci");
        database
            .run("token create --user user_1 --name laptop")
            .done();
        database.run("token revoke --user user_1 --all").done();
        assert_eq!(database.run("events --org org_1 --json").json().len(), 1);
        assert_eq!(database.run("events --user user_1 --json").json().len(), 2);
        let newest = database.run("events --user user_1 --json --limit 1").json();
        assert_eq!((newest.len(), &newest[0]["action"]), (1, &"deleted".into()));
        database.run("events").refused(2);
        database.run("events --org org_1 --user user_1").refused(2);
    }
}

#[test]
fn pruning_removes_what_ended_long_ago() {
    for database in Database::each() {
        let (id, _) = database.key("ci");
        database.run(&format!("key revoke --org org_1 {id}")).done();
        assert_eq!(database.run("prune --json").object()["credentials"], 0);
        let kept = database
            .run("prune --json --deleted forever --events forever")
            .object();
        assert_eq!(
            (&kept["credentials"], &kept["events"]),
            (&0.into(), &0.into())
        );
        let pruned = database.run("prune --json --deleted 0s --idempotency-keys 0s --events 0s");
        let pruned = pruned.object();
        assert_eq!(
            (&pruned["credentials"], &pruned["events"]),
            (&1.into(), &2.into())
        );
        database
            .run(&format!("key show --org org_1 {id}"))
            .refused(3);
    }
}
