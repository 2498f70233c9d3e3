//! Caps, idempotency keys and changes are exact when commits run concurrently.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::timeout;
use tower_api_key::{
    clock::UnixMillis,
    store::{
        AuditAction, CredentialInfo, ManageStore, Status,
        backend::{Cap, Commit, Idempotency},
    },
};

use super::{Fixture, code, event, info, insert_commit, owners, update_commit};

/// Runs each commit in a task of its own and returns how many succeeded and how many were refused
/// with `refusal`.
async fn race(
    fixture: &Fixture,
    commits: impl Iterator<Item = Commit>,
    refusal: &str,
) -> (usize, usize) {
    let tasks = commits.map(|commit| {
        let store = fixture.store.clone();
        tokio::spawn(async move { store.commit(&commit).await })
    });
    let mut counts = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => counts.0 += 1,
            outcome if code(&outcome) == refusal => counts.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_is_exact_under_sixteen_concurrent_commits() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        for round in 0..5 {
            let commits = (0..16).map(|number| {
                let mut commit = insert_commit(info(&owner, &format!("round{round}-{number}")));
                commit.cap = Some(Cap::new((round + 1) * 5, UnixMillis(1_000)));
                commit
            });
            assert_eq!(race(&fixture, commits, "cap reached").await, (5, 11));
        }
    }
}

