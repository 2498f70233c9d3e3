//! A database of an earlier version is brought up to date when it is opened, and loses nothing.

use sqlx::migrate::Migrator;
use tower_api_key::{
    manage::{Filter, Owner, State},
    secret::Digest,
    store::{Credential, ListQuery, Lookup, ManagedStore, Standing},
};

/// The first migrations of a directory, as a version that knew no more had them.
fn first(all: &Migrator, versions: usize) -> Migrator {
    Migrator::with_migrations(all.iter().take(versions).cloned().collect())
}

/// What every earlier version could store is there: a key by its role, a key by its scopes, a deleted key, a token.
async fn nothing_is_lost(store: &impl ManagedStore) {
    let owner = Owner::Organization("org_test".into());
    for (id, role, scopes) in [
        ("by-role", Some("viewer"), None),
        ("by-scopes", None, Some("agents:read")),
    ] {
        let found = store
            .find(&Lookup::new(Credential::OrgKey { id }, None))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.standing(), found.role()),
            (Standing::Active, role),
            "{id}"
        );
        assert!(
            scopes.is_none_or(|scope| found.scopes().contains(scope)),
            "{id}"
        );
        assert_eq!(
            found.digest().to_bytes(),
            Digest::of(id.as_bytes()).to_bytes(),
            "{id}"
        );
        let info = store.credential(&owner, id).await.unwrap().unwrap();
        assert_eq!(
            (&*info.name, info.role.as_deref(), info.last_used_at),
            ("", role, None),
            "{id}"
        );
    }
    let digest = Digest::of(b"token");
    let lookup = Lookup::new(
        Credential::PersonalToken { digest: &digest },
        Some("org_test"),
    );
    let token = store.find(&lookup).await.unwrap().unwrap();
    assert_eq!(
        (token.standing(), token.role()),
        (Standing::Active, Some("viewer"))
    );
    let query = |state| ListQuery {
        filter: Filter {
            state,
            ..Filter::default()
        },
        after: None,
        limit: 10,
        now: tower_api_key::clock::UnixMillis(0),
    };
    assert_eq!(
        store.credentials(&owner, &query(None)).await.unwrap().len(),
        2
    );
    let deleted = store
        .credentials(&owner, &query(Some(State::Deleted)))
        .await
        .unwrap();
    assert_eq!(
        deleted
            .iter()
            .map(|info| info.id.as_str())
            .collect::<Vec<_>>(),
        ["deleted"]
    );
}

fn hex_of(text: &str) -> String {
    hex::encode(Digest::of(text.as_bytes()).to_bytes())
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    use sqlx::ConnectOptions;
    use tower_api_key::{
        credential::Kind,
        principal::Catalogue,
        store::{Change, Feed, FeedEvent, SqliteStore, StoreAdmin},
    };

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let mut db = SqliteStore::options(&path).connect().await.unwrap();
    let mut earlier = first(&sqlx::migrate!("migrations/sqlite"), 1);
    earlier.dangerous_set_table_name("tower_api_key_migrations");
    earlier.run_direct(None, &mut db, false).await.unwrap();
    let rows = format!(
        "INSERT INTO tower_api_key_organizations (id) VALUES ('org_test');
         INSERT INTO tower_api_key_users (id) VALUES ('user_test');
         INSERT INTO tower_api_key_memberships VALUES ('user_test', 'org_test', 'viewer');
         INSERT INTO tower_api_key_credentials (kind, id, digest, standing, organization_id, role, scopes) VALUES
            ('org_key', 'by-role', x'{}', 'active', 'org_test', 'viewer', NULL),
            ('org_key', 'by-scopes', x'{}', 'active', 'org_test', NULL, '[\"agents:read\"]'),
            ('org_key', 'deleted', x'{}', 'deleted', 'org_test', 'viewer', NULL);
         INSERT INTO tower_api_key_credentials (kind, id, digest, user_id) VALUES ('pat', 't', x'{}', 'user_test');",
        hex_of("by-role"),
        hex_of("by-scopes"),
        hex_of("deleted"),
        hex_of("token"),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows))
        .execute(&mut db)
        .await
        .unwrap();
    drop(db);

    let store = SqliteStore::open(&path, Catalogue::documented())
        .await
        .unwrap();
    nothing_is_lost(&store).await;
    let mut feed = store.feed().await.unwrap();
    store.delete(Kind::OrgKey, "by-role").await.unwrap();
    let change = Change::Credential {
        kind: Kind::OrgKey,
        id: "by-role".into(),
    };
    assert_eq!(
        feed.next().await,
        Some(FeedEvent::Changed(change)),
        "the numbers of the log do not go on"
    );
}

