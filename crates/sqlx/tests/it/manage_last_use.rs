//! The last use is written at most once a minute, whatever the load, and never fails a request.

use std::{convert::Infallible, future::ready, path::Path, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqlitePoolOptions};
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{Cached, Directory, MemoryStore, Owner},
    testing::ManualClock,
};
use tower_api_key_sqlx::SqliteStore;

type Store = Arc<Cached<SqliteStore>>;

const START: i64 = 1_000_000;

struct Fixture {
    store: Store,
    clock: ManualClock,
    manager: Manager<Store>,
    uses: LastUse,
    token: String,
    id: String,
}

impl Fixture {
    async fn new(store: SqliteStore) -> Self {
        let (store, clock) = (
            Arc::new(Cached::new(store)),
            ManualClock::at(UnixMillis(START)),
        );
        let manager = Manager::new(Arc::clone(&store)).with_clock(clock.clone());
        store.create_organization("org_test", None).await.unwrap();
        let issued = manager
            .issue_key(&operator(), NewKey::named("key").with_role("viewer"))
            .await
            .unwrap();
        let (info, secret) = issued.into_parts();
        let token = secret.unwrap().expose_secret().to_owned();
        Self {
            store,
            clock,
            manager,
            uses: LastUse::new(),
            token,
            id: info.id.as_str().to_owned(),
        }
    }

    async fn send_requests(&self, count: usize) {
        let auth = AuthLayer::new(Arc::clone(&self.store)).with_clock(self.clock.clone());
        let auth = auth.with_last_use(self.uses.clone());
        let service = auth.layer(service_fn(|_: Request<()>| {
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        }));
        for _ in 0..count {
            let request =
                Request::builder().header("authorization", format!("Bearer {}", self.token));
            let response = service
                .clone()
                .oneshot(request.body(()).unwrap())
                .await
                .unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }

    async fn last_used_at(&self) -> Option<i64> {
        let info = self
            .manager
            .get(&operator(), Kind::OrgKey, &self.id)
            .await
            .unwrap();
        info.last_used_at.map(|moment| moment.0 - START)
    }
}

fn operator() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteStore::options(path).connect().await.unwrap()
}

/// 100,000 requests over ten minutes on a manual clock, with a recorder that runs much more often
/// than once a minute.
#[tokio::test]
async fn a_hundred_thousand_requests_write_once_a_minute() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let fixture = Fixture::new(
        SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap(),
    )
    .await;
    // The database counts every write to the table of uses.
    let mut db = raw(&path).await;
    let count = "CREATE TABLE writes (at INTEGER);
        CREATE TRIGGER inserted AFTER INSERT ON tower_api_key_uses BEGIN INSERT INTO writes \
        VALUES (NEW.at); END;
        CREATE TRIGGER updated AFTER UPDATE ON tower_api_key_uses BEGIN INSERT INTO writes \
        VALUES (NEW.at); END;";
    sqlx::raw_sql(count).execute(&mut db).await.unwrap();
    let changes = "SELECT count(*) FROM tower_api_key_changes";
    let logged_before: i64 = sqlx::query_scalar(changes)
        .fetch_one(&mut db)
        .await
        .unwrap();

    for _ in 0..100 {
        fixture.send_requests(1000).await;
        fixture.manager.record_uses(&fixture.uses).await.unwrap();
        fixture.clock.advance_millis(6000);
    }
    let writes: Vec<i64> = sqlx::query_scalar("SELECT at FROM writes ORDER BY rowid")
        .fetch_all(&mut db)
        .await
        .unwrap();
    println!(
        "100000 requests in ten minutes: {} writes of the last use",
        writes.len()
    );
    assert_eq!(writes.len(), 10, "{writes:?}");
    assert!(
        writes.windows(2).all(|pair| pair[1] - pair[0] >= 60_000),
        "less than a minute apart: {writes:?}"
    );
    let logged_after: i64 = sqlx::query_scalar(changes)
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(logged_after, logged_before, "a use was logged as a change");
    db.close().await.unwrap();
}

