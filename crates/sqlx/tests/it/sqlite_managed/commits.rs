//! Commits: all or nothing, exact under concurrency, and never overwriting the change of another
//! writer.

use tower_api_key::{
    clock::UnixMillis,
    store::{
        AuditAction, Directory, ManageStore, Status, WriteError,
        backend::{Commit, Idempotency, NewCredential},
    },
};

use super::{
    File, add, capped, info, insert_commit, new_credential, organization, owners, update_commit,
    user,
};

#[tokio::test]
async fn a_refused_commit_leaves_nothing() {
    let file = File::new().await;
    let store = file.open().await;
    let alpha = organization("alpha");
    let existing = add(&store, info(&alpha, "existing")).await;
    let token = NewCredential {
        idempotency: Some(Idempotency::new("key", [1; 32])),
        ..new_credential(info(&user("alpha"), "token"))
    };
    store.commit(&insert_commit(token.clone())).await.unwrap();
    store.create_organization("gone", None).await.unwrap();
    store.delete_organization("gone").await.unwrap();

    let mut stale = existing.clone();
    stale.name = "another name".into();
    let with_changes = |commit: Commit, of: &[&Commit]| {
        let changes = of
            .iter()
            .flat_map(|commit| commit.changes.clone())
            .collect();
        Commit { changes, ..commit }
    };
    let good = update_commit(&existing, |info| info.name = "new".into());
    let bad = update_commit(&stale, |info| info.status = Status::Deleted);
    let unknown = update_commit(&info(&alpha, "unknown"), |info| info.name = "new".into());
    let new = || insert_commit(new_credential(info(&alpha, "new")));
    let digest = NewCredential {
        digest: token.digest.clone(),
        ..new_credential(info(&user("beta"), "new"))
    };
    let key = NewCredential {
        idempotency: token.idempotency.clone(),
        ..new_credential(info(&user("alpha"), "new"))
    };
    let nul = new_credential(info(&alpha, "a\0b"));

    let before = file.rows().await;
    for (name, commit, expected) in [
        (
            "no such organization",
            insert_commit(new_credential(info(&organization("nowhere"), "new"))),
            "UnknownOrganization",
        ),
        (
            "a deleted organization",
            insert_commit(new_credential(info(&organization("gone"), "new"))),
            "UnknownOrganization",
        ),
        (
            "no such user",
            insert_commit(new_credential(info(&user("nobody"), "new"))),
            "UnknownUser",
        ),
        (
            "the cap",
            capped(new_credential(info(&alpha, "new")), 1),
            "CapReached(1)",
        ),
        (
            "a taken id comes before the cap",
            capped(new_credential(info(&alpha, "existing")), 1),
            "Taken(\"existing\")",
        ),
        (
            "a changed credential comes before the cap",
            with_changes(capped(new_credential(info(&alpha, "new")), 1), &[&bad]),
            "Changed",
        ),
        (
            "a taken id",
            insert_commit(new_credential(info(&alpha, "existing"))),
            "Taken(\"existing\")",
        ),
        (
            "a taken id comes before a change",
            with_changes(
                insert_commit(new_credential(info(&alpha, "existing"))),
                &[&bad],
            ),
            "Taken(\"existing\")",
        ),
        ("a token's digest", insert_commit(digest), "Taken(\"new\")"),
        ("an idempotency key", insert_commit(key), "Taken(\"new\")"),
        (
            "an update of a changed credential",
            with_changes(new(), &[&good, &bad]),
            "Changed",
        ),
        (
            "an update of an unknown credential",
            with_changes(new(), &[&good, &unknown]),
            "Changed",
        ),
        (
            "the same update twice",
            with_changes(new(), &[&good, &good]),
            "Changed",
        ),
        ("an id with NUL", insert_commit(nul), "InvalidId("),
    ] {
        let refused = format!("{:?}", store.commit(&commit).await.expect_err(name));
        assert!(refused.starts_with(expected), "{name}: {refused}");
        assert_eq!(file.rows().await, before, "{name}");
    }
    store
        .commit(&new())
        .await
        .expect("no partial commit holds the id");
}

#[tokio::test]
async fn a_commit_is_logged_and_its_events_are_numbered() {
    let file = File::new().await;
    let store = file.open().await;
    let old = add(&store, info(&organization("alpha"), "old")).await;
    let mut commit = update_commit(&old, |info| info.rotated_to = Some("new".into()));
    let new = insert_commit(new_credential(info(&old.owner, "new")));
    commit.insert = new.insert;
    commit.events.extend(new.events);
    store.commit(&commit).await.unwrap();
    let log = "SELECT count(*) FROM tower_api_key_changes WHERE subject = 'credential' \
               AND kind = 'org_key'
        AND id IN ('old', 'new')";
    assert_eq!(
        file.query_number(log).await,
        3,
        "two inserts and one update"
    );
    let events = store.events(&old.owner, None, 10).await.unwrap();
    let actions: Vec<_> = events
        .iter()
        .map(|event| (event.action, event.credential.as_str()))
        .collect();
    assert_eq!(
        actions,
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

#[tokio::test]
async fn another_owners_credential_is_unknown_and_untouched() {
    let file = File::new().await;
    let store = file.open().await;
    for owner in owners() {
        let id = format!("{}-{}", owner.id(), owner.kind().as_str());
        let mine = info(&owner, &id);
        let keyed = NewCredential {
            idempotency: Some(Idempotency::new(id, [1; 32])),
            ..new_credential(mine.clone())
        };
        store.commit(&insert_commit(keyed)).await.unwrap();
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
                .credentials(other, &super::lists::list_all())
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
                ..update_commit(&mine, |info| info.name = "stolen".into())
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
async fn concurrent_changes_are_not_overwritten() {
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
            let enabling = update_commit(&read, |info| info.status = Status::Active);
            assert!(
                matches!(store.commit(&enabling).await, Err(WriteError::Changed)),
                "{by_hand}"
            );
            assert_eq!(file.rows().await, before, "{by_hand}");
            read = store.credential(&owner, "one").await.unwrap().unwrap();
        }
        let renamed = update_commit(&read, |info| info.name = "by another".into());
        other.commit(&renamed).await.unwrap();
        let late = update_commit(&read, |info| info.name = "by this one".into());
        assert!(matches!(
            store.commit(&late).await,
            Err(WriteError::Changed)
        ));
        let kept = store.credential(&owner, "one").await.unwrap().unwrap();
        assert_eq!(&*kept.name, "by another");
        file.by_hand("DELETE FROM tower_api_key_credentials").await;
    }
}
