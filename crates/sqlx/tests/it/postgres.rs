//! The PostgreSQL store at startup: concurrent nodes create the schema once, and each fault has its
//! own error variant.

use crate::support::pg;
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{
        Change, CredentialStore, Directory, Feed, FeedEvent, Lookup, LookupKey, ManageStore, Owner,
        Record, WriteError,
    },
};

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tower_api_key_sqlx::{BrokenAssumption, PostgresStore, SetupError};

const TABLES: &str = "organizations, users, memberships, credentials, owner_turns, uses, events, \
                      changes, horizon, _migrations";

fn store_with(options: PgConnectOptions, schema: &str) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_secs(1))
        .connect_lazy_with(options);
    PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap()
}

async fn finds(store: &PostgresStore, id: &str) -> bool {
    store
        .find(&Lookup::new(LookupKey::OrgKey { id }, None))
        .await
        .unwrap()
        .is_some()
}

fn key(id: &str) -> Record {
    Record::org_key(id, Digest::of(id.as_bytes()), "org_test")
}

/// The number of migrations.
const MIGRATIONS: &str = "6";

#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_migrate_at_once_and_each_migration_runs_once() {
    let Some(cluster) = pg::shared() else { return };
    for _ in 0..5 {
        let schema = pg::fresh_schema();
        let nodes = (0..8).map(|_| {
            let store = cluster.unmigrated_store(&schema);
            tokio::spawn(async move { store.migrate().await })
        });
        for node in nodes.collect::<Vec<_>>() {
            node.await.unwrap().unwrap();
        }
        assert_eq!(
            cluster.psql(&format!("SELECT count(*) FROM {schema}._migrations")),
            MIGRATIONS
        );
    }
}

#[tokio::test]
async fn nothing_is_created_outside_the_schema() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let objects = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let before = cluster.psql(objects);
    cluster.unmigrated_store("select").migrate().await.unwrap();
    assert_eq!(cluster.psql(objects), before);
    assert_eq!(
        cluster.psql("SELECT count(*) FROM \"select\"._migrations"),
        MIGRATIONS
    );
}

