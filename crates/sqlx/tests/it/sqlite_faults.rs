//! A database that fails, hangs or is full: 503 in time, nothing lost, nothing stored in part.

use crate::support::poll;

use std::{
    collections::BTreeMap, convert::Infallible, error::Error as _, path::Path, time::Duration,
};

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use poll::{Cancel, poll_at_most};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool, sqlite::SqlitePoolOptions};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, StoreError,
        WriteError,
    },
};
use tower_api_key_sqlx::{SetupError, SqliteStore};

const DEADLINE: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(50);

fn key(id: &str) -> Record {
    let digest = Digest::of(format!("ak_{id}.test").as_bytes());
    Record::org_key(id, digest, "org_1")
        .with_role("viewer", &Catalogue::anyreach())
        .unwrap()
}

/// A store with a key and a token over a pool of `connections`.
async fn store(path: &Path, connections: u32) -> (SqliteStore, SqlitePool) {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .connect_lazy_with(SqliteStore::options(path));
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    store.create_organization("org_1", None).await.unwrap();
    store.insert(key("a")).await.unwrap();
    store.create_user("owner").await.unwrap();
    store.set_member("owner", "org_1", "viewer").await.unwrap();
    store
        .insert(Record::personal_token(
            "t",
            Digest::of(b"pat_test"),
            "owner",
        ))
        .await
        .unwrap();
    (store, pool)
}

async fn contains(store: &SqliteStore, id: &str) -> bool {
    store
        .find(&Lookup::new(LookupKey::OrgKey { id }, None))
        .await
        .unwrap()
        .is_some()
}

async fn send_key(store: &SqliteStore) -> Response<String> {
    send(store, "ak_a.test").await
}

async fn send(store: &SqliteStore, bearer: &str) -> Response<String> {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()).with_deadline(DEADLINE))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::builder().header("authorization", format!("Bearer {bearer}"));
    service
        .oneshot(
            request
                .header("x-anyreach-org", "org_1")
                .body(String::new())
                .unwrap(),
        )
        .await
        .unwrap()
}

async fn page_count(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (roomy, pool) = store(&path, 1).await;
    let limit = (page_count(&pool).await + 4).to_string();
    let options = SqliteStore::options(&path).pragma("max_page_count", limit);
    let full = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options);
    let full = SqliteStore::from_pool(full, Catalogue::anyreach())
        .await
        .unwrap();

    let mut acknowledged = Vec::new();
    let refused = loop {
        let id = format!("k{}-{}", acknowledged.len(), "x".repeat(200));
        match full.insert(key(&id)).await {
            Ok(()) => acknowledged.push(id),
            Err(WriteError::Store(StoreError::Unavailable(source))) => break (id, source),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(refused.1.to_string().contains("full"), "{}", refused.1);
    assert!(!acknowledged.is_empty());
    for store in [&full, &roomy] {
        for id in &acknowledged {
            assert!(contains(store, id).await, "{id}");
        }
        assert!(!contains(store, &refused.0).await);
    }
    // The store keeps working: what fits is stored, the rest is refused, and with room again
    // everything is stored.
    for _ in 0..3 {
        let again = full.insert(key(&refused.0)).await;
        assert!(
            matches!(again, Err(WriteError::Store(StoreError::Unavailable(_)))),
            "{again:?}"
        );
    }
    full.delete(&Owner::of(Kind::OrgKey, "org_1"), &acknowledged[0])
        .await
        .unwrap();
    roomy.insert(key(&refused.0)).await.unwrap();
    assert!(contains(&full, &refused.0).await);
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn a_disk_full_at_startup_is_reported_and_the_file_is_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let full = SqliteStore::options(&path).pragma("max_page_count", "4");
    let pool = SqlitePoolOptions::new().connect_lazy_with(full);
    let refused = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SetupError::Migration { .. }),
        "{refused:?}"
    );
    assert!(
        refused.source().unwrap().to_string().contains("full"),
        "{refused:?}"
    );
    let (store, _) = store(&path, 1).await;
    assert!(
        contains(&store, "a").await,
        "the store opens once there is room"
    );
}

