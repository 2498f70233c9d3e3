//! PostgreSQL, on a temporary cluster over a unix socket, with `fsync` on.

#[path = "../../crates/sqlx/tests/it/support/pg.rs"]
mod pg;

use std::time::{Duration, Instant};

use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use tower_api_key::{scope::Catalogue, secret::Digest, store::Directory};
use tower_api_key_sqlx::PostgresStore;

use super::{Database, Loaded, id, report, token};

/// Rows per statement of the load.
const CHUNK: u64 = 10_000;

struct PostgresDatabase(PgPool);

impl Database for PostgresDatabase {
    async fn bare(&self, id: &str) -> bool {
        let sql = "SELECT c.digest, c.pepper, c.status, c.expires_at, c.organization_id, o.deleted,
            c.role, c.scopes
            FROM tower_api_key.credentials c
            LEFT JOIN tower_api_key.organizations o ON o.id = c.organization_id
            WHERE c.kind = 'org_key' AND c.id = $1";
        type Name = Option<String>;
        type Taken = (
            Vec<u8>,
            Name,
            String,
            Option<i64>,
            Name,
            Option<bool>,
            Name,
            Option<Vec<String>>,
        );
        let row: Option<Taken> = sqlx::query_as(sql)
            .bind(id)
            .fetch_optional(&self.0)
            .await
            .unwrap();
        row.is_some()
    }
}

pub(crate) async fn run(size: u64, turn: Duration) {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        .connect_lazy_with(cluster.options());
    let store = PostgresStore::new(pool.clone(), Catalogue::anyreach());
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();

    let started = Instant::now();
    load(&pool, size).await;
    let time = started.elapsed();
    // Runs the maintenance that the database would run later, so that it does not run during the
    // measurement.
    sqlx::query("VACUUM ANALYZE tower_api_key.credentials")
        .execute(&pool)
        .await
        .unwrap();
    let sizes = "SELECT pg_total_relation_size('tower_api_key.credentials')";
    let bytes = sqlx::query(sizes)
        .fetch_one(&pool)
        .await
        .unwrap()
        .get::<i64, _>(0) as f64
        / size as f64;
    let loaded = Loaded { size, time, bytes };
    report("PostgreSQL", &store, PostgresDatabase(pool), &loaded, turn).await;
}

/// Loads in one transaction, as a migration tool would; the triggers log every row.
async fn load(pool: &PgPool, size: u64) {
    let mut transaction = pool.begin().await.unwrap();
    for first in (0..size).step_by(CHUNK as usize) {
        let ids: Vec<String> = (first..(first + CHUNK).min(size)).map(id).collect();
        let digests: Vec<Vec<u8>> = ids
            .iter()
            .map(|id| Digest::of(token(id).as_bytes()).to_bytes().to_vec())
            .collect();
        let sql = "INSERT INTO tower_api_key.credentials (kind, id, digest, organization_id, role)
            SELECT 'org_key', id, digest, 'org_test', 'viewer'
            FROM unnest($1::text[], $2::bytea[]) AS new (id, digest)";
        sqlx::query(sql)
            .bind(ids)
            .bind(digests)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
}
