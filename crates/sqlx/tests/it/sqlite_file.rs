//! A SQLite file that is replaced, renamed, deleted or missing: an outage, never a refusal, and no
//! other file is touched.

use std::{
    convert::Infallible,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use sqlx::{Connection, SqliteConnection, SqlitePool, sqlite::SqlitePoolOptions};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    manage::{Actor, Manager},
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialStore, Directory, Feed, FeedEvent, Filter, Lookup, LookupKey, ManageStore, Owner,
        Record, StoreError, WriteError,
    },
};
use tower_api_key_sqlx::{SetupError, SqliteStore};

fn key(id: &str) -> Record {
    let digest = Digest::of(format!("ak_{id}.test").as_bytes());
    Record::org_key(id, digest, "org_1")
        .with_role("viewer", &Catalogue::anyreach())
        .unwrap()
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Catalogue::anyreach())
        .await
        .unwrap()
}

/// Creates a file in which the key `id` is valid, and closes it.
async fn create_file(path: &Path, id: &str) {
    let store = open(path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.insert(key(id)).await.unwrap();
    store.close().await;
}

async fn status(store: &SqliteStore, id: &str) -> StatusCode {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::builder().header("authorization", format!("Bearer ak_{id}.test"));
    service
        .oneshot(request.body(String::new()).unwrap())
        .await
        .unwrap()
        .status()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_outage<T: std::fmt::Debug>(outcome: Result<T, WriteError>) -> bool {
    matches!(outcome, Err(WriteError::Store(StoreError::Unavailable(_))))
}

async fn next_event(feed: &mut impl Feed) -> FeedEvent {
    let event = tokio::time::timeout(Duration::from_secs(10), feed.next())
        .await
        .expect("the feed emits no event");
    event.expect("a feed does not end")
}

/// Harm to the files, given the path of the database and that of a backup.
type Harm = fn(&Path, &Path);

const HARMS: [(&str, Harm); 7] = [
    ("a backup renamed over it", |path, backup| {
        fs::rename(backup, path).unwrap()
    }),
    ("deleted", |path, _| fs::remove_file(path).unwrap()),
    ("deleted with its log files", |path, _| {
        ["", "-wal", "-shm"]
            .iter()
            .for_each(|suffix| fs::remove_file(beside(path, suffix)).unwrap());
    }),
    (
        "deleted, and a copy of a backup in its place",
        |path, backup| {
            // The copy gets another inode, because the backup keeps its own.
            fs::remove_file(path).unwrap();
            fs::copy(backup, beside(path, "-new")).unwrap();
            fs::rename(beside(path, "-new"), path).unwrap();
        },
    ),
    ("renamed", |path, _| {
        fs::rename(path, beside(path, "-moved")).unwrap()
    }),
    (
        "its directory renamed, as when a volume is unmounted",
        |path, _| {
            let directory = path.parent().unwrap();
            fs::rename(directory, beside(directory, "-unmounted")).unwrap();
        },
    ),
    ("its directory replaced by an empty one", |path, _| {
        let directory = path.parent().unwrap();
        fs::rename(directory, beside(directory, "-unmounted")).unwrap();
        fs::create_dir(directory).unwrap();
    }),
];

#[tokio::test]
async fn a_file_other_than_the_opened_one_is_an_outage() {
    for (harm, act) in HARMS {
        for connections in [1, 8] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("volume/keys.db");
            fs::create_dir(path.parent().unwrap()).unwrap();
            let backup = directory.path().join("backup.db");
            create_file(&backup, "saved").await;
            create_file(&path, "good").await;
            let pool = SqlitePoolOptions::new().max_connections(connections);
            let pool = pool.connect_lazy_with(SqliteStore::options(&path));
            let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
                .await
                .unwrap();
            let mut feed = store.feed().await.unwrap();
            assert_eq!(status(&store, "good").await, StatusCode::OK);
            store.insert(key("later")).await.unwrap(); // still in the write-ahead log

            act(&path, &backup);
            for id in ["good", "later", "saved", "unknown"] {
                assert_eq!(
                    status(&store, id).await,
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{harm}: {id}"
                );
            }
            // Also over connections that are opened from now on.
            let held = (1..connections).map(|_| pool.try_acquire());
            let held = held.collect::<Vec<_>>();
            for id in ["good", "unknown"] {
                assert_eq!(
                    status(&store, id).await,
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{harm}: {id}"
                );
            }
            drop(held);
            assert!(
                is_outage(
                    store
                        .delete(&Owner::of(Kind::OrgKey, "org_1"), "good")
                        .await
                ),
                "{harm}"
            );
            assert!(
                is_outage(
                    store
                        .delete(&Owner::of(Kind::OrgKey, "org_1"), "unknown")
                        .await
                ),
                "{harm}: the store cannot know that it is unknown"
            );
            assert!(
                is_outage(store.create_organization("org_1", None).await),
                "{harm}"
            );
            assert!(
                store.is_descendant_of("org_1", "org_2").await.is_err(),
                "{harm}"
            );
            assert!(store.feed().await.is_err(), "{harm}");
            assert!(store.check().await.is_err(), "{harm}");
            loop {
                match next_event(&mut feed).await {
                    FeedEvent::Changed(_) => {}
                    other => break assert_eq!(other, FeedEvent::Lost, "{harm}"),
                }
            }
            let replaced = path.exists();
            assert_eq!(
                replaced,
                harm.contains("backup"),
                "{harm}: no file is created"
            );
            store.close().await;
            drop((store, feed, pool));
            if replaced {
                let restored = open(&path).await;
                assert_eq!(
                    status(&restored, "saved").await,
                    StatusCode::OK,
                    "{harm}: the backup is intact"
                );
                assert_eq!(
                    status(&restored, "later").await,
                    StatusCode::UNAUTHORIZED,
                    "{harm}: nothing is added to the backup"
                );
                let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
                    .await
                    .unwrap();
                let check: String = sqlx::query_scalar("PRAGMA integrity_check")
                    .fetch_one(&mut db)
                    .await
                    .unwrap();
                assert_eq!(check, "ok", "{harm}");
            }
        }
    }
}

/// What was in the log when the file was moved ends up in that file, and not in its replacement,
/// whoever notices the move first.
#[tokio::test]
async fn a_moved_file_keeps_its_log() {
    for feed_notices in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let [path, backup, moved] =
            ["keys.db", "backup.db", "moved.db"].map(|name| directory.path().join(name));
        create_file(&path, "good").await;
        create_file(&backup, "saved").await;
        let store = open(&path).await;
        let mut feed = store.feed().await.unwrap();
        store.insert(key("later")).await.unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::rename(&backup, &path).unwrap();
        if feed_notices {
            while next_event(&mut feed).await != FeedEvent::Lost {}
        } else {
            assert_eq!(
                status(&store, "good").await,
                StatusCode::SERVICE_UNAVAILABLE
            );
        }
        assert_eq!(
            fs::metadata(beside(&path, "-wal")).unwrap().len(),
            0,
            "no log that would corrupt the backup lies beside it"
        );
        drop(feed);
        store.close().await;
        assert_eq!(status(&open(&moved).await, "later").await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_file_that_is_moved_back_is_accepted_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    create_file(&path, "good").await;
    let store = open(&path).await;
    let mut feed = store.feed().await.unwrap();
    fs::rename(&path, beside(&path, "-moved")).unwrap();
    assert_eq!(
        status(&store, "good").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(next_event(&mut feed).await, FeedEvent::Lost);
    fs::rename(beside(&path, "-moved"), &path).unwrap();
    assert_eq!(next_event(&mut feed).await, FeedEvent::Restored);
    assert_eq!(status(&store, "good").await, StatusCode::OK);
    store
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "good")
        .await
        .unwrap();
}

/// A pool that the service also uses may still hold a connection to the other file.
#[tokio::test]
async fn a_replaced_file_is_an_outage_until_the_store_is_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    create_file(&path, "good").await;
    let store = open(&path).await;
    fs::rename(&path, beside(&path, "-moved")).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(
        status(&store, "good").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    fs::rename(beside(&path, "-moved"), &path).unwrap();
    assert_eq!(
        status(&store, "good").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    store.close().await;
    assert_eq!(status(&open(&path).await, "good").await, StatusCode::OK);
}

/// Without the log, another program creates its own, and neither sees what the other writes.
#[tokio::test]
async fn a_deleted_or_replaced_log_is_an_outage_until_the_store_is_reopened() {
    for (lost, replaced) in [
        (vec!["-wal"], false),
        (vec!["-shm"], false),
        (vec!["-wal", "-shm"], false),
        (vec!["-wal"], true),
        (vec!["-shm"], true),
        (vec!["-wal", "-shm"], true),
    ] {
        let case = format!("{lost:?}, replaced: {replaced}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        create_file(&path, "good").await;
        let store = open(&path).await;
        let mut feed = store.feed().await.unwrap();
        assert_eq!(status(&store, "good").await, StatusCode::OK);
        for suffix in &lost {
            fs::rename(
                beside(&path, suffix),
                beside(&path, &format!("{suffix}-moved")),
            )
            .unwrap();
            if replaced {
                fs::write(beside(&path, suffix), "").unwrap();
            }
        }
        for id in ["good", "unknown"] {
            assert_eq!(
                status(&store, id).await,
                StatusCode::SERVICE_UNAVAILABLE,
                "{case}: {id}"
            );
        }
        assert_all_calls_fail(&store, &case).await;
        assert_eq!(next_event(&mut feed).await, FeedEvent::Lost, "{case}");
        // Another program may have written to another log in the meantime.
        for suffix in &lost {
            fs::rename(
                beside(&path, &format!("{suffix}-moved")),
                beside(&path, suffix),
            )
            .unwrap();
        }
        assert_eq!(
            status(&store, "good").await,
            StatusCode::SERVICE_UNAVAILABLE,
            "{case}: moved back"
        );
        store.close().await;
        drop((store, feed));
        assert_eq!(
            status(&open(&path).await, "good").await,
            StatusCode::OK,
            "{case}"
        );
    }
}

/// Asserts that no read, list, check or change succeeds.
async fn assert_all_calls_fail(store: &SqliteStore, case: &str) {
    let owner = Owner::Organization("org_1".into());
    assert!(
        store.is_descendant_of("org_1", "org_2").await.is_err(),
        "{case}: tree"
    );
    assert!(
        store.credential(&owner, "good").await.is_err(),
        "{case}: read"
    );
    let manager = Manager::new(store.clone());
    let operator = Actor::operator("test", owner);
    let list = manager
        .list(&operator, Kind::OrgKey, &Filter::default(), None, 5)
        .await;
    assert!(list.is_err(), "{case}: list");
    assert!(store.check().await.is_err(), "{case}: check");
    assert!(store.feed().await.is_err(), "{case}: feed");
    assert!(
        is_outage(
            store
                .delete(&Owner::of(Kind::OrgKey, "org_1"), "good")
                .await
        ),
        "{case}: change"
    );
}

/// SQLite looks for the log beside the name with which it opened the file.
#[tokio::test]
async fn a_file_with_two_names_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (
        directory.path().join("keys.db"),
        directory.path().join("other.db"),
    );
    create_file(&path, "good").await;
    fs::hard_link(&path, &other).unwrap();
    let link = directory.path().join("link.db");
    symlink(&path, &link).unwrap();
    for name in [&path, &other, &link] {
        let pool = SqlitePool::connect_lazy_with(SqliteStore::options(name));
        for opened in [
            SqliteStore::open(name, Catalogue::anyreach()).await,
            SqliteStore::open_existing(name, Catalogue::anyreach()).await,
            SqliteStore::from_pool(pool, Catalogue::anyreach()).await,
        ] {
            let refused = opened.map(drop).unwrap_err();
            assert!(
                matches!(refused, SetupError::BrokenAssumptions { .. })
                    && refused.to_string().contains("more than one name"),
                "{name:?}: {refused:?}"
            );
        }
    }
    fs::remove_file(&other).unwrap();
    assert_eq!(status(&open(&link).await, "good").await, StatusCode::OK);
}

#[tokio::test]
async fn a_second_name_created_later_is_an_outage_until_the_store_is_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (
        directory.path().join("keys.db"),
        directory.path().join("other.db"),
    );
    create_file(&path, "good").await;
    let store = open(&path).await;
    let mut feed = store.feed().await.unwrap();
    store.insert(key("later")).await.unwrap();
    fs::hard_link(&path, &other).unwrap();
    for id in ["good", "unknown"] {
        assert_eq!(
            status(&store, id).await,
            StatusCode::SERVICE_UNAVAILABLE,
            "{id}"
        );
    }
    assert_all_calls_fail(&store, "linked").await;
    assert_eq!(next_event(&mut feed).await, FeedEvent::Lost);
    // A program that opened the other name may still write.
    fs::remove_file(&other).unwrap();
    assert_eq!(
        status(&store, "good").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    store.close().await;
    drop((store, feed));
    assert_eq!(status(&open(&path).await, "later").await, StatusCode::OK);
}

#[tokio::test]
async fn a_link_that_points_elsewhere_is_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("first.db"),
        directory.path().join("second.db"),
    );
    create_file(&first, "good").await;
    create_file(&second, "saved").await;
    let link = directory.path().join("keys.db");
    symlink(&first, &link).unwrap();
    let store = open(&link).await;
    assert_eq!(status(&store, "good").await, StatusCode::OK);
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    assert_eq!(
        status(&store, "good").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn opening_an_existing_file_never_creates_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let existing = async || {
        SqliteStore::open_existing(&path, Catalogue::anyreach())
            .await
            .map(drop)
            .unwrap_err()
    };
    assert!(
        matches!(existing().await, SetupError::Missing { database } if *database == *path.to_string_lossy())
    );
    assert!(!path.exists());
    let pool = SqlitePool::connect_lazy_with(SqliteStore::options(&path).create_if_missing(false));
    let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(matches!(refused, SetupError::Missing { .. }), "{refused:?}");
    assert!(!path.exists());

    fs::write(&path, "").unwrap();
    assert!(
        matches!(existing().await, SetupError::Missing { .. }),
        "an empty file has no store"
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    create_file(&path, "good").await;
    let store = SqliteStore::open_existing(&path, Catalogue::anyreach())
        .await
        .unwrap();
    assert_eq!(status(&store, "good").await, StatusCode::OK);
}

#[tokio::test]
async fn new_files_are_private_and_existing_modes_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (name, existing, expected) in [
        ("new", None, 0o600),
        ("shared", Some(0o640), 0o640),
        ("open", Some(0o644), 0o644),
    ] {
        for pooled in [false, true] {
            let path = directory.path().join(format!("{name}-{pooled}.db"));
            if let Some(mode) = existing {
                fs::write(&path, "").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let store = if pooled {
                let pool = SqlitePool::connect_lazy_with(SqliteStore::options(&path));
                SqliteStore::from_pool(pool, Catalogue::anyreach())
                    .await
                    .unwrap()
            } else {
                open(&path).await
            };
            store.create_organization("org_1", None).await.unwrap();
            for suffix in ["", "-wal", "-shm"] {
                assert_eq!(
                    mode(&beside(&path, suffix)),
                    expected,
                    "{name}{suffix}, pooled: {pooled}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_pool_over_a_database_without_a_file_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://?mode=memory",
        "sqlite://",
    ] {
        let pool = SqlitePool::connect_lazy(url).unwrap();
        let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, SetupError::InMemory { .. }),
            "{url}: {refused:?}"
        );
    }
    for name in [
        ":memory:",
        "",
        "file::memory:",
        "file:x?mode=memory",
        "file:x?mode=memory&cache=shared",
        "file:",
    ] {
        let pool = SqlitePool::connect_lazy_with(SqliteStore::options(name));
        let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, SetupError::InMemory { .. }),
            "{name}: {refused:?}"
        );
    }
    let pool = SqlitePool::connect_lazy_with(SqliteStore::options("/x").vfs("memdb"));
    let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SetupError::InMemory { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_unreliable_database_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("utf16.db");
    let pool =
        SqlitePool::connect_lazy_with(SqliteStore::options(&path).pragma("encoding", "'UTF-16'"));
    let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SetupError::BrokenAssumptions { .. })
            && refused.to_string().contains("UTF-16"),
        "{refused:?}"
    );

    let path = directory.path().join("keys.db");
    create_file(&path, "good").await;
    let store = open(&path).await;
    store.check().await.unwrap();
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(&path))
        .await
        .unwrap();
    for (sql, named) in [
        (
            "DELETE FROM tower_api_key_changes WHERE seq = 1; \
             DELETE FROM tower_api_key_changes WHERE seq = 0",
            None,
        ),
        (
            "INSERT INTO tower_api_key_users (id) VALUES ('a'); \
             INSERT INTO tower_api_key_users (id) VALUES ('b')",
            None,
        ),
        (
            "DELETE FROM tower_api_key_changes WHERE id = 'a'",
            Some("change log"),
        ),
        (
            "DELETE FROM tower_api_key_changes; UPDATE sqlite_sequence SET seq = 0",
            None,
        ),
        (
            "DROP INDEX tower_api_key_tokens_by_digest",
            Some("tower_api_key_tokens_by_digest"),
        ),
    ] {
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
        let checked = store.check().await.map_err(|error| error.to_string());
        match named {
            Some(named) => assert!(
                checked.as_ref().is_err_and(|text| text.contains(named)),
                "{sql}: {checked:?}"
            ),
            None => assert_eq!(checked, Ok(()), "{sql}"),
        }
    }
    let refused = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SetupError::BrokenAssumptions { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn changes_are_durable_even_with_a_pool_of_weak_connections() {
    use sqlx::sqlite::SqliteSynchronous;
    let directory = tempfile::tempdir().unwrap();
    let weak = SqliteStore::options(directory.path().join("keys.db"));
    let weak = weak.synchronous(SqliteSynchronous::Off).foreign_keys(false);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(weak);
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    // Only a trigger can see the settings of the connection that makes the change.
    let probe = "CREATE TABLE probe (synchronous INTEGER, foreign_keys INTEGER);
        CREATE TRIGGER probe AFTER INSERT ON tower_api_key_users BEGIN
            INSERT INTO probe SELECT (SELECT synchronous \
            FROM pragma_synchronous), (SELECT foreign_keys FROM pragma_foreign_keys);
        END";
    sqlx::raw_sql(probe).execute(&pool).await.unwrap();
    store.create_user("alice").await.unwrap();
    let set: (i64, i64) = sqlx::query_as("SELECT * FROM probe")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(set, (2, 1));
}

#[tokio::test]
async fn a_failed_lookup_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    create_file(&path, "good").await;
    let store = open(&path).await;
    fs::remove_file(&path).unwrap();
    let lookup = Lookup::new(LookupKey::OrgKey { id: "good" }, None);
    let Err(StoreError::Unavailable(source)) = store.find(&lookup).await else {
        panic!("expected an outage")
    };
    assert!(source.to_string().contains("keys.db"), "{source}");
}
