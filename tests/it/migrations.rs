//! A migration that was released never changes: its checksum is in the databases where it was run.
//!
//! To add one, write its file, run this test, and add the line that it prints. Never change a line:
//! write another migration.

use sqlx::migrate::Migrator;

fn are_as_released(migrator: &Migrator, released: &[(i64, &str)]) {
    let found: Vec<_> = migrator
        .iter()
        .map(|one| (one.version, hex::encode(&one.checksum)))
        .collect();
    for (version, checksum) in &found {
        let known = released.iter().find(|(released, _)| released == version);
        let line = format!("({version}, \"{checksum}\"),");
        match known {
            Some((_, wanted)) => assert_eq!(
                checksum, wanted,
                "migration {version} was changed, or its line endings"
            ),
            None => panic!("migration {version} is new: add {line}"),
        }
    }
    assert_eq!(found.len(), released.len(), "a migration was removed");
}

#[cfg(feature = "sqlite")]
#[test]
fn those_of_sqlite_are_as_they_were_released() {
    are_as_released(
        &sqlx::migrate!("migrations/sqlite"),
        &[
            (
                1,
                "b69fc80baf0a646a0a89c9fa41f0b6b261b08eec85098b18408777138d1b5210953a7b25908743c4839c99b9b346f5dc",
            ),
            (
                2,
                "9c06c54d267a6e9b1d6a55c7dd401eede180fb75014713badd35d4b2ed5c4eb1c246012871b15b0961bf67f6fd71e6e6",
            ),
            (
                3,
                "a50fa63bd7022411917327d9aa8d775b89f29b07ebb6edf6ee372c4eb83e618a9853bde7f42733b152732e14fa04d7b2",
            ),
        ],
    );
}

#[cfg(feature = "postgres")]
#[test]
fn those_of_postgres_are_as_they_were_released() {
    are_as_released(
        &sqlx::migrate!("migrations/postgres"),
        &[
            (
                1,
                "f057293edfb365c79c6e745b2c174c3bf623b539dc7e2b5760c5949bc4a6021bf1819e86d9e22a75a7ec02a2322e0c61",
            ),
            (
                2,
                "f76f9e7293d4c8ef98ab13d1cf5fe118710807771f15ecfffc7a185eee97b896cf69b3df1657f35cd69ddaedd2701f3f",
            ),
            (
                3,
                "569c9ef23fb32531aae9745e569681f17dbd9bb913969586683120e744004864e7fb5ae38e5628e7aa3722902d60098b",
            ),
            (
                4,
                "b796708a94e68da7b4b36a3d16ad5149bd70817d341c887021710cf0e5d71f4d6135e92390da5e573f8895518190766d",
            ),
        ],
    );
}

/// Git hands them out with the same bytes on every system.
#[test]
fn every_file_ends_its_lines_alike_and_git_leaves_them_alone() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let attributes = std::fs::read_to_string(root.join(".gitattributes")).unwrap();
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