#[tokio::test]
async fn a_cap_counts_only_usable_credentials() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, other) in owners() {
        fixture.insert(info(&other, "others")).await;
        type Make = fn(&mut CredentialInfo);
        let table: [(&str, bool, Make); 7] = [
            ("active", true, |_| {}),
            ("disabled", false, |old| old.status = Status::Disabled),
            ("deleted", false, |old| old.status = Status::Deleted),
            ("expires-then", false, |old| {
                old.expires_at = Some(UnixMillis(5_000))
            }),
            ("expires-later", true, |old| {
                old.expires_at = Some(UnixMillis(5_001))
            }),
            ("rotated", true, |old| {
                old.rotated_to = Some("active".into())
            }),
            ("rotated-and-over", false, |old| {
                (old.rotated_to, old.expires_at) = (Some("active".into()), Some(UnixMillis(4_000)));
            }),
        ];
        let at = UnixMillis(5_000);
        let mut counted = 0;
        for (name, counts, make) in table {
            let mut old = info(&owner, name);
            make(&mut old);
            fixture.insert(old).await;
            counted += u32::from(counts);
            let mut new = insert_commit(info(&owner, &format!("after-{name}")));
            new.cap = Some(Cap::new(counted, at));
            assert_eq!(
                code(&fixture.store.commit(&new).await),
                "cap reached",
                "{name}"
            );
            // A credential that the same commit ends makes room.
            let active = fixture.get(&owner, "active").await;
            new.changes = update_commit(&active, |after| after.status = Status::Deleted).changes;
            new.events = vec![{
                let mut event = event(&owner, "active", AuditAction::Issued);
                event.origin = Some("a\0".into());
                event
            }];
            assert_eq!(
                code(&fixture.store.commit(&new).await),
                "store",
                "{name}: the commit is below the cap"
            );
        }
        let disabled = fixture.get(&owner, "disabled").await;
        let mut enabling = update_commit(&disabled, |after| after.status = Status::Active);
        enabling.cap = Some(Cap::new(counted, at));
        assert_eq!(
            code(&fixture.store.commit(&enabling).await),
            "cap reached",
            "the cap applies to enabling"
        );
        enabling.cap = Some(Cap::new(counted + 1, at));
        assert_eq!(code(&fixture.store.commit(&enabling).await), "done");
        let mut none = insert_commit(info(&other, "none"));
        none.cap = Some(Cap::new(0, at));
        assert_eq!(
            code(&fixture.store.commit(&none).await),
            "cap reached",
            "a cap of zero allows none"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_used_once_per_owner() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, other) in owners() {
        for (owner, prefix) in [(&owner, "a"), (&other, "b")] {
            let commits = (0..16).map(|number| {
                let mut commit = insert_commit(info(owner, &format!("{prefix}{number}")));
                commit.insert.as_mut().unwrap().idempotency =
                    Some(Idempotency::new("key-test", [number; 32]));
                commit
            });
            assert_eq!(race(&fixture, commits, "taken").await, (1, 15));
            let issued = fixture
                .store
                .issued_under(owner, "key-test")
                .await
                .unwrap()
                .unwrap();
            let id = format!("{prefix}{}", issued.fingerprint[0]);
            assert_eq!(issued.info, info(owner, &id));
        }
        assert_eq!(
            fixture
                .store
                .issued_under(&owner, "Key-test")
                .await
                .unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn concurrent_changes_are_not_overwritten() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let table = [
        ("name", "name = 'theirs'"),
        ("status", "status = 'disabled'"),
        ("deletion", "status = 'deleted'"),
        ("expiry, from never", "expires_at = 9000"),
        ("expiry, to never", "expires_at = NULL"),
        (
            "successor, from none",
            "rotated_to = 'theirs', rotated_at = 4000",
        ),
        ("successor, to none", "rotated_to = NULL"),
    ];
    for (owner, _) in owners() {
        for (at, (name, theirs)) in table.iter().enumerate() {
            let id = format!("k{at}");
            let mut old = info(&owner, &id);
            if theirs.ends_with("NULL") {
                (old.expires_at, old.rotated_to) =
                    (Some(UnixMillis(8_000)), Some("successor".into()));
            }
            fixture.insert(old).await;
            let commit = update_commit(&fixture.get(&owner, &id).await, |after| {
                (after.name, after.status) = ("ours".into(), Status::Disabled);
                (after.rotated_to, after.rotated_at) =
                    (Some("ours".into()), Some(UnixMillis(5_000)));
            });
            fixture.psql(&format!(
                "UPDATE credentials SET {theirs} WHERE id = '{id}' AND kind = '{}'",
                owner.kind().as_str()
            ));
            let before = fixture.snapshot();
            assert_eq!(
                code(&fixture.store.commit(&commit).await),
                "changed",
                "{name}"
            );
            assert_eq!(fixture.snapshot(), before, "{name}");
            // After another read, the commit succeeds.
            let again = update_commit(&fixture.get(&owner, &id).await, |after| {
                after.name = "ours".into()
            });
            fixture.store.commit(&again).await.unwrap();
            assert_eq!(
                fixture.get(&owner, &id).await,
                again.changes[0].after,
                "{name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_waits_for_an_uncommitted_rename() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        fixture.insert(info(&owner, "k")).await;
        let commit = update_commit(&fixture.get(&owner, "k").await, |after| {
            after.status = Status::Disabled
        });
        let mut connection = fixture.cluster.connection().await;
        let mut theirs = connection.begin().await.unwrap();
        let sql = format!(
            "UPDATE {}.credentials SET name = 'theirs' WHERE id = 'k'",
            fixture.schema
        );
        theirs.execute(AssertSqlSafe(sql)).await.unwrap();
        let store = fixture.store.clone();
        let ours = tokio::spawn(async move { store.commit(&commit).await });
        fixture.wait_for_lock(1, &ours).await;
        theirs.commit().await.unwrap();
        assert_eq!(code(&ours.await.unwrap()), "changed");
        let kept = fixture.get(&owner, "k").await;
        assert_eq!((&*kept.name, kept.status), ("theirs", Status::Active));
    }
}

/// A reader of an owner's events up to some number has therefore missed none below it.
#[tokio::test(flavor = "multi_thread")]
async fn commits_of_one_owner_are_serialized() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, other) in owners() {
        fixture.insert(info(&owner, "k")).await;
        let mut first = fixture.cluster.connection().await;
        let mut first = first.begin().await.unwrap();
        let sql = format!(
            "SELECT FROM {}.owner_turns WHERE kind = '{}' AND id = '{}' FOR NO KEY UPDATE",
            fixture.schema,
            owner.kind().as_str(),
            owner.id()
        );
        first.execute(AssertSqlSafe(sql)).await.unwrap();
        let mut commit = update_commit(&info(&owner, "k"), |after| after.name = "renamed".into());
        commit.events.push(event(&owner, "k", AuditAction::Renamed));
        let store = fixture.store.clone();
        let second = tokio::spawn(async move { store.commit(&commit).await });
        // A commit of another owner does not wait.
        let others = fixture.insert(info(&other, "another"));
        timeout(Duration::from_secs(60), others)
            .await
            .expect("another owner does not wait");
        fixture.wait_for_lock(1, &second).await;
        assert_eq!(fixture.get(&owner, "k").await.name, info(&owner, "k").name);
        first.rollback().await.unwrap();
        second.await.unwrap().unwrap();
    }
}
