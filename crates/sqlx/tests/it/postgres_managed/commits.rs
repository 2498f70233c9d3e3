//! Commits: all or nothing, and only for their owner.

use sqlx::AssertSqlSafe;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{
        AuditAction, ManageStore, Owner, Status,
        backend::{Authority, Cap, Commit, Idempotency, NewCredential, Requirements},
    },
};

use super::{
    Fixture, ORG, USER, code, digest, event, info, insert_commit, list_all, owners, update_commit,
};

/// A commit with every kind of write, for an owner who has `old` and `second`, the latter issued
/// with an idempotency key.
async fn large_commit(fixture: &Fixture, owner: &Owner) -> Commit {
    fixture.insert(info(owner, "old")).await;
    let mut second = insert_commit(info(owner, "second"));
    second.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("taken-test", [7; 32]));
    fixture.store.commit(&second).await.unwrap();
    let mut commit = insert_commit(info(owner, "new"));
    for id in ["old", "second"] {
        let before = fixture.get(owner, id).await;
        commit
            .changes
            .extend(update_commit(&before, |after| after.name = "renamed".into()).changes);
    }
    commit.events = vec![
        event(owner, "new", AuditAction::Issued),
        event(owner, "old", AuditAction::Renamed),
    ];
    commit
}

/// A sweep, for example, skips what is locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_commit_leaves_nothing_locked_when_it_returns() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let owner = Owner::Organization(ORG.into());
    fixture.insert(info(&owner, "k")).await;
    let mut outdated = fixture.get(&owner, "k").await;
    outdated.name = "another".into();
    let refused = update_commit(&outdated, |after| after.name = "new".into());
    let mut connection = fixture.cluster.connection().await;
    let lock = format!(
        "SELECT 1 FROM {}.credentials FOR UPDATE NOWAIT",
        fixture.schema
    );
    for _ in 0..200 {
        fixture.store.commit(&refused).await.unwrap_err();
        let lock = sqlx::query(AssertSqlSafe(lock.as_str()));
        lock.execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let good = large_commit(&fixture, &owner).await;
        type Break = fn(&mut Commit, &mut NewCredential);
        let table: [(&str, Break, &str); 10] = [
            (
                "no such owner",
                |commit, _| commit.owner = Owner::of(commit.owner.kind(), "nobody"),
                "unknown owner",
            ),
            (
                "impossible owner",
                |commit, _| commit.owner = Owner::of(commit.owner.kind(), "a\0"),
                "unknown owner",
            ),
            (
                "cap",
                |commit, _| commit.cap = Some(Cap::new(2, UnixMillis(1_000))),
                "cap reached",
            ),
            ("taken id", |_, new| new.info.id = "old".into(), "taken"),
            (
                "taken key",
                |_, new| new.idempotency = Some(Idempotency::new("taken-test", [8; 32])),
                "taken",
            ),
            (
                "one credential has changed",
                |commit, _| commit.changes[1].before.name = "another".into(),
                "changed",
            ),
            (
                "one credential is unknown",
                |commit, _| commit.changes[1].before.id = "nobody".into(),
                "changed",
            ),
            (
                "one credential twice",
                |commit, _| commit.changes[1] = commit.changes[0].clone(),
                "changed",
            ),
            (
                "a name that cannot be stored",
                |commit, _| commit.changes[1].after.name = "a\0".into(),
                "store",
            ),
            (
                "an event that cannot be stored",
                |commit, _| commit.events[1].origin = Some("a\0".into()),
                "store",
            ),
        ];
        let before = fixture.snapshot();
        for (name, break_it, expected) in table {
            let mut commit = good.clone();
            let mut insert = commit.insert.take().unwrap();
            break_it(&mut commit, &mut insert);
            commit.insert = Some(insert);
            let outcome = fixture.store.commit(&commit).await;
            assert_eq!(code(&outcome), expected, "{name}: {outcome:?}");
            assert_eq!(fixture.snapshot(), before, "{name}");
        }
        fixture.store.commit(&good).await.unwrap();
        assert_eq!(fixture.get(&owner, "new").await, good.insert.unwrap().info);
        for change in good.changes {
            assert_eq!(
                fixture.get(&owner, change.after.id.as_str()).await,
                change.after
            );
        }
        let events = fixture.store.events(&owner, None, 10).await.unwrap();
        let actions: Vec<_> = events
            .iter()
            .map(|event| (event.credential.as_str(), event.action))
            .collect();
        assert_eq!(
            actions,
            [("old", AuditAction::Renamed), ("new", AuditAction::Issued)]
        );
    }
}

