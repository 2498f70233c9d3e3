//! Released migrations never change, because databases store the checksums of those they ran.
//!
//! To add one, write its file, run this test and add the line that it prints. Never change an
//! existing line; write another migration instead.

use sqlx::migrate::Migrator;

fn assert_unchanged_since_release(migrator: &Migrator, released: &[(i64, &str)]) {
    let found: Vec<_> = migrator
        .iter()
        .map(|migration| (migration.version, hex::encode(&migration.checksum)))
        .collect();
    for (version, checksum) in &found {
        let known = released.iter().find(|(released, _)| released == version);
        let line = format!("({version}, \"{checksum}\"),");
        match known {
            Some((_, wanted)) => assert_eq!(
                checksum, wanted,
                "migration {version} or its line endings changed"
            ),
            None => panic!("migration {version} is new: add {line}"),
        }
    }
    assert_eq!(found.len(), released.len(), "a migration was removed");
}

#[test]
fn sqlite_migrations_are_unchanged_since_release() {
    assert_unchanged_since_release(
        &sqlx::migrate!("migrations/sqlite"),
        &[
            (
                1,
                "cb163c005600acb89fc0695815389126401bf535b313be2b602e59b86f7f0580389d925facdda5238a77c0c07d19cd59",
            ),
            (
                2,
                "a999f19c7806b9828eb81f3772e8a1099abeb8a7791bf1cdeefae86be310c0ab0ba8421c70667f9f1d5a9d0ff944ca7f",
            ),
            (
                3,
                "5d0033704adafd7e00fc7636111a45f42f2447d6d9a900fce6fe791f252bf8e77f8971320c31a9127281058bf6293264",
            ),
            (
                4,
                "ac3f18e924a93a4c1ed77127916788498d4818af53870a26240232cd3dd70f85cc75157c4e8847c163753d9237033bd9",
            ),
            (
                5,
                "048c44fb52843d7703179b91f6969402d74319b429431c7a4535bf6ca16ad9946d514baa6700e9c694a99dad100b73f5",
            ),
            (
                6,
                "9c73a77a0bf1477944ee387533ca5b3e3c6e3a3619e815181c4c8716b162ffe0d8362ffd5263212af440f79c07b7890b",
            ),
        ],
    );
}

#[test]
fn postgres_migrations_are_unchanged_since_release() {
    assert_unchanged_since_release(
        &sqlx::migrate!("migrations/postgres"),
        &[
            (
                1,
                "401c52dfda232f5909e53ae5e9cbf6365ce028e01d536fa401b1869cf891f7574f7d06f3541ce5e46d1a7bff5af860ad",
            ),
            (
                2,
                "ce1fa46ee82d2be75fe42592fd9c5042fce68f6eb226edf6d109e570df6a82a99b3cf9ff5f7f6be20d8dff9932988b33",
            ),
            (
                3,
                "3094cebb772aa1aeb4399f33bc4397fcc7d9b74f0783667ccc233f96d22fbb44ab4746053725f72730bc05d706a12d5d",
            ),
            (
                4,
                "c43f38b558d4939220871d03168f46ea161328d891c8a2cd0fbc23cd28f241e4f8d6a905e4833fce23162422d580587e",
            ),
            (
                5,
                "425f10c04b20a6cace11b71b3d769bf0cbcf6ab5be92ca428036e26d05d3777bed957bae5ce90f3f372c237b51355ab4",
            ),
            (
                6,
                "741488861575cdef326a39416b97f3309009cd5035111d7ff291c7e5c24ec3a009549f433926832544d6ba055709b2e2",
            ),
        ],
    );
}

/// Git checks the files out with the same bytes on every system.
#[test]
fn migration_files_use_unix_line_endings_and_git_keeps_them() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let attributes = std::fs::read_to_string(root.join("../../.gitattributes")).unwrap();
    assert!(
        attributes.lines().any(|line| line == "*.sql -text"),
        "{attributes}"
    );
    for directory in ["sqlite", "postgres"] {
        for entry in std::fs::read_dir(root.join("migrations").join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.contains(&b'\r'), "{path:?}");
        }
    }
}

/// Anyone who can write to the file can revoke with any `sqlite3` that supports STRICT tables
/// (3.37), so the triggers that such a statement fires must not call newer functions.
#[test]
fn sqlite_triggers_use_no_function_newer_than_3_37() {
    let sql = include_str!("../../migrations/sqlite/0001_initial.sql");
    for newer in [
        "unixepoch(",
        "->",
        "format(",
        "concat(",
        "octet_length(",
        "string_agg(",
        "timediff(",
    ] {
        let code = sql
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"));
        let found: Vec<_> = code.filter(|line| line.contains(newer)).collect();
        assert_eq!(found, Vec::<&str>::new(), "{newer} came after 3.37");
    }
}