#[tokio::test]
async fn a_missing_table_is_an_outage_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 2).await;
    for table in ["credentials", "organizations", "users", "memberships"] {
        let rename = |from, to| {
            AssertSqlSafe(format!(
                "ALTER TABLE tower_api_key_{from} RENAME TO tower_api_key_{to}"
            ))
        };
        sqlx::raw_sql(rename(table, "elsewhere"))
            .execute(&pool)
            .await
            .unwrap();
        let bearers: &[&str] = match table {
            "credentials" => &["ak_a.test", "ak_nobody.test", "pat_test", "pat_nobody"],
            "organizations" => &["ak_a.test", "ak_nobody.test"],
            _ => &["pat_test", "pat_nobody"],
        };
        for bearer in bearers {
            assert_eq!(
                send(&store, bearer).await.status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{bearer} without {table}"
            );
        }
        sqlx::raw_sql(rename("elsewhere", table))
            .execute(&pool)
            .await
            .unwrap();
        for (bearer, expected) in [
            ("ak_a.test", StatusCode::OK),
            ("pat_test", StatusCode::OK),
            ("ak_nobody.test", StatusCode::UNAUTHORIZED),
        ] {
            assert_eq!(
                send(&store, bearer).await.status(),
                expected,
                "{bearer} with {table} again"
            );
        }
    }
}

/// As if the disk had lost a block. A row that SQLite cannot find for that reason must not look
/// unknown.
#[tokio::test]
async fn a_zeroed_page_is_a_startup_error_or_an_outage_but_never_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (whole, pool) = store(&path, 1).await;
    let page_count = page_count(&pool).await;
    whole.close().await;
    let good = std::fs::read(&path).unwrap();
    let mut outcomes = BTreeMap::new();
    let size = good.len() / usize::try_from(page_count).unwrap();
    for page in 0..good.len() / size {
        let path = directory.path().join(format!("without-{page}.db"));
        let mut bytes = good.clone();
        bytes[page * size..][..size].fill(0);
        std::fs::write(&path, bytes).unwrap();
        let outcome = match SqliteStore::open(&path, Catalogue::anyreach()).await {
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        SetupError::Damaged { .. } | SetupError::Migration { .. }
                    ),
                    "{page}: {error:?}"
                );
                vec!["startup error"]
            }
            Ok(store) => {
                let mut statuses = Vec::new();
                for bearer in ["ak_a.test", "pat_test"] {
                    statuses.push(match send(&store, bearer).await.status() {
                        StatusCode::OK => "accepted",
                        StatusCode::SERVICE_UNAVAILABLE => "outage",
                        other => panic!("{bearer} without page {page}: {other}"),
                    });
                }
                statuses
            }
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    let occurred = |outcome: &[&str]| outcomes.contains_key(outcome);
    assert!(
        occurred(&["startup error"]) && occurred(&["outage", "outage"]),
        "{outcomes:?}"
    );
}

/// As after some I/O errors; the driver would continue as if the transaction were still open.
#[tokio::test]
async fn a_transaction_rolled_back_by_sqlite_leaves_its_connection_usable() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 1).await;
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON tower_api_key_users BEGIN \
                 SELECT RAISE(ROLLBACK, 'fault'); END";
    sqlx::query(fault).execute(&pool).await.unwrap();
    let refused = store.create_user("alice").await;
    assert!(
        matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))),
        "{refused:?}"
    );
    sqlx::query("DROP TRIGGER fault")
        .execute(&pool)
        .await
        .unwrap();
    store.create_user("alice").await.unwrap();
    assert!(contains(&store, "a").await);
}

