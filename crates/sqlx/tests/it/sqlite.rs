//! What a SQLite file keeps: over a restart, between processes, and around a damaged row.

use std::{convert::Infallible, path::Path, time::Duration};
use tower_api_key::{
    AuthLayer,
    clock::UnixMillis,
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, Status,
        StoreError, WriteError,
    },
};

use http::{Request, Response, StatusCode};
use sqlx::{Connection, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key_sqlx::{SqliteStore, sqlite};

fn digest(id: &str) -> Digest {
    Digest::of(format!("ak_{id}.test").as_bytes())
}

fn key(id: &str) -> Record {
    Record::org_key(id, digest(id), "org_1")
        .with_role("viewer", &Catalogue::anyreach())
        .unwrap()
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Catalogue::anyreach())
        .await
        .unwrap()
}

async fn find(store: &impl CredentialStore, id: &str) -> Result<Option<Status>, StoreError> {
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id }, None))
        .await?;
    Ok(found.map(|record| record.status()))
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_restart_finds_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    let scopes = ScopeSet::from_iter(["agents:read"]);
    let explicit = Record::org_key("b", digest("b"), "org_1").with_scopes(scopes.clone());
    store
        .insert(key("a").expiring_at(UnixMillis(i64::MAX)))
        .await
        .unwrap();
    store.insert(explicit).await.unwrap();
    store.insert(key("c")).await.unwrap();
    store
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "c")
        .await
        .unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "admin").await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    store.close().await;

    let store = open(&path).await;
    assert_eq!(find(&store, "a").await.unwrap(), Some(Status::Active));
    assert_eq!(find(&store, "c").await.unwrap(), Some(Status::Deleted));
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: "b" }, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.role(), found.scopes()), (None, &scopes));
    let token = LookupKey::PersonalToken {
        digest: &digest("t"),
    };
    let found = store
        .find(&Lookup::new(token, Some("org_1")))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.role(), Some("admin"));
}

#[tokio::test]
async fn two_pools_on_one_file_see_each_others_changes_in_the_next_look_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (server, tool) = (open(&path).await, open(&path).await);
    tool.create_organization("org_1", None).await.unwrap();
    for number in 0..20 {
        let id = format!("k{number}");
        assert_eq!(find(&server, &id).await.unwrap(), None);
        tool.insert(key(&id)).await.unwrap();
        assert_eq!(
            find(&server, &id).await.unwrap(),
            Some(Status::Active),
            "{id}"
        );
        server
            .delete(&Owner::of(Kind::OrgKey, "org_1"), &id)
            .await
            .unwrap();
        assert_eq!(
            find(&tool, &id).await.unwrap(),
            Some(Status::Deleted),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_open_a_fresh_file_at_once_all_succeed() {
    let directory = tempfile::tempdir().unwrap();
    for file in 0..40 {
        let path = directory.path().join(file.to_string());
        let openers =
            (0..8).map(|_| tokio::spawn(SqliteStore::open(path.clone(), Catalogue::anyreach())));
        for opener in openers.collect::<Vec<_>>() {
            opener.await.unwrap().unwrap();
        }
    }
}

/// As a server and a tool do. A change that read before it took the write lock would be refused by SQLite.
#[tokio::test(flavor = "multi_thread")]
async fn two_pools_that_write_at_once_wait_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let stores = [open(&path).await, open(&path).await];
    stores[0].create_organization("org_1", None).await.unwrap();
    let writers = stores.iter().enumerate().map(|(writer, store)| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                store.insert(key(&format!("k{writer}-{number}"))).await?;
            }
            Ok::<_, WriteError>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn stores_in_memory_are_apart_and_clones_are_not() {
    let one = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    let other = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    one.create_organization("org_1", None).await.unwrap();
    one.clone().insert(key("a")).await.unwrap();
    assert_eq!(find(&one, "a").await.unwrap(), Some(Status::Active));
    assert_eq!(find(&other, "a").await.unwrap(), None);
}

#[tokio::test]
async fn the_linked_sqlite_is_new_enough_and_writes_are_durable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    open(&path).await.close().await;
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut db)
        .await
        .unwrap();
    let version: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    let (major, minor, patch) = sqlite::MIN_SQLITE_VERSION;
    assert!(version >= vec![major, minor, patch], "{version:?}");
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    for (pragma, wanted) in [
        ("PRAGMA synchronous", 2),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA fullfsync", 1),
        ("PRAGMA busy_timeout", 5000),
    ] {
        let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut db).await.unwrap();
        assert_eq!(value, wanted, "{pragma}");
    }
}

#[tokio::test]
async fn the_services_own_tables_and_migrations_stay_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteStore::options(directory.path().join("service.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE users (id INTEGER); CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    store.create_organization("org_1", None).await.unwrap();
    let foreign = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'tower_api_key_%'
        AND name NOT LIKE 'sqlite_%' AND name NOT IN ('users', '_sqlx_migrations')";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(foreign)
            .fetch_one(&pool)
            .await
            .unwrap(),
        0
    );
}

