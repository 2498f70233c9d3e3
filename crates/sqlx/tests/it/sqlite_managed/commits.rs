//! A commit is whole or not there, exact when many commit at once, and never over what somebody else wrote.

use tower_api_key::{
    clock::UnixMillis,
    store::{
        AuditAction, CredentialInfo, Directory, ManageStore, Owner, Status, WriteError,
        backend::{Cap, Commit, Idempotency, NewCredential},
    },
};
use tower_api_key_sqlx::SqliteStore;

use super::{
    File, add, adding, altering, capped, in_memory, info, insert, organization, owners, user,
};

#[tokio::test]
async fn a_commit_that_is_refused_leaves_nothing() {
    let file = File::new().await;
    let store = file.open().await;
    let alpha = organization("alpha");
    let there = add(&store, info(&alpha, "there")).await;
    let token = NewCredential {
        idempotency: Some(Idempotency::new("key", [1; 32])),
        ..insert(info(&user("alpha"), "token"))
    };
    store.commit(&adding(token.clone())).await.unwrap();
    store.create_organization("gone", None).await.unwrap();
    store.delete_organization("gone").await.unwrap();

    let mut stale = there.clone();
    stale.name = "another name".into();
    let with_changes = |commit: Commit, of: &[&Commit]| {
        let changes = of
            .iter()
            .flat_map(|commit| commit.changes.clone())
            .collect();
        Commit { changes, ..commit }
    };
    let good = altering(&there, |info| info.name = "new".into());
    let bad = altering(&stale, |info| info.status = Status::Deleted);
    let unknown = altering(&info(&alpha, "unknown"), |info| info.name = "new".into());
    let new = || adding(insert(info(&alpha, "new")));
    let digest = NewCredential {
        digest: token.digest.clone(),
        ..insert(info(&user("beta"), "new"))
    };
    let key = NewCredential {
        idempotency: token.idempotency.clone(),
        ..insert(info(&user("alpha"), "new"))
    };
    let nul = insert(info(&alpha, "a\0b"));

    let before = file.rows().await;
    for (name, commit, wanted) in [
        (
            "no such organization",
            adding(insert(info(&organization("nowhere"), "new"))),
            "UnknownOrganization",
        ),
        (
            "a deleted organization",
            adding(insert(info(&organization("gone"), "new"))),
            "UnknownOrganization",
        ),
        (
            "no such person",
            adding(insert(info(&user("nobody"), "new"))),
            "UnknownUser",
        ),
        (
            "the cap",
            capped(insert(info(&alpha, "new")), 1),
            "CapReached(1)",
        ),
        (
            "what is taken comes before the cap",
            capped(insert(info(&alpha, "there")), 1),
            "Taken(\"there\")",
        ),
        (
            "what was changed comes before the cap",
            with_changes(capped(insert(info(&alpha, "new")), 1), &[&bad]),
            "Changed",
        ),
        (
            "an id",
            adding(insert(info(&alpha, "there"))),
            "Taken(\"there\")",
        ),
        (
            "an id, before a change",
            with_changes(adding(insert(info(&alpha, "there"))), &[&bad]),
            "Taken(\"there\")",
        ),
        ("a token's digest", adding(digest), "Taken(\"new\")"),
        ("an idempotency key", adding(key), "Taken(\"new\")"),
        (
            "a change of what is not as it was read",
            with_changes(new(), &[&good, &bad]),
            "Changed",
        ),
        (
            "a change of what does not exist",
            with_changes(new(), &[&good, &unknown]),
            "Changed",
        ),
        (
            "twice the same change",
            with_changes(new(), &[&good, &good]),
            "Changed",
        ),
        ("an id with NUL", adding(nul), "InvalidId("),
    ] {
        let refused = format!("{:?}", store.commit(&commit).await.expect_err(name));
        assert!(refused.starts_with(wanted), "{name}: {refused}");
        assert_eq!(file.rows().await, before, "{name}");
    }
    store
        .commit(&new())
        .await
        .expect("nothing half-made takes its name");
}

#[tokio::test]
async fn a_commit_is_told_to_caches_and_its_events_are_numbered() {
    let file = File::new().await;
    let store = file.open().await;
    let old = add(&store, info(&organization("alpha"), "old")).await;
    let mut commit = altering(&old, |info| info.rotated_to = Some("new".into()));
    let new = adding(insert(info(&old.owner, "new")));
    commit.insert = new.insert;
    commit.events.extend(new.events);
    store.commit(&commit).await.unwrap();
    let log = "SELECT count(*) FROM tower_api_key_changes WHERE subject = 'credential' AND kind = 'org_key'
        AND id IN ('old', 'new')";
    assert_eq!(
        file.number(log).await,
        3,
        "the insert of each, and the change of the old one"
    );
    let events = store.events(&old.owner, None, 10).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.action, event.credential.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (AuditAction::Issued, "new"),
            (AuditAction::Renamed, "old"),
            (AuditAction::Issued, "old")
        ]
    );
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0].number > pair[1].number),
        "{events:?}"
    );
}

