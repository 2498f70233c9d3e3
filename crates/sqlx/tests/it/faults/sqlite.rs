//! The rows of a SQLite file.

mod files;
mod processes;

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tower_api_key::{scope::Catalogue, store::ManageStore};
use tower_api_key_sqlx::SqliteStore;

use super::{
    Cells, Scene, Table, run,
    scene::{owner, seed},
    tmpfs::Tmpfs,
};

const CONNECTIONS: u32 = 4;

/// A fault that no view notices.
const UNHARMED: Cells<&str> = Cells {
    cold: "200",
    cached: "200",
    revoked: "401",
    leaked: "-",
    management: "done",
    feed: "silent",
    check: "ok",
};

/// A file of its own for each row.
struct File {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("keys.db"),
            _directory: directory,
        }
    }

    async fn scene(&self) -> Scene<SqliteStore> {
        seeded(&self.path).await.0
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    /// Makes a backup.
    async fn backup(&self) -> PathBuf {
        let copy = self.beside("-backup");
        let sql = format!("VACUUM INTO '{}'", copy.display());
        let options = SqliteConnectOptions::new().filename(&self.path);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
        copy
    }
}

async fn open(path: &Path) -> (SqliteStore, SqlitePool) {
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_lazy_with(SqliteStore::options(path));
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach());
    (store.await.unwrap(), pool)
}

async fn seeded(path: &Path) -> (Scene<SqliteStore>, SqlitePool) {
    let (store, pool) = open(path).await;
    seed(&store).await;
    (Scene::start(store).await, pool)
}

#[tokio::test]
async fn the_views_of_a_sqlite_file_in_each_fault() {
    let mut table = Table::new();
    processes::rows(&mut table).await;
    exhausted_connections(&mut table).await;
    a_full_disk(&mut table).await;
    files::rows(&mut table).await;
    table.finish();
}

async fn exhausted_connections(table: &mut Table) {
    let file = File::new();
    let (scene, pool) = seeded(&file.path).await;
    let expected = Cells {
        cold: "503",
        leaked: "503",
        management: "store_unavailable, not made",
        feed: "changed",
        check: "CannotConnect",
        ..UNHARMED
    };
    run(
        table,
        (
            "every connection of the pool is taken",
            expected,
            "as before",
        ),
        scene,
        async |scene| {
            let mut taken = Vec::new();
            for _ in 0..CONNECTIONS {
                taken.push(pool.acquire().await.unwrap());
            }
            // A revocation has a connection of its own.
            scene.store.delete(&owner(), "leaked").await.unwrap();
            taken
        },
        async |_, taken| {
            drop(taken);
            None
        },
    )
    .await;
}

async fn a_full_disk(table: &mut Table) {
    let Some(disk) = Tmpfs::mount() else { return };
    let (scene, pool) = seeded(&disk.path().join("keys.db")).await;
    let expected = Cells {
        management: "store_unavailable, not made",
        ..UNHARMED
    };
    run(
        table,
        ("the disk is full", expected, "as before"),
        scene,
        async |_| disk.fill(),
        async |_, ballast| {
            fs::remove_file(ballast).unwrap();
            None
        },
    )
    .await;
    pool.close().await;
}
