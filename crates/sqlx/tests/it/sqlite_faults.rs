//! A database that fails, hangs or is full: 503 in time, nothing lost, nothing half-made.

use crate::support::polled;

use std::{
    collections::BTreeMap, convert::Infallible, error::Error as _, path::Path, time::Duration,
};

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use polled::{End, polled};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool, sqlite::SqlitePoolOptions};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{
        Credential, CredentialStore, Directory, Lookup, ManageStore, Owner, Record, StoreError,
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

async fn is_there(store: &SqliteStore, id: &str) -> bool {
    store
        .find(&Lookup::new(Credential::OrgKey { id }, None))
        .await
        .unwrap()
        .is_some()
}

async fn ask(store: &SqliteStore) -> Response<String> {
    present(store, "ak_a.test").await
}

async fn present(store: &SqliteStore, bearer: &str) -> Response<String> {
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

async fn pages(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (roomy, pool) = store(&path, 1).await;
    let limit = (pages(&pool).await + 4).to_string();
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
            assert!(is_there(store, id).await, "{id}");
        }
        assert!(!is_there(store, &refused.0).await);
    }
    // It goes on: what fits is done, what does not is refused, and with room again everything works.
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
    assert!(is_there(&full, &refused.0).await);
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_told_and_the_file_is_left_as_it_was() {
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
    assert!(is_there(&store, "a").await, "with room it opens");
}

#[tokio::test]
async fn a_table_that_is_gone_is_an_outage_and_ends_with_it() {
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
                present(&store, bearer).await.status(),
                StatusCode::SERVICE_UNAVAILABLE,
                "{bearer} without {table}"
            );
        }
        sqlx::raw_sql(rename("elsewhere", table))
            .execute(&pool)
            .await
            .unwrap();
        for (bearer, wanted) in [
            ("ak_a.test", StatusCode::OK),
            ("pat_test", StatusCode::OK),
            ("ak_nobody.test", StatusCode::UNAUTHORIZED),
        ] {
            assert_eq!(
                present(&store, bearer).await.status(),
                wanted,
                "{bearer} with {table} again"
            );
        }
    }
}

/// As a disk that loses a block does. Whatever SQLite cannot find for that reason must not look like what is not there.
#[tokio::test]
async fn a_page_of_zeros_is_an_error_at_the_start_or_an_outage_and_never_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (whole, pool) = store(&path, 1).await;
    let pages = pages(&pool).await;
    whole.close().await;
    let good = std::fs::read(&path).unwrap();
    let mut outcomes = BTreeMap::new();
    let size = good.len() / usize::try_from(pages).unwrap();
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
                vec!["error at the start"]
            }
            Ok(store) => {
                let mut told = Vec::new();
                for bearer in ["ak_a.test", "pat_test"] {
                    told.push(match present(&store, bearer).await.status() {
                        StatusCode::OK => "accepted",
                        StatusCode::SERVICE_UNAVAILABLE => "outage",
                        other => panic!("{bearer} without page {page}: {other}"),
                    });
                }
                told
            }
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    let seen = |outcome: &[&str]| outcomes.contains_key(outcome);
    assert!(
        seen(&["error at the start"]) && seen(&["outage", "outage"]),
        "{outcomes:?}"
    );
}

/// As after some I/O errors; the driver would go on as if the transaction were still open.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_does_not_spoil_its_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 1).await;
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON tower_api_key_users BEGIN SELECT RAISE(ROLLBACK, 'fault'); END";
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
    assert!(is_there(&store, "a").await);
}

#[tokio::test]
async fn an_exhausted_pool_is_a_503_within_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 1).await;
    let held = pool.acquire().await.unwrap();
    tokio::time::pause();
    let asked_at = Instant::now();
    let found = store
        .find(&Lookup::new(Credential::OrgKey { id: "a" }, None))
        .await;
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "{found:?}"
    );
    assert!(
        asked_at.elapsed() <= DEADLINE,
        "the store's own bound is below the deadline"
    );

    let asked_at = Instant::now();
    let response = ask(&store).await;
    assert!(asked_at.elapsed() <= DEADLINE + SLACK);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));

    tokio::time::resume();
    store
        .delete(&Owner::of(Kind::OrgKey, "org_1"), "a")
        .await
        .expect("a change has a connection of its own");
    drop(held);
    assert_eq!(ask(&store).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_database_locked_by_somebody_else_is_told_at_the_start_and_cannot_be_locked_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE tower_api_key_users SET enabled = 1; COMMIT";
    let (first, pool) = store(&path, 1).await;
    first.close().await;
    drop(pool);
    let impatient = || SqliteStore::options(&path).busy_timeout(Duration::ZERO);
    let mut other = SqliteConnection::connect_with(&impatient()).await.unwrap();
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let refused = SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(matches!(refused, SetupError::Locked { .. }), "{refused:?}");
    other.close().await.unwrap();

    let (store, _pool) = reopened(&path).await;
    let mut other = SqliteConnection::connect_with(&impatient()).await.unwrap();
    _ = sqlx::raw_sql(lock).execute(&mut other).await;
    assert_eq!(ask(&store).await.status(), StatusCode::OK);
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
async fn changes_wait_for_another_writer_and_look_ups_do_not() {
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
        assert!(is_there(&store, "a").await);
        assert!(!is_there(&store, "later-0").await);
    }
    sqlx::query("UPDATE tower_api_key_users SET enabled = 1")
        .execute(&mut *writer)
        .await
        .unwrap();
    writer.commit().await.unwrap();
    for change in waiting {
        change.await.unwrap().unwrap();
    }
    assert!(is_there(&store, "later-19").await);
}

/// A list that takes long holds its connection, and so do those behind it.
#[tokio::test]
async fn lists_leave_connections_for_lookups() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 2).await;
    let slow = "ALTER TABLE tower_api_key_events RENAME TO elsewhere;
        CREATE VIEW tower_api_key_events AS
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000)
            SELECT i AS number, 0 AS at, 'issued' AS action, iif(i < 0, 'org_1', NULL) AS organization_id,
                'a' AS credential_id, NULL AS related_id, 'bearer' AS actor_kind, NULL AS actor_id, NULL AS actor_user_id, NULL AS origin
            FROM n";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let owner = Owner::Organization("org_1".into());
    let lists = (0..4).map(|_| {
        let (store, owner) = (store.clone(), owner.clone());
        tokio::spawn(async move { store.events(&owner, None, 10).await })
    });
    let lists: Vec<_> = lists.collect();
    tokio::task::yield_now().await;
    assert!(is_there(&store, "a").await);
    assert!(
        lists.iter().all(|list| !list.is_finished()),
        "they were not slow"
    );
    for list in lists {
        list.abort();
    }
}

/// Dropped anywhere, a change is there or not, and the store goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_dropped_half_way_is_whole_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 4).await;
    for polls in 0..40 {
        let id = format!("k{polls}");
        let mut change = polled(store.insert(key(&id)), polls, End::Woken).await;
        if let Some(done) = change.take() {
            done.unwrap();
            assert!(is_there(&store, &id).await);
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
        "each is in the log once"
    );
}

#[tokio::test]
async fn a_closed_pool_is_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(&directory.path().join("keys.db"), 1).await;
    store.close().await;
    assert_eq!(ask(&store).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(matches!(
        store.delete(&Owner::of(Kind::OrgKey, "org_1"), "a").await,
        Err(WriteError::Store(StoreError::Unavailable(_)))
    ));
}
