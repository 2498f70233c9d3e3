//! Opening a file that cannot be used: each cause has its own error.

use std::{error::Error as _, path::Path, time::Duration};

use sqlx::{Connection, SqliteConnection, SqlitePool};
use tower_api_key::scope::Catalogue;
use tower_api_key_sqlx::{SetupError, SqliteStore};

async fn refusal(path: impl AsRef<Path>) -> SetupError {
    SqliteStore::open(path, Catalogue::anyreach())
        .await
        .expect_err("the file must be refused")
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteStore::options(path))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_wrong_path_or_a_directory_cannot_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    for path in [
        directory.path().join("missing/keys.db"),
        directory.path().to_owned(),
        Path::new("").to_owned(),
    ] {
        let error = refusal(&path).await;
        assert!(
            matches!(error, SetupError::CannotConnect { .. }),
            "{path:?}: {error:?}"
        );
        assert!(error.source().is_some());
    }
}

/// SQLite itself would open a database in memory, a separate one for each connection.
#[tokio::test]
async fn a_name_that_is_special_to_sqlite_is_still_a_file_name() {
    let directory = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:keys.db?mode=memory", "a?mode=ro#b"] {
        let path = directory.path().join(name);
        SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap();
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_file_of_another_format_is_not_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not a database ".repeat(1000)).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, SetupError::Damaged { .. }), "{error:?}");
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("not a database"),
        "the file is left alone"
    );
}

#[tokio::test]
async fn a_read_only_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap()
        .close()
        .await;
    let read_only = SqlitePool::connect_with(SqliteStore::options(&path).read_only(true))
        .await
        .unwrap();
    let error = SqliteStore::from_pool(read_only, Catalogue::anyreach())
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::ReadOnly { .. }), "{error:?}");

    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_err() {
        // The mode of a file does not stop root.
        let error = refusal(&path).await;
        assert!(matches!(error, SetupError::ReadOnly { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_reported_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap()
        .close()
        .await;
    let sql = "INSERT INTO tower_api_key_migrations (version, description, success, checksum, \
               execution_time)
        VALUES (9999, 'from the future', 1, x'00', 0)";
    let mut db = connect(&path).await;
    sqlx::query(sql).execute(&mut db).await.unwrap();
    let error = refusal(&path).await;
    assert!(
        matches!(error, SetupError::UnknownSchema { .. }),
        "{error:?}"
    );
    assert!(
        error.source().unwrap().to_string().contains("9999"),
        "{error:?}"
    );

    sqlx::query("DELETE FROM tower_api_key_migrations WHERE version = 9999")
        .execute(&mut db)
        .await
        .unwrap();
    SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap();
}

/// A rolling deployment runs two versions on one file.
#[tokio::test]
async fn a_newer_schema_that_is_marked_compatible_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap()
        .close()
        .await;
    let mut db = connect(&path).await;
    let newest: i64 = sqlx::query_scalar("SELECT max(version) FROM tower_api_key_migrations")
        .fetch_one(&mut db)
        .await
        .unwrap();
    let later = "INSERT INTO tower_api_key_migrations (version, description, success, checksum, \
                 execution_time)
        VALUES (9998, 'later', 1, x'00', 0), (9999, 'latest', 1, x'00', 0)";
    sqlx::query(later).execute(&mut db).await.unwrap();
    let states = [
        ("neither is marked", None, None, false),
        ("the second is not marked", Some(newest), None, false),
        ("the first is not marked", None, Some(newest), false),
        (
            "the second is incompatible",
            Some(newest),
            Some(newest + 1),
            false,
        ),
        ("both are compatible", Some(newest), Some(1), true),
    ];
    for (name, first, second, opens) in states {
        sqlx::query("DELETE FROM tower_api_key_compatibility")
            .execute(&mut db)
            .await
            .unwrap();
        for (version, oldest) in [(9998, first), (9999, second)] {
            let Some(oldest) = oldest else { continue };
            let sql = "INSERT INTO tower_api_key_compatibility (migration, oldest) VALUES (?1, ?2)";
            sqlx::query(sql)
                .bind(version)
                .bind(oldest)
                .execute(&mut db)
                .await
                .unwrap();
        }
        let opened = SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .map(drop);
        match opens {
            true => assert!(opened.is_ok(), "{name}: {opened:?}"),
            false => assert!(
                matches!(opened, Err(SetupError::UnknownSchema { .. })),
                "{name}: {opened:?}"
            ),
        }
    }
    // The migrations that this version knows are still compared.
    sqlx::query("UPDATE tower_api_key_migrations SET checksum = x'00' WHERE version = 1")
        .execute(&mut db)
        .await
        .unwrap();
    assert!(matches!(
        refusal(&path).await,
        SetupError::UnknownSchema { .. }
    ));
}

#[tokio::test]
async fn an_altered_schema_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    SqliteStore::open(&path, Catalogue::anyreach())
        .await
        .unwrap()
        .close()
        .await;
    let mut db = connect(&path).await;
    sqlx::query("UPDATE tower_api_key_migrations SET checksum = x'00'")
        .execute(&mut db)
        .await
        .unwrap();
    assert!(matches!(
        refusal(&path).await,
        SetupError::UnknownSchema { .. }
    ));
}

/// A service that shares the file may happen to have a table of that name.
#[tokio::test]
async fn a_failed_migration_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let mut db = connect(&path).await;
    sqlx::raw_sql("CREATE TABLE tower_api_key_changes (x)")
        .execute(&mut db)
        .await
        .unwrap();
    assert!(matches!(refusal(&path).await, SetupError::Migration { .. }));
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema")
        .fetch_all(&mut db)
        .await
        .unwrap();
    assert_eq!(tables, ["tower_api_key_changes"]);
}

#[tokio::test]
async fn opening_waits_for_another_program_that_reads_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let mut other = connect(&path).await; // not in write-ahead mode yet
    sqlx::raw_sql("CREATE TABLE notes (note TEXT); BEGIN; SELECT * FROM notes")
        .execute(&mut other)
        .await
        .unwrap();
    let mut opening = tokio::spawn(SqliteStore::open(path, Catalogue::anyreach()));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut opening).await;
    assert!(
        early.is_err(),
        "opening did not wait for the reader: {early:?}"
    );
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    opening.await.unwrap().unwrap();
}
