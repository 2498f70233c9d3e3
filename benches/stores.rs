//! The cost of durable stores: loading, size, and cold lookups through the layer compared with the
//! bare query.
//!
//! ```text
//! cargo bench --bench stores -- [--quick] [SIZE …]
//! ```
//!
//! A size is a number of credentials, by default 1000 and 1000000.
//!
//! "Cold" means without any cache of this crate: each request is a query. The database's own pages
//! are warm. The bare query is the store's own statement, prepared, on the same pool; its row is
//! decoded and dropped. Both run in turn on the same random ids; the table shows the median over
//! the turns, and the median of the ratios of neighbours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed measurement must stop the bench"
)]

#[path = "stores/postgres.rs"]
mod postgres;

use std::{
    convert::Infallible,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use sqlx::{QueryBuilder, Sqlite, SqlitePool, sqlite::SqlitePoolOptions};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    scope::Catalogue,
    secret::Digest,
    store::{CredentialStore, Directory, ManageStore, Record},
};
use tower_api_key_sqlx::SqliteStore;

/// Rows per statement of the load.
const CHUNK: u64 = 500;
const TURNS: usize = 21;

/// Loads and queries a database without the layer.
trait Database: Send + Sync + 'static {
    fn bare(&self, id: &str) -> impl Future<Output = bool> + Send;
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut sizes: Vec<u64> = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = if quick {
            vec![1_000, 10_000]
        } else {
            vec![1_000, 1_000_000]
        };
    }
    let turn = Duration::from_millis(if quick { 10 } else { 200 });
    println!(
        "| store | credentials | load | inserts/s, one by one | bytes each | callers | layer/s \
         | bare/s | layer/bare | "
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for size in sizes {
        sqlite(size, turn).await;
        postgres::run(size, turn).await;
    }
}

/// The id of a credential: unique, and unrelated to the order of creation, like minted ids.
fn id(number: u64) -> String {
    format!(
        "{:016x}",
        number
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
    )
}

fn token(id: &str) -> String {
    format!("ak_{id}.test-not-a-real-secret")
}

struct SqliteDatabase(SqlitePool);

impl Database for SqliteDatabase {
    async fn bare(&self, id: &str) -> bool {
        type Name = Option<String>;
        type Row = (
            Vec<u8>,
            Name,
            String,
            Option<i64>,
            Name,
            Option<i64>,
            Name,
            Name,
        );
        let sql = "SELECT c.digest, c.pepper, c.status, c.expires_at, c.organization_id, o.deleted,
            c.role, c.scopes
            FROM tower_api_key_credentials c
            LEFT JOIN tower_api_key_organizations o ON o.id = c.organization_id
            WHERE c.kind = 'org_key' AND c.id = ?1";
        let row: Option<Row> = sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(&self.0)
            .await
            .unwrap();
        row.is_some()
    }
}

async fn sqlite(size: u64, turn: Duration) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bench.db");
    let pool = SqlitePoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false);
    let pool = pool.connect_lazy_with(SqliteStore::options(&path));
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    store.create_organization("org_test", None).await.unwrap();

    let started = Instant::now();
    load(&pool, size).await;
    let time = started.elapsed();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&pool)
        .await
        .unwrap();
    let bytes = size_of(&path) as f64 / size as f64;
    let loaded = Loaded { size, time, bytes };
    report("SQLite", &store, SqliteDatabase(pool), &loaded, turn).await;
}

/// Loads in one transaction, as a migration tool would.
async fn load(pool: &SqlitePool, size: u64) {
    let mut transaction = pool.begin().await.unwrap();
    for first in (0..size).step_by(CHUNK as usize) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO tower_api_key_credentials (kind, id, digest, organization_id, role) ",
        );
        query.push_values(first..(first + CHUNK).min(size), |mut row, number| {
            let id = id(number);
            let digest = Digest::of(token(&id).as_bytes()).to_bytes().to_vec();
            row.push_bind("org_key")
                .push_bind(id)
                .push_bind(digest)
                .push_bind("org_test")
                .push_bind("viewer");
        });
        query.build().execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// What loading a database took.
struct Loaded {
    size: u64,
    time: Duration,
    /// Per credential.
    bytes: f64,
}

/// Measures a loaded store and prints one row per number of callers.
async fn report<D: Database>(
    name: &str,
    store: &(impl ManageStore + Directory + Clone),
    database: D,
    loaded: &Loaded,
    turn: Duration,
) {
    let Loaded { size, time, bytes } = loaded;
    let inserts = inserts(store, *size, turn).await;
    let database = Arc::new(database);
    for callers in [1, 8] {
        let (layer, bare, ratio) = compare(store, &database, *size, callers, turn).await;
        println!(
            "| {name} | {size} | {time:.2?} | {inserts:.0} | {bytes:.0} | {callers} | {layer:.0} \
             | {bare:.0} | {ratio:.2} |"
        );
    }
}

/// Durable inserts per second through the store, one after another.
async fn inserts(store: &(impl ManageStore + Directory), size: u64, turn: Duration) -> f64 {
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < turn {
        let id = id(size + done);
        let record = Record::org_key(&*id, Digest::of(token(&id).as_bytes()), "org_test");
        store
            .insert(record.with_role("viewer", &Catalogue::anyreach()).unwrap())
            .await
            .unwrap();
        done += 1;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

/// Lookups per second through the layer and bare, and the ratio of the two.
async fn compare<D: Database>(
    store: &(impl CredentialStore + Clone),
    database: &Arc<D>,
    size: u64,
    callers: u64,
    turn: Duration,
) -> (f64, f64, f64) {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let (mut layer, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let shared = service.clone();
        let through = rate(callers, turn, size, move |id| {
            let service = shared.clone();
            let bearer = format!("Bearer {}", token(&id));
            async move {
                let request = Request::builder()
                    .header("authorization", bearer)
                    .body(String::new())
                    .unwrap();
                service.oneshot(request).await.unwrap().status() == StatusCode::OK
            }
        })
        .await;
        let shared = Arc::clone(database);
        let past = rate(callers, turn, size, move |id| {
            let database = Arc::clone(&shared);
            async move { database.bare(&id).await }
        })
        .await;
        layer.push(through);
        bare.push(past);
        ratios.push(through / past);
    }
    (median(layer), median(bare), median(ratios))
}

/// Successes per second of `callers` tasks, each looking up one random credential after another.
async fn rate<F>(
    callers: u64,
    turn: Duration,
    size: u64,
    ask: impl Fn(String) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = bool> + Send,
{
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let ask = ask.clone();
            tokio::spawn(async move {
                let (mut done, mut state) = (0_u64, caller + 1);
                while started.elapsed() < turn {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    assert!(
                        ask(id((state >> 33) % size)).await,
                        "an existing credential must be found"
                    );
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    done as f64 / started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