#[cfg(feature = "postgres")]
use crate::support::pg;

/// A node that rolled back, or that is not updated yet, with the schema of a version that is to come.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn an_older_node_works_with_a_newer_schema_that_says_so_and_refuses_others() {
    use tower_api_key::store::{Feed, StoreAdmin, postgres::SetupError};

    let Some(cluster) = pg::shared() else { return };
    let known = sqlx::migrate!("migrations/postgres")
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap();
    let (next, later) = (known + 1, known + 2);
    for (name, compatible, works) in [
        ("says so", format!("({next}, {known}), ({later}, 1)"), true),
        (
            "one of two cannot",
            format!("({next}, {next}), ({later}, 1)"),
            false,
        ),
        (
            "the other of two cannot",
            format!("({next}, 1), ({later}, {next})"),
            false,
        ),
        (
            "one of two says nothing",
            format!("({later}, {known})"),
            false,
        ),
    ] {
        let schema = pg::fresh_schema();
        let store = cluster.unmade_store(&schema);
        store.migrate().await.unwrap();
        cluster.psql(&format!(
            "SET search_path TO {schema};
            INSERT INTO _migrations SELECT n, 'newer', now(), true, '', 0 FROM generate_series({next}, {later}) n;
            INSERT INTO compatibility VALUES {compatible};
            ALTER TABLE credentials ADD COLUMN newer text;
            CREATE OR REPLACE FUNCTION announce(channel text) RETURNS void LANGUAGE sql SET search_path = pg_catalog
                AS 'SELECT pg_notify(channel, current_user)'"
        ));
        let migrations = || {
            cluster.psql(&format!(
                "SELECT string_agg(m::text, ' ') FROM {schema}._migrations m"
            ))
        };
        let before = migrations();
        for outcome in [store.migrate().await, store.check().await] {
            match outcome {
                Ok(()) => assert!(works, "{name}"),
                Err(SetupError::UnknownSchema(source)) => {
                    let text = source.to_string();
                    assert!(
                        !works && text.contains("run the newer version on this node"),
                        "{name}: {text}"
                    );
                }
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            migrations(),
            before,
            "{name}: an older node changes nothing"
        );
        if works {
            let mut feed = store.feed().await.unwrap();
            store.create_user("u").await.unwrap();
            assert!(
                format!("{:?}", feed.next().await).contains("User"),
                "{name}"
            );
        }
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_schema_of_the_first_version_is_brought_up_to_date() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    cluster.psql(&format!("CREATE SCHEMA {schema}"));
    let options = cluster.options().options([("search_path", &*schema)]);
    let mut db = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let mut earlier = first(&sqlx::migrate!("migrations/postgres"), 1);
    earlier.dangerous_set_table_name(format!("\"{schema}\"._migrations"));
    earlier.run_direct(None, &mut db, false).await.unwrap();
    cluster.psql(&format!(
        "SET search_path TO {schema};
         INSERT INTO organizations (id) VALUES ('org_test');
         INSERT INTO users (id) VALUES ('user_test');
         INSERT INTO memberships VALUES ('user_test', 'org_test', 'viewer');
         INSERT INTO credentials (kind, id, digest, standing, organization_id, role, scopes) VALUES
            ('org_key', 'by-role', '\\x{}', 'active', 'org_test', 'viewer', NULL),
            ('org_key', 'by-scopes', '\\x{}', 'active', 'org_test', NULL, '{{agents:read}}'),
            ('org_key', 'deleted', '\\x{}', 'deleted', 'org_test', 'viewer', NULL);
         INSERT INTO credentials (kind, id, digest, user_id) VALUES ('pat', 't', '\\x{}', 'user_test');",
        hex_of("by-role"),
        hex_of("by-scopes"),
        hex_of("deleted"),
        hex_of("token"),
    ));
    let store = cluster.unmade_store(&schema);
    store.migrate().await.unwrap();
    nothing_is_lost(&store).await;
}