#[tokio::test]
async fn the_first_of_several_reasons_is_returned() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let mut commit = large_commit(&fixture, &owner).await;
        commit.authority = unknown_key();
        commit.owner = Owner::of(owner.kind(), "nobody");
        commit.changes[0].before.name = "another".into();
        commit.insert.as_mut().unwrap().info.id = "old".into();
        commit.cap = Some(Cap::new(2, UnixMillis(1_000)));
        assert_eq!(code(&fixture.store.commit(&commit).await), "not permitted");
        commit.authority = Authority::Unconditional;
        assert_eq!(code(&fixture.store.commit(&commit).await), "unknown owner");
        commit.owner = owner;
        assert_eq!(code(&fixture.store.commit(&commit).await), "taken");
        commit.insert.as_mut().unwrap().info.id = "new".into();
        assert_eq!(code(&fixture.store.commit(&commit).await), "changed");
        commit.changes[0].before.name = "name of old".into();
        assert_eq!(code(&fixture.store.commit(&commit).await), "cap reached");
        commit.cap = Some(Cap::new(3, UnixMillis(1_000)));
        assert_eq!(code(&fixture.store.commit(&commit).await), "done");
    }
}

/// The authority of a key that does not exist.
fn unknown_key() -> Authority {
    let requirements = Requirements::new(UnixMillis(1_000));
    Authority::Credential {
        kind: Kind::OrgKey,
        id: "nobody".into(),
        requirements,
    }
}

#[tokio::test]
async fn a_token_digest_is_unique_across_owners() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, other) = &owners()[1];
    fixture.insert(info(owner, "old")).await;
    let mut thief = insert_commit(info(other, "new"));
    thief.insert.as_mut().unwrap().digest = digest(owner, "old");
    assert_eq!(code(&fixture.store.commit(&thief).await), "taken");
}

#[tokio::test]
async fn credentials_of_another_owner_are_unknown_and_untouched() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let [(organization, other_organization), (user, other_user)] = owners();
    for owner in [&organization, &user] {
        let mut commit = insert_commit(info(owner, "mine"));
        commit.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key-test", [1; 32]));
        commit
            .events
            .push(event(owner, "mine", AuditAction::Issued));
        fixture.store.commit(&commit).await.unwrap();
    }
    // Also an organization and a user with the same id.
    fixture.psql(&format!(
        "INSERT INTO users (id) VALUES ('{ORG}'); INSERT INTO organizations (id) VALUES ('{USER}')"
    ));
    let other_owners = [
        other_organization,
        other_user,
        Owner::User(ORG.into()),
        Owner::Organization(USER.into()),
        Owner::User("".into()),
    ];
    let before = fixture.snapshot();
    for other in other_owners {
        assert_eq!(
            fixture.store.credential(&other, "mine").await.unwrap(),
            None,
            "{other:?}"
        );
        assert_eq!(
            fixture
                .store
                .issued_under(&other, "key-test")
                .await
                .unwrap(),
            None,
            "{other:?}"
        );
        assert_eq!(
            fixture
                .store
                .credentials(&other, &list_all())
                .await
                .unwrap(),
            [],
            "{other:?}"
        );
        assert_eq!(
            fixture.store.events(&other, None, 10).await.unwrap(),
            [],
            "{other:?}"
        );
        for owner in [&organization, &user] {
            let mut commit = update_commit(&fixture.get(owner, "mine").await, |after| {
                after.status = Status::Deleted
            });
            commit.owner = other.clone();
            assert_eq!(
                code(&fixture.store.commit(&commit).await),
                "changed",
                "{other:?}"
            );
        }
        assert_eq!(fixture.snapshot(), before, "{other:?}");
    }
}

#[tokio::test]
async fn a_deleted_organization_can_change_credentials_but_not_add_any() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    fixture.insert(info(owner, "k")).await;
    fixture.psql("UPDATE organizations SET deleted = true");
    assert_eq!(
        code(
            &fixture
                .store
                .commit(&insert_commit(info(owner, "new")))
                .await
        ),
        "unknown owner"
    );
    let deletion = update_commit(&info(owner, "k"), |after| after.status = Status::Deleted);
    fixture.store.commit(&deletion).await.unwrap();
    assert_eq!(fixture.get(owner, "k").await.status, Status::Deleted);
}