/// Uses the memory store, so that nothing real is awaited while tokio's clock is paused.
#[tokio::test(start_paused = true)]
async fn the_recorder_writes_once_a_minute() {
    let store = Arc::new(MemoryStore::new());
    store.create_organization("org_test", None).await.unwrap();
    let clock = ManualClock::at(UnixMillis(START));
    let manager = Manager::new(Arc::clone(&store)).with_clock(clock.clone());
    let issued = manager
        .issue_key(&operator(), NewKey::named("key"))
        .await
        .unwrap();
    let (info, secret) = issued.into_parts();
    let bearer = format!("Bearer {}", secret.unwrap().expose_secret());
    let uses = LastUse::new();
    let auth = AuthLayer::new(store)
        .with_clock(clock.clone())
        .with_last_use(uses.clone());
    let service = auth.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    let task = tokio::spawn(manager.clone().run_usage_recorder(uses));
    let mut recorded = Vec::new();
    for _ in 0..8 {
        let request = Request::builder()
            .header("authorization", &bearer)
            .body(())
            .unwrap();
        assert_eq!(
            service.clone().oneshot(request).await.unwrap().status(),
            StatusCode::OK
        );
        tokio::time::sleep(Duration::from_millis(29_999)).await;
        clock.advance_millis(30_000);
        let read = manager
            .get(&operator(), Kind::OrgKey, info.id.as_str())
            .await
            .unwrap();
        recorded.push(read.last_used_at.map(|moment| (moment.0 - START) / 1000));
    }
    task.abort();
    assert_eq!(
        recorded,
        [
            None,
            None,
            Some(60),
            Some(60),
            Some(120),
            Some(120),
            Some(180),
            Some(180)
        ]
    );
}

#[tokio::test]
async fn a_read_only_database_fails_no_request_and_loses_no_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let first = Fixture::new(
        SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap(),
    )
    .await;
    // Connections that refuse to write, like those to a replica.
    let pool = SqlitePoolOptions::new()
        .after_connect(|db, _| {
            Box::pin(async move {
                sqlx::query("PRAGMA query_only = ON")
                    .execute(db)
                    .await
                    .map(drop)
            })
        })
        .connect_lazy_with(SqliteStore::options(&path));
    let store = SqliteStore::from_pool(pool, Catalogue::anyreach())
        .await
        .unwrap();
    let manager = Manager::new(Arc::new(Cached::new(store)));
    let read_only = Fixture {
        store: Arc::clone(manager.store()),
        manager,
        ..first
    };
    read_only.send_requests(1000).await;
    for _ in 0..3 {
        let refused = read_only
            .manager
            .record_uses(&read_only.uses)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "store_unavailable");
        read_only.send_requests(1000).await;
    }
    assert_eq!(read_only.last_used_at().await, None);
    // The use is kept until it can be written.
    let writable = Arc::new(Cached::new(
        SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap(),
    ));
    assert_eq!(
        Manager::new(writable)
            .record_uses(&read_only.uses)
            .await
            .unwrap(),
        1
    );
    assert_eq!(read_only.last_used_at().await, Some(0));
}

#[tokio::test]
async fn invalid_credentials_record_no_use() {
    let fixture = Fixture::new(SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap()).await;
    let auth = AuthLayer::new(Arc::clone(&fixture.store)).with_last_use(fixture.uses.clone());
    let service = auth.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    for token in [
        "",
        "Bearer nonsense",
        "Bearer ak_nobody.test",
        &format!("Bearer {}x", fixture.token),
    ] {
        let request = Request::builder()
            .header("authorization", token)
            .body(())
            .unwrap();
        assert_eq!(
            service.clone().oneshot(request).await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        format!("{:?}", fixture.uses),
        "LastUse { credentials: 0, .. }"
    );
    fixture.send_requests(5).await;
    assert_eq!(
        format!("{:?}", fixture.uses),
        "LastUse { credentials: 1, .. }"
    );
    // Once written and idle for a while, the credential is no longer tracked.
    assert_eq!(fixture.manager.record_uses(&fixture.uses).await.unwrap(), 1);
    assert_eq!(fixture.manager.record_uses(&fixture.uses).await.unwrap(), 0);
    assert_eq!(
        format!("{:?}", fixture.uses),
        "LastUse { credentials: 0, .. }"
    );
}
