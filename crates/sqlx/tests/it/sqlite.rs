//! A SQLite file across restarts and pools: what it stores and how it is set up.

mod damage;

use std::{path::Path, time::Duration};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, Status,
        StoreError, WriteError,
    },
};

use sqlx::{Connection, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions};
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
async fn everything_survives_a_restart() {
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
async fn two_pools_on_one_file_see_each_others_changes_at_the_next_lookup() {
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
async fn a_fresh_file_can_be_opened_by_many_at_once() {
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

/// For example a server and a tool. SQLite would refuse a change that read before it took the write
/// lock.
#[tokio::test(flavor = "multi_thread")]
async fn two_pools_that_write_concurrently_wait_for_each_other() {
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
async fn in_memory_stores_are_separate_but_clones_share_data() {
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
    for (pragma, expected) in [
        ("PRAGMA synchronous", 2),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA fullfsync", 1),
        ("PRAGMA busy_timeout", 5000),
    ] {
        let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut db).await.unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn the_tables_and_migrations_of_the_service_stay_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteStore::options(directory.path().join("service.db"));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE users (id INTEGER); \
         CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)",
    )
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

#[tokio::test]
async fn scopes_with_a_role_and_implied_scopes_are_read_back() {
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
async fn only_live_descendants_are_below_an_organization() {
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
    for (organization, ancestor, expected) in [
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
        let actual = store
            .is_descendant_of(organization, ancestor)
            .await
            .unwrap();
        assert_eq!(actual, expected, "{organization} below {ancestor}");
    }
    store.delete_organization("grandchild").await.unwrap();
    assert!(!store.is_descendant_of("grandchild", "top").await.unwrap());
    // A cycle, which can only be made by hand, ends the walk.
    let sql = "UPDATE tower_api_key_organizations SET parent_id = 'child' WHERE id = 'top'";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    let walk = tokio::time::timeout(
        Duration::from_secs(10),
        store.is_descendant_of("child", "apart"),
    );
    assert!(!walk.await.expect("the walk ends").unwrap());
    assert!(!store.is_descendant_of("child", "child").await.unwrap());
}
