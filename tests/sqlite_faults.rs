//! A database that fails, hangs or is full: 503 in time, nothing lost, nothing half-made.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "support/polled.rs"]
mod polled;

use std::{convert::Infallible, path::Path, time::Duration};

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use polled::{End, polled};
use sqlx::{Connection, SqliteConnection, SqlitePool, sqlite::SqlitePoolOptions};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    principal::Catalogue,
    secret::Digest,
    store::{Credential, CredentialStore, Lookup, Record, SqliteStore, StoreAdmin, StoreError, WriteError},
};

const DEADLINE: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(50);

fn key(id: &str) -> Record {
    let digest = Digest::of(format!("ak_{id}.test").as_bytes());
    Record::org_key(id, digest, "org_1").with_role("viewer", &Catalogue::documented()).unwrap()
}

/// A store with one key over a pool of `connections`.
async fn store(path: &Path, connections: u32) -> (SqliteStore, SqlitePool) {
    let pool = SqlitePoolOptions::new().max_connections(connections).connect_lazy_with(SqliteStore::options(path));
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::documented()).await.unwrap();
    store.create_organization("org_1", None).await.unwrap();
    store.insert(key("a")).await.unwrap();
    (store, pool)
}

async fn is_there(store: &SqliteStore, id: &str) -> bool {
    store.find(&Lookup::new(Credential::OrgKey { id }, None)).await.unwrap().is_some()
}

async fn ask(store: &SqliteStore) -> Response<String> {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()).with_deadline(DEADLINE))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::builder().header("authorization", "Bearer ak_a.test").body(String::new()).unwrap();
    service.oneshot(request).await.unwrap()
}

async fn pages(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("PRAGMA page_count").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (roomy, pool) = store(&path, 1).await;
    let limit = (pages(&pool).await + 4).to_string();
    let options = SqliteStore::options(&path).pragma("max_page_count", limit);
    let full = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
    let full = SqliteStore::from_pool(full, Catalogue::documented()).await.unwrap();

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
        assert!(matches!(again, Err(WriteError::Store(StoreError::Unavailable(_)))), "{again:?}");
    }
    full.delete(Kind::OrgKey, &acknowledged[0]).await.unwrap();
    roomy.insert(key(&refused.0)).await.unwrap();
    assert!(is_there(&full, &refused.0).await);
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
    assert_eq!(check, "ok");
}

/// As after some I/O errors; the driver would go on as if the transaction were still open.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_does_not_spoil_its_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (store, pool) = store(&directory.path().join("keys.db"), 1).await;
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON tower_api_key_users BEGIN SELECT RAISE(ROLLBACK, 'fault'); END";
    sqlx::query(fault).execute(&pool).await.unwrap();
    let refused = store.create_user("alice").await;
    assert!(matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    sqlx::query("DROP TRIGGER fault").execute(&pool).await.unwrap();
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
    let found = store.find(&Lookup::new(Credential::OrgKey { id: "a" }, None)).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    assert!(asked_at.elapsed() <= DEADLINE, "the store's own bound is below the deadline");

    let asked_at = Instant::now();
    let response = ask(&store).await;
    assert!(asked_at.elapsed() <= DEADLINE + SLACK);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    let refused = store.delete(Kind::OrgKey, "a").await;
    assert!(matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))), "{refused:?}");

    tokio::time::resume();
    drop(held);
    assert_eq!(ask(&store).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_database_locked_by_somebody_else_is_a_503_within_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (first, pool) = store(&path, 1).await;
    first.close().await;
    drop(pool);
    // In write-ahead mode readers are locked out only by whoever opened the file in exclusive mode before them.
    let mut other = SqliteConnection::connect_with(&SqliteStore::options(&path)).await.unwrap();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(SqliteStore::options(&path));
    let store = SqliteStore::from_pool(pool, Catalogue::documented()).await.unwrap();
    sqlx::raw_sql(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE tower_api_key_users SET enabled = 1; COMMIT",
    )
    .execute(&mut other)
    .await
    .unwrap();
    let impatient = SqliteStore::options(&path).busy_timeout(Duration::ZERO);
    let locked = SqliteConnection::connect_with(&impatient).await.unwrap_err();
    assert!(locked.to_string().contains("locked"), "{locked}");

    tokio::time::pause();
    let asked_at = Instant::now();
    let response = ask(&store).await;
    assert!(asked_at.elapsed() <= DEADLINE + SLACK);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);

    tokio::time::resume();
    other.close().await.unwrap();
    while ask(&store).await.status() != StatusCode::OK {} // the connection's thread sleeps in SQLite for a while
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
    sqlx::query("UPDATE tower_api_key_users SET enabled = 1").execute(&mut *writer).await.unwrap();
    writer.commit().await.unwrap();
    for change in waiting {
        change.await.unwrap().unwrap();
    }
    assert!(is_there(&store, "later-19").await);
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
    assert_eq!(sqlx::query_scalar::<_, i64>(log).fetch_one(&pool).await.unwrap(), 0, "each is in the log once");
}

#[tokio::test]
async fn a_closed_pool_is_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(&directory.path().join("keys.db"), 1).await;
    store.close().await;
    assert_eq!(ask(&store).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(matches!(store.delete(Kind::OrgKey, "a").await, Err(WriteError::Store(StoreError::Unavailable(_)))));
}