/// Sixteen at once, from two pools as from two processes; returns the refusals.
async fn sixteen(file: &File, commit_of: impl Fn(usize) -> Commit) -> Vec<WriteError> {
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
async fn the_cap_is_exact_when_many_insert_at_once() {
    let file = File::new().await;
    for owner in [organization("alpha"), user("alpha")] {
        add(&file.open().await, info(&owner, "first")).await;
        let id = |number| format!("k{number}-{}", owner.kind().as_str());
        let refused = sixteen(&file, |number| capped(insert(info(&owner, &id(number))), 5));
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
        file.number("SELECT count(*) FROM tower_api_key_credentials")
            .await,
        2 * 5
    );
    assert_eq!(
        file.number("SELECT count(*) FROM tower_api_key_events")
            .await,
        2 * 5
    );
}

#[tokio::test]
async fn the_cap_counts_what_is_accepted() {
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
        for (name, does, change) in cases {
            let id = name.replace([' ', ','], "-");
            let mut new = info(&owner, &id);
            change(&mut new);
            add(&store, new).await;
            count += u32::from(does);
            let at_most = |cap| capped(insert(info(&owner, &format!("after-{id}"))), cap);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idempotency_key_is_taken_once_by_each_owner() {
    let file = File::new().await;
    let keyed = |owner: &Owner, number: usize| NewCredential {
        idempotency: Some(Idempotency::new("key", [u8::try_from(number).unwrap(); 32])),
        ..insert(info(
            owner,
            &format!("{number}-{}-{}", owner.id(), owner.kind().as_str()),
        ))
    };
    let store = file.open().await;
    for owner in owners() {
        assert_eq!(store.issued_under(&owner, "key").await.unwrap(), None);
        let refused = sixteen(&file, |number| adding(keyed(&owner, number))).await;
        assert_eq!(refused.len(), 15, "{owner:?}: {refused:?}");
        assert!(
            refused
                .iter()
                .all(|error| matches!(error, WriteError::Taken(_))),
            "{refused:?}"
        );
        let issued = store.issued_under(&owner, "key").await.unwrap().unwrap();
        let won = issued.info;
        assert_eq!(won, keyed(&owner, issued.fingerprint[0].into()).info);
        store
            .commit(&altering(&won, |info| info.status = Status::Deleted))
            .await
            .unwrap();
        let again = store.commit(&adding(keyed(&owner, 16))).await;
        assert!(
            matches!(again, Err(WriteError::Taken(_))),
            "deleted, and still taken: {again:?}"
        );
        assert!(store.issued_under(&owner, "KEY").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn another_owners_credential_is_unknown_and_untouched() {
    let file = File::new().await;
    let store = file.open().await;
    for owner in owners() {
        let id = format!("{}-{}", owner.id(), owner.kind().as_str());
        let mine = info(&owner, &id);
        let keyed = NewCredential {
            idempotency: Some(Idempotency::new(id, [1; 32])),
            ..insert(mine.clone())
        };
        store.commit(&adding(keyed)).await.unwrap();
        let before = file.rows().await;
        for other in owners().iter().filter(|other| **other != owner) {
            let id = mine.id.as_str();
            assert_eq!(
                store.credential(other, id).await.unwrap(),
                None,
                "{other:?}"
            );
            assert_eq!(
                store.issued_under(other, id).await.unwrap(),
                None,
                "{other:?}"
            );
            let listed = store
                .credentials(other, &super::lists::all())
                .await
                .unwrap();
            assert!(
                listed
                    .iter()
                    .all(|info| info.owner == *other && info.id != mine.id),
                "{other:?}: {listed:?}"
            );
            let events = store.events(other, None, 100).await.unwrap();
            assert!(
                events
                    .iter()
                    .all(|event| event.owner == *other && event.credential != mine.id),
                "{events:?}"
            );
            let theirs = Commit {
                owner: other.clone(),
                ..altering(&mine, |info| info.name = "stolen".into())
            };
            assert!(
                matches!(store.commit(&theirs).await, Err(WriteError::Changed)),
                "{other:?}"
            );
        }
        assert_eq!(file.rows().await, before);
        assert_eq!(
            store.credential(&owner, mine.id.as_str()).await.unwrap(),
            Some(mine)
        );
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_since_it_was_read_is_not_overwritten() {
    let file = File::new().await;
    let (store, other) = (file.open().await, file.open().await);
    for owner in [organization("alpha"), user("alpha")] {
        let mut new = info(&owner, "one");
        new.expires_at = Some(UnixMillis(super::NOW + 1));
        let mut read = add(&store, new).await;
        for by_hand in [
            "status = 'deleted'",
            "status = 'disabled'",
            "expires_at = NULL",
            "expires_at = 1",
            "name = 'name of ONE'",
            "name = ''",
            "rotated_to = ''",
            "rotated_to = NULL",
        ] {
            file.by_hand(&format!(
                "UPDATE tower_api_key_credentials SET {by_hand} WHERE id = 'one'"
            ))
            .await;
            let before = file.rows().await;
            let enabling = altering(&read, |info| info.status = Status::Active);
            assert!(
                matches!(store.commit(&enabling).await, Err(WriteError::Changed)),
                "{by_hand}"
            );
            assert_eq!(file.rows().await, before, "{by_hand}");
            read = store.credential(&owner, "one").await.unwrap().unwrap();
        }
        let renamed = altering(&read, |info| info.name = "by another".into());
        other.commit(&renamed).await.unwrap();
        let late = altering(&read, |info| info.name = "by this one".into());
        assert!(matches!(
            store.commit(&late).await,
            Err(WriteError::Changed)
        ));
        let kept = store.credential(&owner, "one").await.unwrap().unwrap();
        assert_eq!(&*kept.name, "by another");
        file.by_hand("DELETE FROM tower_api_key_credentials").await;
    }
}

/// The changes of a commit count as made: a rotation replaces, and enabling adds.
#[tokio::test]
async fn the_cap_holds_after_all_of_a_commit() {
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
            let changes = altering(&old, |info| {
                info.rotated_to = Some(id.into());
                info.status = end;
            });
            Commit {
                changes: changes.changes,
                ..capped(insert(info(&owner, id)), 1)
            }
        };
        let enabled = Commit {
            cap: Some(Cap::new(1, UnixMillis(super::NOW))),
            ..altering(&off, |info| info.status = Status::Active)
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
