//! Caps and idempotency keys are exact, also under concurrency.

use tower_api_key::{
    clock::UnixMillis,
    store::{
        CredentialInfo, ManageStore, Owner, Status, WriteError,
        backend::{Cap, Commit, Idempotency, NewCredential},
    },
};
use tower_api_key_sqlx::SqliteStore;

use super::{
    File, add, capped, in_memory, info, insert_commit, new_credential, organization, owners,
    update_commit, user,
};

/// Runs sixteen commits at once in two pools, as in two processes, and returns the refusals.
async fn commit_sixteen(file: &File, commit_of: impl Fn(usize) -> Commit) -> Vec<WriteError> {
    let stores = [file.open().await, file.open().await];
    let writers = (0..16).map(|number| {
        let (store, commit): (SqliteStore, _) = (stores[number % 2].clone(), commit_of(number));
        tokio::spawn(async move { store.commit(&commit).await })
    });
    let mut refused = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        refused.extend(writer.await.unwrap().err());
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_is_exact_under_concurrent_inserts() {
    let file = File::new().await;
    for owner in [organization("alpha"), user("alpha")] {
        add(&file.open().await, info(&owner, "first")).await;
        let id = |number| format!("k{number}-{}", owner.kind().as_str());
        let refused = commit_sixteen(&file, |number| {
            capped(new_credential(info(&owner, &id(number))), 5)
        });
        let refused = refused.await;
        assert_eq!(refused.len(), 12, "{owner:?}: {refused:?}");
        assert!(
            refused
                .iter()
                .all(|error| matches!(error, WriteError::CapReached(5))),
            "{refused:?}"
        );
    }
    assert_eq!(
        file.query_number("SELECT count(*) FROM tower_api_key_credentials")
            .await,
        2 * 5
    );
    assert_eq!(
        file.query_number("SELECT count(*) FROM tower_api_key_events")
            .await,
        2 * 5
    );
}

#[tokio::test]
async fn the_cap_counts_only_usable_credentials() {
    for owner in owners() {
        let store = in_memory().await;
        for other in owners().iter().filter(|other| **other != owner) {
            add(
                &store,
                info(
                    other,
                    &format!("another-{}-{}", other.id(), other.kind().as_str()),
                ),
            )
            .await;
        }
        type Case = (&'static str, bool, fn(&mut CredentialInfo));
        let cases: [Case; 7] = [
            ("deleted", false, |info| info.status = Status::Deleted),
            ("expired at that moment", false, |info| {
                info.expires_at = Some(info.created_at)
            }),
            ("rotated, in its overlap", true, |info| {
                info.rotated_to = Some("another".into());
                info.expires_at = Some(UnixMillis(info.created_at.0 + 1));
            }),
            ("rotated, after its overlap", false, |info| {
                info.rotated_to = Some("another".into());
                info.expires_at = Some(info.created_at);
            }),
            ("expires a moment later", true, |info| {
                info.expires_at = Some(UnixMillis(info.created_at.0 + 1))
            }),
            ("disabled", false, |info| info.status = Status::Disabled),
            ("active", true, |_| {}),
        ];
        let mut count = 0;
        for (name, counts, change) in cases {
            let id = name.replace([' ', ','], "-");
            let mut new = info(&owner, &id);
            change(&mut new);
            add(&store, new).await;
            count += u32::from(counts);
            let at_most = |cap| capped(new_credential(info(&owner, &format!("after-{id}"))), cap);
            let refused = store.commit(&at_most(count)).await;
            assert!(
                matches!(refused, Err(WriteError::CapReached(cap)) if cap == count),
                "{name}: {refused:?}"
            );
            store.commit(&at_most(count + 1)).await.expect(name);
            count += 1;
        }
    }
}

/// The cap is checked after all changes of the commit: a rotation replaces, and enabling adds.
#[tokio::test]
async fn the_cap_applies_to_the_result_of_a_commit() {
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        let old = add(&store, info(&owner, "old")).await;
        let off = add(&store, {
            let mut info = info(&owner, "off");
            info.status = Status::Disabled;
            info
        })
        .await;
        let rotated = |id: &str, end: Status| {
            let changes = update_commit(&old, |info| {
                info.rotated_to = Some(id.into());
                info.status = end;
            });
            Commit {
                changes: changes.changes,
                ..capped(new_credential(info(&owner, id)), 1)
            }
        };
        let enabled = Commit {
            cap: Some(Cap::new(1, UnixMillis(super::NOW))),
            ..update_commit(&off, |info| info.status = Status::Active)
        };
        for refused in [rotated("new", Status::Active), enabled.clone()] {
            assert!(
                matches!(store.commit(&refused).await, Err(WriteError::CapReached(1))),
                "{refused:?}"
            );
        }
        store
            .commit(&rotated("new", Status::Deleted))
            .await
            .unwrap();
        assert!(matches!(
            store.commit(&enabled).await,
            Err(WriteError::CapReached(1))
        ));
        store.delete(&owner, "new").await.unwrap();
        store.commit(&enabled).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idempotency_key_is_used_once_per_owner() {
    let file = File::new().await;
    let keyed = |owner: &Owner, number: usize| NewCredential {
        idempotency: Some(Idempotency::new("key", [u8::try_from(number).unwrap(); 32])),
        ..new_credential(info(
            owner,
            &format!("{number}-{}-{}", owner.id(), owner.kind().as_str()),
        ))
    };
    let store = file.open().await;
    for owner in owners() {
        assert_eq!(store.issued_under(&owner, "key").await.unwrap(), None);
        let refused = commit_sixteen(&file, |number| insert_commit(keyed(&owner, number))).await;
        assert_eq!(refused.len(), 15, "{owner:?}: {refused:?}");
        assert!(
            refused
                .iter()
                .all(|error| matches!(error, WriteError::Taken(_))),
            "{refused:?}"
        );
        let issued = store.issued_under(&owner, "key").await.unwrap().unwrap();
        let winner = issued.info;
        assert_eq!(winner, keyed(&owner, issued.fingerprint[0].into()).info);
        store
            .commit(&update_commit(&winner, |info| {
                info.status = Status::Deleted
            }))
            .await
            .unwrap();
        let again = store.commit(&insert_commit(keyed(&owner, 16))).await;
        assert!(
            matches!(again, Err(WriteError::Taken(_))),
            "still taken after its deletion: {again:?}"
        );
        assert!(store.issued_under(&owner, "KEY").await.unwrap().is_none());
    }
}