#[tokio::test]
async fn an_exhausted_pool_is_a_503_within_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 1).await;
    let held = pool.acquire().await.unwrap();
    tokio::time::pause();
    let sent_at = Instant::now();
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: "a" }, None))
        .await;
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "{found:?}"
    );
    assert!(
        sent_at.elapsed() <= DEADLINE,
        "the store's own timeout is below the deadline"
    );

    let sent_at = Instant::now();
    let response = send_key(&store).await;
    assert!(sent_at.elapsed() <= DEADLINE + SLACK);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));

    tokio::time::resume();
    store
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "a")
        .await
        .expect("a change has a connection of its own");
    drop(held);
    assert_eq!(send_key(&store).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_locked_database_is_reported_at_startup_and_an_open_one_cannot_be_locked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; \
                UPDATE tower_api_key_users SET enabled = 1; COMMIT";
    let (first, pool) = store(&path, 1).await;
    first.close().await;
    drop(pool);
    let without_timeout = || SqliteStore::options(&path).busy_timeout(Duration::ZERO);
    let mut other = SqliteConnection::connect_with(&without_timeout())
        .await
        .unwrap();
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let refused = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(matches!(refused, SetupError::Locked { .. }), "{refused:?}");
    other.close().await.unwrap();

    let (store, _pool) = reopened(&path).await;
    let mut other = SqliteConnection::connect_with(&without_timeout())
        .await
        .unwrap();
    _ = sqlx::raw_sql(lock).execute(&mut other).await;
    assert_eq!(send_key(&store).await.status(), StatusCode::OK);
}

async fn reopened(path: &Path) -> (SqliteStore, SqlitePool) {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(SqliteStore::options(path));
    (
        SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
            .await
            .unwrap(),
        pool,
    )
}

#[tokio::test]
async fn changes_wait_for_another_writer_but_lookups_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (store, pool) = store(&path, 4).await;
    let mut writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.insert(key(&format!("later-{number}"))).await })
        })
        .collect();
    for _ in 0..20 {
        assert!(contains(&store, "a").await);
        assert!(!contains(&store, "later-0").await);
    }
    sqlx::query("UPDATE tower_api_key_users SET enabled = 1")
        .execute(&mut *writer)
        .await
        .unwrap();
    writer.commit().await.unwrap();
    for change in waiting {
        change.await.unwrap().unwrap();
    }
    assert!(contains(&store, "later-19").await);
}

/// A slow list holds its connection, and so do the lists queued behind it.
#[tokio::test]
async fn lists_leave_connections_for_lookups() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 2).await;
    let slow = "ALTER TABLE tower_api_key_events RENAME TO elsewhere;
        CREATE VIEW tower_api_key_events AS
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000)
            SELECT i AS number, 0 AS at, 'issued' AS action, iif(i < 0, 'org_1', NULL) AS \
            organization_id,
                'a' AS credential_id, NULL AS related_id, 'bearer' AS actor_kind, NULL AS \
                actor_id, NULL AS actor_user_id, NULL AS origin, NULL AS description,
                NULL AS metadata, NULL AS allowed_networks, NULL AS environment, NULL AS expires_at
            FROM n";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let owner = Owner::Organization("org_1".into());
    let lists = (0..4).map(|_| {
        let (store, owner) = (store.clone(), owner.clone());
        tokio::spawn(async move { store.events(&owner, None, 10).await })
    });
    let lists: Vec<_> = lists.collect();
    tokio::task::yield_now().await;
    assert!(contains(&store, "a").await);
    assert!(
        lists.iter().all(|list| !list.is_finished()),
        "the lists were not slow"
    );
    for list in lists {
        list.abort();
    }
}

/// Wherever a change is dropped, it is stored completely or not at all, and the store keeps
/// working.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_change_is_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 4).await;
    for polls in 0..40 {
        let id = format!("k{polls}");
        let mut change = poll_at_most(store.insert(key(&id)), polls, Cancel::WhenWoken).await;
        if let Some(outcome) = change.take() {
            outcome.unwrap();
            assert!(contains(&store, &id).await);
        }
        store.insert(key(&format!("after-{polls}"))).await.unwrap();
    }
    let log = "SELECT (SELECT count(*) FROM tower_api_key_changes WHERE subject = 'credential')
        - (SELECT count(*) FROM tower_api_key_credentials)";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(log)
            .fetch_one(&pool)
            .await
            .unwrap(),
        0,
        "each change is logged once"
    );
}

#[tokio::test]
async fn a_closed_pool_is_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(&directory.path().join("keys.db"), 1).await;
    store.close().await;
    assert_eq!(
        send_key(&store).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(matches!(
        store.delete(&Owner::of(Kind::OrgKey, "org_1"), "a").await,
        Err(WriteError::Store(StoreError::Unavailable(_)))
    ));
}
