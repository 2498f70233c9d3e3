//! Organizations, users and memberships.

use crate::support::Database;

#[test]
fn an_organization_is_created_below_another_and_deleted() {
    for database in Database::each() {
        let created = database
            .run("org create org_2 --parent org_1 --json")
            .object();
        assert_eq!(
            (&created["org"], &created["parent"]),
            (&"org_2".into(), &"org_1".into())
        );
        database.run("org create org_2").refused(3);
        database
            .run("org create org_3 --parent org_unknown")
            .refused(3);
        assert_eq!(database.run("org delete org_2").done(), "");
        database.run("org delete org_2").refused(3);
    }
}

#[test]
fn the_tokens_of_a_disabled_user_are_refused_until_the_user_is_enabled() {
    for database in Database::each() {
        let create = "token create --user user_1 --name laptop";
        let token = database.run(create).done();
        for (change, gone) in [("disable", true), ("enable", false)] {
            database.run(&format!("user {change} user_1")).done();
            let shown = database.run_with("whois --json", &token).object();
            assert_eq!(shown["owner_gone"], gone, "{change}");
            assert_eq!(shown["status"], "active");
        }
    }
}

#[test]
fn a_deleted_user_has_no_tokens() {
    for database in Database::each() {
        let token = database
            .run("token create --user user_1 --name laptop")
            .done();
        database.run("user delete user_1").done();
        database.run_with("whois", &token).refused(3);
        database.run("user delete user_1").refused(3);
        database
            .run("token create --user user_1 --name laptop")
            .refused(3);
        database.run("user create user_1").done();
    }
}

#[test]
fn a_member_has_a_role_of_the_catalogue() {
    for database in Database::each() {
        let set = "member set --org org_1 --user user_1 --json --role";
        assert_eq!(
            database.run(&format!("{set} admin")).object()["role"],
            "admin"
        );
        database.run(&format!("{set} unknown")).refused(3);
        let removed = database
            .run("member remove --org org_1 --user user_1 --json")
            .object();
        assert!(removed["role"].is_null());
        database
            .run("member remove --org org_1 --user user_1")
            .done();
        database
            .run("member set --org org_1 --user unknown --role admin")
            .refused(3);
    }
}