#[tokio::test]
async fn two_schemas_in_one_database_are_independent() {
    let Some(cluster) = pg::shared() else { return };
    let (one, other) = (cluster.store().await, cluster.store().await);
    one.create_organization("org_test", None).await.unwrap();
    one.insert(key("k_test")).await.unwrap();
    assert!(finds(&one, "k_test").await && !finds(&other, "k_test").await);
    let refused = other.insert(key("k_test")).await.unwrap_err();
    assert!(
        matches!(refused, WriteError::UnknownOrganization(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn each_setup_fault_has_its_own_error() {
    let Some(cluster) = pg::shared() else { return };
    let made = pg::fresh_schema();
    cluster.unmigrated_store(&made).migrate().await.unwrap();
    let newer = pg::fresh_schema();
    cluster.unmigrated_store(&newer).migrate().await.unwrap();
    cluster.psql(&format!(
        "INSERT INTO {newer}._migrations SELECT 9999, 'newer', now(), true, checksum, 0 \
         FROM {newer}._migrations LIMIT 1"
    ));
    let altered = pg::fresh_schema();
    cluster.unmigrated_store(&altered).migrate().await.unwrap();
    cluster.psql(&format!(
        "ALTER TABLE {altered}.credentials DROP COLUMN status"
    ));
    cluster.psql(&format!(
        "CREATE ROLE locked LOGIN PASSWORD 'test'; CREATE ROLE stranger LOGIN; \
         CREATE ROLE half LOGIN;
         GRANT USAGE ON SCHEMA {made} TO half; GRANT SELECT ON {made}._migrations TO half"
    ));
    let owner = cluster.options();
    let read_only = || {
        owner
            .clone()
            .options([("default_transaction_read_only", "on")])
    };
    let none = pg::fresh_schema();
    type Row<'a> = (&'a str, PgConnectOptions, &'a str, fn(&SetupError) -> bool);
    let table: [Row<'_>; 9] = [
        (
            "wrong host",
            owner.clone().socket("/nonexistent-test"),
            &made,
            |e| matches!(e, SetupError::CannotConnect { .. }),
        ),
        (
            "wrong database",
            owner.clone().database("nonexistent_test"),
            &made,
            |e| matches!(e, SetupError::Missing { .. }),
        ),
        (
            "wrong password",
            owner.clone().username("locked").password("wrong test"),
            &made,
            |e| matches!(e, SetupError::Denied { .. }),
        ),
        (
            "no such role",
            owner.clone().username("nobody_test"),
            &made,
            |e| matches!(e, SetupError::Denied { .. }),
        ),
        (
            "no rights",
            owner.clone().username("stranger"),
            &made,
            |e| matches!(e, SetupError::Denied { .. }),
        ),
        (
            "rights on one table only",
            owner.clone().username("half"),
            &made,
            |e| matches!(e, SetupError::Denied { .. }),
        ),
        ("newer schema", owner.clone(), &newer, |e| {
            matches!(e, SetupError::UnknownSchema { .. })
        }),
        ("altered schema", owner.clone(), &altered, |e| {
            matches!(e, SetupError::UnknownSchema { .. })
        }),
        ("read-only and nothing there", read_only(), &none, |e| {
            matches!(e, SetupError::ReadOnly { .. })
        }),
    ];
    for (name, options, schema, expected) in table {
        let store = store_with(options, schema);
        let error = store.migrate().await.unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
    }
    let missing = cluster.unmigrated_store(&none).check().await.unwrap_err();
    assert!(
        matches!(
            missing,
            SetupError::MissingMigration {
                found: None,
                needed: 6,
                ..
            }
        ),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_read_only_role_can_start_on_an_existing_schema() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let owner = cluster.unmigrated_store(&schema);
    owner.migrate().await.unwrap();
    owner.create_organization("org_test", None).await.unwrap();
    owner.insert(key("k_test")).await.unwrap();
    let tables = TABLES
        .split(", ")
        .map(|table| format!("{schema}.{table}"))
        .collect::<Vec<_>>()
        .join(", ");
    cluster.psql(&format!(
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader; \
         GRANT SELECT ON {tables} TO reader"
    ));
    let reader = store_with(cluster.options().username("reader"), &schema);
    reader.migrate().await.unwrap();
    reader.feed().await.unwrap();
    assert!(finds(&reader, "k_test").await);
    assert!(matches!(
        reader.create_user("u").await,
        Err(WriteError::Store(_))
    ));
}

#[tokio::test]
async fn writing_users_does_not_require_the_right_to_write_the_log() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    cluster.unmigrated_store(&schema).migrate().await.unwrap();
    cluster.psql(&format!(
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA {schema} TO clerk; \
         GRANT SELECT, INSERT ON {schema}.users TO clerk"
    ));
    store_with(cluster.options().username("clerk"), &schema)
        .create_user("u")
        .await
        .unwrap();
    assert_eq!(
        cluster.psql(&format!("SELECT subject, id FROM {schema}.changes")),
        "user|u"
    );
}

#[tokio::test]
async fn a_read_only_database_answers_lookups_and_refuses_changes() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let owner = cluster.unmigrated_store(&schema);
    owner.migrate().await.unwrap();
    owner.create_organization("org_test", None).await.unwrap();
    owner.insert(key("k_test")).await.unwrap();
    let store = store_with(
        cluster
            .options()
            .options([("default_transaction_read_only", "on")]),
        &schema,
    );
    store.migrate().await.unwrap();
    assert!(finds(&store, "k_test").await);
    for (name, refused) in [
        (
            "organization",
            store.create_organization("org_2", None).await,
        ),
        ("user", store.create_user("u").await),
        ("key", store.insert(key("k2")).await),
        (
            "deletion",
            store
                .delete(&Owner::of(Kind::OrgKey, "org_test"), "k_test")
                .await,
        ),
    ] {
        assert!(
            matches!(refused, Err(WriteError::Store(_))),
            "{name}: {refused:?}"
        );
    }
    assert_eq!(
        cluster.psql(&format!("SELECT count(*) FROM {schema}.changes")),
        "2"
    );
}

/// PostgreSQL's text cannot store NUL, and the error for it would look like an outage.
#[tokio::test]
async fn an_id_with_nul_is_unknown_to_lookups_and_invalid_on_creation() {
    let Some(cluster) = pg::shared() else { return };
    let store = cluster.store().await;
    store.create_organization("org_test", None).await.unwrap();
    store.create_user("u").await.unwrap();
    store.set_member("u", "org_test", "viewer").await.unwrap();
    store.insert(key("k")).await.unwrap();
    store
        .insert(Record::personal_token("t", Digest::of(b"t"), "u"))
        .await
        .unwrap();

    assert!(!finds(&store, "k\0").await && !finds(&store, "\0").await);
    let token = LookupKey::PersonalToken {
        digest: &Digest::of(b"t"),
    };
    let found = store
        .find(&Lookup::new(token, Some("org_test\0")))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.organization(), found.role()), (None, None));

    let token = |id: &str, user: &str| Record::personal_token(id, Digest::of(b"new"), user);
    type Expected = fn(&WriteError) -> bool;
    let invalid: Expected = |e| matches!(e, WriteError::InvalidId(_));
    let no_organization: Expected = |e| matches!(e, WriteError::UnknownOrganization(_));
    let no_user: Expected = |e| matches!(e, WriteError::UnknownUser(_));
    let no_credential: Expected = |e| matches!(e, WriteError::UnknownCredential(_));
    for (name, refused, expected) in [
        (
            "organization",
            store.create_organization("o\0", None).await,
            invalid,
        ),
        (
            "parent",
            store.create_organization("o", Some("org_test\0")).await,
            no_organization,
        ),
        (
            "deleted organization",
            store.delete_organization("org_test\0").await,
            no_organization,
        ),
        ("user", store.create_user("u\0").await, invalid),
        (
            "disabled user",
            store.set_user_enabled("u\0", false).await,
            no_user,
        ),
        (
            "member",
            store.set_member("u\0", "org_test", "viewer").await,
            no_user,
        ),
        (
            "organization of a member",
            store.set_member("u", "org_test\0", "viewer").await,
            no_organization,
        ),
        (
            "former member",
            store.remove_member("u\0", "org_test").await,
            no_user,
        ),
        ("key", store.insert(key("k\0")).await, invalid),
        (
            "owner of a key",
            store
                .insert(Record::org_key("n", Digest::of(b"n"), "org_test\0"))
                .await,
            no_organization,
        ),
        ("token", store.insert(token("t\0", "u")).await, invalid),
        (
            "owner of a token",
            store.insert(token("n", "u\0")).await,
            no_user,
        ),
        (
            "deleted key",
            store
                .delete(&Owner::of(Kind::OrgKey, "org_test"), "k\0")
                .await,
            no_credential,
        ),
        (
            "deleted token",
            store
                .delete(&Owner::of(Kind::PersonalToken, "u"), "t\0")
                .await,
            no_credential,
        ),
    ] {
        let error = refused.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
    }
    store.remove_member("u", "org_test\0").await.unwrap(); // no such membership exists
    assert!(finds(&store, "k").await && !finds(&store, "n").await);
}

/// In the other modes, connections share server processes, and so lose statements and
/// notifications.
#[tokio::test]
async fn only_a_pooler_in_session_mode_is_accepted() {
    let Some(cluster) = pg::shared() else { return };
    for (mode, works) in [
        ("session", true),
        ("transaction", false),
        ("statement", false),
    ] {
        let Some(pooler) = cluster.pooler(mode) else {
            return;
        };
        let schema = pg::fresh_schema();
        cluster.unmigrated_store(&schema).migrate().await.unwrap();
        for size in [1, 4] {
            let pool = PgPoolOptions::new()
                .max_connections(size)
                .connect_lazy_with(pooler.options.clone());
            let store = PostgresStore::new(pool, Catalogue::anyreach())
                .with_schema(&schema)
                .unwrap();
            for outcome in [store.check().await, store.migrate().await] {
                match outcome {
                    Ok(()) => assert!(works, "{mode}, {size}"),
                    Err(SetupError::BrokenAssumptions { broken, .. }) => {
                        assert!(
                            !works && broken == [BrokenAssumption::TransactionPooler],
                            "{mode}, {size}: {broken:?}"
                        );
                    }
                    Err(other) => panic!("{mode}, {size}: {other:?}"),
                }
            }
            let feed = store.feed().await;
            assert_eq!(feed.is_ok(), works, "{mode}, {size}: {feed:?}");
            if let Err(error) = feed {
                let named = std::error::Error::source(&error).unwrap().to_string();
                assert!(named.contains("session mode"), "{mode}, {size}: {named}");
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_prepared_without_notify_is_emitted_once_committed() {
    let Some(cluster) = pg::Cluster::start_with("-c max_prepared_transactions=4") else {
        return;
    };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();
    store.insert(key("k_test")).await.unwrap();
    let revoke =
        format!("UPDATE {schema}.credentials SET status = 'deleted'; PREPARE TRANSACTION 'two'");
    let refused = cluster
        .psql_as("postgres", &format!("BEGIN; {revoke}"))
        .unwrap_err();
    assert!(refused.contains("NOTIFY"), "{refused}");

    let mut feed = store
        .feed()
        .await
        .unwrap()
        .with_keep_alive(Duration::from_millis(1), Duration::from_secs(60));
    cluster.psql(&format!(
        "BEGIN; SET LOCAL tower_api_key.notify = 'off'; {revoke}"
    ));
    store.create_user("after").await.unwrap();
    assert_eq!(
        feed.next().await,
        Some(FeedEvent::Changed(Change::User("after".into()))),
        "the feed does not wait for it"
    );
    cluster.psql("COMMIT PREPARED 'two'");
    let change = Change::Credential {
        kind: Kind::OrgKey,
        id: "k_test".into(),
    };
    assert_eq!(feed.next().await, Some(FeedEvent::Changed(change)));
}

#[tokio::test]
async fn a_cycle_of_parents_terminates() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("a", None).await.unwrap();
    store.create_organization("b", Some("a")).await.unwrap();
    store.create_organization("c", Some("b")).await.unwrap();
    cluster.psql(&format!(
        "UPDATE {schema}.organizations SET parent_id = 'c' WHERE id = 'a'"
    ));
    let table = [
        ("c", "a", true),
        ("b", "c", true),
        ("a", "a", false),
        ("a", "x", false),
        ("x", "a", false),
        ("c\0", "a", false),
    ];
    for (organization, ancestor, expected) in table {
        assert_eq!(
            store
                .is_descendant_of(organization, ancestor)
                .await
                .unwrap(),
            expected,
            "{organization:?} {ancestor:?}"
        );
    }
    store.delete_organization("b").await.unwrap();
    assert!(
        !store.is_descendant_of("c", "a").await.unwrap(),
        "a deleted organization ends the chain"
    );
    assert!(!store.is_descendant_of("b", "a").await.unwrap());
}