/// A person with `sqlite3` can switch off the checks that keep a row readable.
#[tokio::test]
async fn a_damaged_row_is_a_503_for_its_own_credential_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.insert(key("whole")).await.unwrap();
    let damages = [
        ("short_digest", "digest = x'00'"),
        ("no_such_role", "role = 'janitor'"),
        ("scopes_no_json", "scopes = '['"),
        ("scopes_no_texts", "scopes = '[1]'"),
        ("scopes_object", "scopes = '{}'"),
        ("unknown_standing", "status = 'maybe'"),
        ("no_utf8", "role = CAST(x'ff' AS TEXT)"),
        ("no_owner", "organization_id = NULL"),
    ];
    let mut db = raw(&path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON")
        .execute(&mut db)
        .await
        .unwrap();
    for (id, damage) in damages {
        store.insert(key(id)).await.unwrap();
        let sql = format!("UPDATE tower_api_key_credentials SET {damage} WHERE id = '{id}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut db)
            .await
            .unwrap();
    }
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let status = async |id: &str| {
        let request = Request::builder().header("authorization", format!("Bearer ak_{id}.test"));
        service
            .clone()
            .oneshot(request.body(String::new()).unwrap())
            .await
            .unwrap()
            .status()
    };
    for (id, damage) in damages {
        assert!(
            matches!(find(&store, id).await, Err(StoreError::Corrupt(_))),
            "{damage}"
        );
        assert_eq!(
            status(id).await,
            StatusCode::SERVICE_UNAVAILABLE,
            "{damage}"
        );
        assert_eq!(status("whole").await, StatusCode::OK, "after {damage}");
    }
    assert_eq!(status("nobody").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_membership_with_an_unknown_role_is_damage_there_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_user("alice").await.unwrap();
    for organization in ["org_1", "org_2"] {
        store.create_organization(organization, None).await.unwrap();
        store
            .set_member("alice", organization, "viewer")
            .await
            .unwrap();
    }
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let sql =
        "UPDATE tower_api_key_memberships SET role = 'janitor' WHERE organization_id = 'org_1'";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    let digest = digest("t");
    let ask =
        |organization| Lookup::new(LookupKey::PersonalToken { digest: &digest }, organization);
    assert!(matches!(
        store.find(&ask(Some("org_1"))).await,
        Err(StoreError::Corrupt(_))
    ));
    assert_eq!(
        store
            .find(&ask(Some("org_2")))
            .await
            .unwrap()
            .unwrap()
            .role(),
        Some("viewer")
    );
    assert!(store.find(&ask(None)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_owner_in_no_state_that_there_is_is_damage_and_not_good() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "viewer").await.unwrap();
    store.insert(key("a")).await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let mut db = raw(&path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON")
        .execute(&mut db)
        .await
        .unwrap();
    for state in [-1, 2] {
        let sql = format!(
            "UPDATE tower_api_key_organizations SET deleted = {state}; UPDATE tower_api_key_users SET enabled = {state}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut db)
            .await
            .unwrap();
        assert!(
            matches!(find(&store, "a").await, Err(StoreError::Corrupt(_))),
            "deleted = {state}"
        );
        let token = LookupKey::PersonalToken {
            digest: &digest("t"),
        };
        let found = store.find(&Lookup::new(token, None)).await;
        assert!(
            matches!(found, Err(StoreError::Corrupt(_))),
            "enabled = {state}: {found:?}"
        );
    }
}

/// A person with `sqlite3` can drop what keeps the row of an owner.
#[tokio::test]
async fn an_owner_removed_by_hand_is_gone_and_its_id_is_not_given_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.insert(key("a")).await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let sql =
        "PRAGMA foreign_keys = OFF; DROP TRIGGER tower_api_key_organization_kept; DROP TRIGGER tower_api_key_user_kept;
        DELETE FROM tower_api_key_organizations; DELETE FROM tower_api_key_users";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    assert_eq!(
        find(&store, "a").await.unwrap(),
        Some(Status::OrganizationGone)
    );
    let token = LookupKey::PersonalToken {
        digest: &digest("t"),
    };
    let found = store
        .find(&Lookup::new(token, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.status(), Status::OwnerGone);
    assert!(matches!(
        store.create_organization("org_1", None).await,
        Err(WriteError::Taken(_))
    ));
    assert!(matches!(
        store.create_user("alice").await,
        Err(WriteError::Taken(_))
    ));
    let unsound = store.check().await.unwrap_err().to_string();
    for named in [
        "organization_kept",
        "user_kept",
        "tower_api_key_credentials refers to owners without a row",
    ] {
        assert!(unsound.contains(named), "{named}: {unsound}");
    }
}

/// Foreign keys are off in the `sqlite3` program, and REPLACE fires no trigger of a deletion.
#[tokio::test]
async fn an_owner_that_is_referred_to_keeps_its_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    for organization in ["keys", "dead", "members", "parent", "trail", "free"] {
        store.create_organization(organization, None).await.unwrap();
    }
    for user in ["tokens", "dead", "members", "trail", "free"] {
        store.create_user(user).await.unwrap();
    }
    let key = |id: &str, organization: &str| {
        Record::org_key(id, digest(id), organization)
            .with_role("viewer", &Catalogue::anyreach())
            .unwrap()
    };
    store.insert(key("a", "keys")).await.unwrap();
    store.insert(key("b", "dead")).await.unwrap();
    store
        .delete(&Owner::of(Kind::OrgKey, "dead"), "b")
        .await
        .unwrap();
    store
        .insert(Record::personal_token("a", digest("a"), "tokens"))
        .await
        .unwrap();
    store
        .insert(Record::personal_token("b", digest("b"), "dead"))
        .await
        .unwrap();
    store
        .delete(&Owner::of(Kind::PersonalToken, "dead"), "b")
        .await
        .unwrap();
    store
        .set_member("members", "members", "viewer")
        .await
        .unwrap();
    store
        .create_organization("child", Some("parent"))
        .await
        .unwrap();
    let mut db = raw(&path).await;
    let trail = "PRAGMA foreign_keys = OFF;
        INSERT INTO tower_api_key_events (at, action, organization_id, credential_id, actor_kind) VALUES (0, 'issued', 'trail', 'x', 'bearer');
        INSERT INTO tower_api_key_events (at, action, user_id, credential_id, actor_kind) VALUES (0, 'issued', 'trail', 'x', 'bearer')";
    sqlx::raw_sql(trail).execute(&mut db).await.unwrap();
    let organizations =
        ["keys", "dead", "members", "parent", "trail"].map(|id| ("organizations", id));
    let users = ["tokens", "dead", "members", "trail"].map(|id| ("users", id));
    for (table, id) in organizations.into_iter().chain(users) {
        for sql in [
            format!("DELETE FROM tower_api_key_{table} WHERE id = '{id}'"),
            format!("REPLACE INTO tower_api_key_{table} (id) VALUES ('{id}')"),
            format!("UPDATE tower_api_key_{table} SET id = 'elsewhere' WHERE id = '{id}'"),
            format!("UPDATE OR REPLACE tower_api_key_{table} SET id = '{id}' WHERE id = 'free'"),
        ] {
            let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))
                .execute(&mut db)
                .await
                .unwrap_err();
            assert!(
                refused.to_string().contains("still referred to"),
                "{sql}: {refused}"
            );
        }
        let nothing = format!("INSERT OR IGNORE INTO tower_api_key_{table} (id) VALUES ('{id}')");
        sqlx::raw_sql(sqlx::AssertSqlSafe(nothing))
            .execute(&mut db)
            .await
            .unwrap();
    }
    for table in ["organizations", "users"] {
        let free = format!(
            "UPDATE tower_api_key_{table} SET id = 'freed' WHERE id = 'free';
             REPLACE INTO tower_api_key_{table} (id) VALUES ('freed'); DELETE FROM tower_api_key_{table} WHERE id = 'freed';
             INSERT INTO tower_api_key_{table} (id) VALUES ('free')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(free))
            .execute(&mut db)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn scopes_beside_a_role_and_implied_scopes_come_back() {
    let catalogue = Catalogue::anyreach();
    let store = SqliteStore::in_memory(catalogue.clone()).await.unwrap();
    store.create_organization("org_1", None).await.unwrap();
    let narrowed = key("narrowed").with_scopes(ScopeSet::from_iter(["members:manage"]));
    store.insert(narrowed).await.unwrap();
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: "narrowed" }, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.role(), Some("viewer"));
    assert_eq!(*found.scopes(), catalogue.expand(["members:manage"]));
}

#[tokio::test]
async fn descendants_are_below_and_not_beside_above_or_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    for (id, parent) in [
        ("top", None),
        ("child", Some("top")),
        ("grandchild", Some("child")),
        ("sibling", Some("top")),
        ("apart", None),
    ] {
        store.create_organization(id, parent).await.unwrap();
    }
    for (organization, ancestor, wanted) in [
        ("child", "top", true),
        ("grandchild", "top", true),
        ("grandchild", "child", true),
        ("top", "top", false),
        ("top", "child", false),
        ("child", "sibling", false),
        ("apart", "top", false),
        ("nowhere", "top", false),
        ("child", "nowhere", false),
        ("CHILD", "top", false),
    ] {
        let answer = store
            .is_descendant_of(organization, ancestor)
            .await
            .unwrap();
        assert_eq!(answer, wanted, "{organization} below {ancestor}");
    }
    store.delete_organization("grandchild").await.unwrap();
    assert!(!store.is_descendant_of("grandchild", "top").await.unwrap());
    // A ring, which only a person with `sqlite3` can make, ends the walk.
    let sql = "UPDATE tower_api_key_organizations SET parent_id = 'child' WHERE id = 'top'";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    let walk = tokio::time::timeout(
        Duration::from_secs(10),
        store.is_descendant_of("child", "apart"),
    );
    assert!(!walk.await.expect("ends").unwrap());
    assert!(!store.is_descendant_of("child", "child").await.unwrap());
}
