//! Acknowledged changes survive `kill -9`: a child process that creates and deletes credentials is
//! killed at a random moment.
//!
//! ```text
//! KILLS=100 cargo test -p tower-api-key-sqlx --all-features --test it sqlite_kill -- --nocapture
//! ```

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, Status},
};

use sqlx::{Connection, SqliteConnection};
use tower_api_key_sqlx::SqliteStore;

/// Set only for the child; without it, the test `child` does nothing.
const CHILD: &str = "SQLITE_KILL_TEST_CHILD";
const ROUND: &str = "SQLITE_KILL_TEST_ROUND";

fn digest(id: &str) -> Digest {
    Digest::of(format!("kill-test-{id}").as_bytes())
}

async fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path, Catalogue::anyreach())
        .await
        .unwrap()
}

/// Not a test but the process to be killed. Prints each change once it is acknowledged.
#[tokio::test]
async fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let round = std::env::var(ROUND).unwrap();
    let store = open(path).await;
    let print = |word: &str, id: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {id}").unwrap();
        out.flush().unwrap();
    };
    for number in 0.. {
        let id = format!("{round}-{number}");
        let key = Record::org_key(&*id, digest(&id), "org_1")
            .with_role("viewer", store.catalogue())
            .unwrap();
        store.insert(key).await.unwrap();
        print("created", &id);
        store
            .insert(Record::personal_token(&*id, digest(&id), "alice"))
            .await
            .unwrap();
        print("created-token", &id);
        if number % 2 == 0 {
            store
                .delete(&Owner::of(Kind::OrgKey, "org_1"), &id)
                .await
                .unwrap();
            print("deleted", &id);
        }
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_kill_9_and_none_is_partial() {
    let kills: u32 = std::env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "viewer").await.unwrap();
    store.close().await;

    let mut acknowledged = Vec::new();
    for round in 0..kills {
        acknowledged.extend(run_and_kill_after(
            &path,
            round,
            1 + random() % 40,
            random() % 2_000_000,
        ));
        verify(&path, &acknowledged).await;
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{kills} kills, {} acknowledged changes, none lost, none partial",
        acknowledged.len()
    )
    .unwrap();
}

/// Runs a child, kills it some time after `lines` acknowledgements and returns all of them.
fn run_and_kill_after(path: &Path, round: u32, lines: u64, spins: u64) -> Vec<(String, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["sqlite_kill::child", "--exact", "--nocapture"])
        .env(CHILD, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((word @ ("created" | "created-token" | "deleted"), id)) = line.split_once(' ') {
            acknowledged.push((word.to_owned(), id.to_owned()));
        }
        if acknowledged.len() as u64 == lines {
            assert_ne!(
                (0..spins).fold(1, |sum, spin| std::hint::black_box(sum | spin)),
                0
            );
            child.kill().unwrap(); // SIGKILL, by the child's own process id
        }
    }
    let status = child.wait().unwrap();
    assert!(
        !status.success() && acknowledged.len() as u64 >= lines,
        "the child ended by itself: {status}"
    );
    acknowledged
}

async fn verify(path: &Path, acknowledged: &[(String, String)]) {
    let store = open(path).await;
    let mut keys = BTreeMap::new();
    for (word, id) in acknowledged {
        match &**word {
            "created-token" => {
                let digest = digest(id);
                let lookup =
                    Lookup::new(LookupKey::PersonalToken { digest: &digest }, Some("org_1"));
                let found = store
                    .find(&lookup)
                    .await
                    .unwrap()
                    .expect("an acknowledged token exists");
                assert_eq!(
                    (found.id(), found.status(), found.role()),
                    (&**id, Status::Active, Some("viewer"))
                );
            }
            word => drop(keys.insert(
                id,
                if word == "created" {
                    Status::Active
                } else {
                    Status::Deleted
                },
            )),
        }
    }
    for (id, status) in keys {
        let found = store
            .find(&Lookup::new(LookupKey::OrgKey { id }, None))
            .await
            .unwrap();
        let found = found.expect("an acknowledged key exists");
        assert_eq!(found.digest().to_bytes(), digest(id).to_bytes());
        // A deletion may have been committed without being acknowledged yet.
        assert!(
            found.status() == status || found.status() == Status::Deleted,
            "{id}: {found:?}"
        );
        assert_eq!(
            (found.role(), found.organization().map(|o| o.as_str())),
            (Some("viewer"), Some("org_1"))
        );
    }
    store.close().await;
    let mut db = SqliteConnection::connect_with(&SqliteStore::options(path))
        .await
        .unwrap();
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(check, "ok");
    let unlogged = "SELECT count(*) FROM tower_api_key_credentials c
        LEFT JOIN (SELECT kind, id, count(*) AS times FROM tower_api_key_changes GROUP BY kind, \
        id) l
            ON l.kind = c.kind AND l.id = c.id
        WHERE coalesce(l.times, 0) <> CASE c.status WHEN 'deleted' THEN 2 ELSE 1 END";
    let unlogged: i64 = sqlx::query_scalar(unlogged)
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(
        unlogged, 0,
        "each change is stored together with its row in the log"
    );
}

/// Random, because the standard library seeds each hasher differently.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
