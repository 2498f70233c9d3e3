//! What is done with the database beside the store: rows by the million, sizes and counts.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{ORG, pg};

pub(crate) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A cluster, and the schema of the store.
    Postgres(pg::Cluster, String),
}

impl Database {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(..) => "PostgreSQL",
        }
    }

    /// Inserts keys that were deleted long ago, from number 1 on. Their insertion is not logged: it
    /// is not what is measured.
    pub(crate) async fn insert_deleted(&self, count: usize) {
        let columns =
            "kind, id, digest, organization_id, status, role, name, created_at, deleted_at";
        match self {
            Self::Sqlite(path) => {
                let mut file = open(path).await;
                let trigger = "SELECT sql FROM sqlite_schema WHERE type = 'trigger'
                    AND name = 'tower_api_key_credential_inserted'";
                let trigger: String = sqlx::query_scalar(trigger)
                    .fetch_one(&mut file)
                    .await
                    .unwrap();
                let sql = format!(
                    "BEGIN; DROP TRIGGER tower_api_key_credential_inserted;
                    WITH RECURSIVE number (n) AS (
                        SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count}
                    )
                    INSERT INTO tower_api_key_credentials ({columns})
                    SELECT 'org_key', printf('%08x%08x', n * 2654435761 % 4294967296, n),
                        randomblob(32), '{ORG}', 'deleted', 'viewer', 'key ' || n, n, n
                    FROM number;
                    {trigger}; COMMIT; ANALYZE"
                );
                run(&mut file, &sql).await;
            }
            Self::Postgres(cluster, schema) => drop(cluster.psql(&format!(
                "ALTER TABLE {schema}.credentials DISABLE TRIGGER logged;
                INSERT INTO {schema}.credentials ({columns})
                SELECT 'org_key', lpad(to_hex(n * 2654435761 % 4294967296), 8, '0')
                        || lpad(to_hex(n), 8, '0'),
                    sha256(n::text::bytea), '{ORG}', 'deleted', 'viewer', 'key ' || n, n, n
                FROM generate_series(1, {count}::bigint) n;
                ALTER TABLE {schema}.credentials ENABLE ALWAYS TRIGGER logged;
                ANALYZE {schema}.credentials"
            ))),
        }
    }

    /// Returns the bytes on disk, after giving free space back.
    pub(crate) async fn size(&self) -> u64 {
        match self {
            Self::Sqlite(path) => {
                let mut file = open(path).await;
                run(&mut file, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").await;
                std::fs::metadata(path).unwrap().len()
            }
            Self::Postgres(cluster, schema) => {
                for table in ["credentials", "tombstones"] {
                    cluster.psql(&format!("VACUUM FULL ANALYZE {schema}.{table}"));
                }
                let size = cluster.psql(&format!(
                    "SELECT pg_total_relation_size('{schema}.credentials')
                        + pg_total_relation_size('{schema}.tombstones')"
                ));
                size.parse().unwrap()
            }
        }
    }

    /// Returns the number of rows of the change log.
    pub(crate) async fn logged(&self) -> usize {
        self.count("changes").await
    }

    /// Counts deleted credentials, all others, and tombstones.
    pub(crate) async fn counts(&self) -> (usize, usize, usize) {
        let [deleted, others, removed] = [
            "credentials WHERE status = 'deleted'",
            "credentials WHERE status <> 'deleted'",
            "tombstones",
        ];
        (
            self.count(deleted).await,
            self.count(others).await,
            self.count(removed).await,
        )
    }

    async fn count(&self, rows: &str) -> usize {
        match self {
            Self::Sqlite(path) => {
                let sql = format!("SELECT count(*) FROM tower_api_key_{rows}");
                let mut file = open(path).await;
                let count = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut file);
                let count: i64 = count.await.unwrap();
                count as usize
            }
            Self::Postgres(cluster, schema) => {
                let count = cluster.psql(&format!("SELECT count(*) FROM {schema}.{rows}"));
                count.parse().unwrap()
            }
        }
    }
}

async fn open(path: &PathBuf) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn run(file: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(file)
        .await
        .unwrap();
}
