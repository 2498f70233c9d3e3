//! Ending succeeds whatever the holder does, and an actor who has lost the right changes nothing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    scope::ScopeSet,
    store::{
        AuditAction, AuditActor, CredentialInfo, Directory, ManageStore, Owner, Status, WriteError,
        backend::{Authority, Commit, EndStatus, EndTarget, Ending, Requirements},
    },
};
use tower_api_key_sqlx::SqliteStore;

use super::{
    File, NOW, add, info, insert_commit, lists, new_credential, organization, raw, update_commit,
    user,
};

fn ending(owner: &Owner, target: EndTarget, to: EndStatus, authority: Authority) -> Ending {
    Ending {
        owner: owner.clone(),
        target,
        to,
        authority,
        at: UnixMillis(NOW),
        action: AuditAction::Deleted,
        by: AuditActor::Operator("test".into()),
        origin: Some("origin".into()),
    }
}

/// Renames and enables the owner's credentials continuously, as a thief would.
async fn keep_alive(store: SqliteStore, owner: Owner, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        for before in store.credentials(&owner, &lists::list_all()).await.unwrap() {
            let change = update_commit(&before, |info| {
                info.name = format!("{number}").into();
                info.status = Status::Active;
            });
            _ = store.commit(&change).await; // other tasks conflict
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ending_succeeds_on_the_first_call_whatever_the_holder_does() {
    let file = File::new().await;
    for owner in [organization("alpha"), user("alpha")] {
        let stores = [file.open().await, file.open().await];
        let stop = Arc::new(AtomicBool::new(false));
        let holders = (0..64).map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(keep_alive(store, owner.clone(), Arc::clone(&stop)))
        });
        let holders: Vec<_> = holders.collect();
        let store = &stores[0];
        for number in 0..10 {
            let ids =
                ["a", "b", "c"].map(|name| format!("{name}{number}-{}", owner.kind().as_str()));
            for id in &ids {
                add(store, info(&owner, id)).await;
            }
            let one = EndTarget::One(ids[0].as_str().into());
            for to in [EndStatus::Disabled, EndStatus::Deleted] {
                // A holder may have enabled it again, and then it is disabled again. It is never
                // missed.
                store
                    .end(&ending(&owner, one.clone(), to, Authority::Unconditional))
                    .await
                    .unwrap();
            }
            let deleted = store.credential(&owner, &ids[0]).await.unwrap().unwrap();
            assert_eq!(deleted.status, Status::Deleted);
            let all = store
                .end(&ending(
                    &owner,
                    EndTarget::All,
                    EndStatus::Deleted,
                    Authority::Unconditional,
                ))
                .await
                .unwrap();
            assert_eq!(all.len(), 2, "{all:?}");
            assert_eq!(
                store.credentials(&owner, &lists::list_all()).await.unwrap(),
                []
            );
        }
        stop.store(true, Ordering::Relaxed);
        for holder in holders {
            holder.await.unwrap();
        }
    }
}

/// One tenant's changes, however many, let another tenant's revocation wait for two of them at
/// most.
#[tokio::test]
async fn a_revocation_does_not_wait_for_a_flood_of_changes() {
    let file = File::new().await;
    let store = file.open().await;
    let busy = organization("alpha");
    let one = add(&store, info(&busy, "busy")).await;
    add(&store, info(&organization("beta"), "leaked")).await;
    let mut other_process = raw(&file.path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other_process)
        .await
        .unwrap();

    let made = Arc::new(AtomicUsize::new(0));
    let changes = (0..200).map(|number| {
        let (store, made) = (store.clone(), Arc::clone(&made));
        let rename = update_commit(&one, |info| info.name = format!("{number}").into());
        tokio::spawn(async move {
            _ = store.commit(&rename).await; // all but one conflict
            made.fetch_add(1, Ordering::SeqCst);
        })
    });
    let changes: Vec<_> = changes.collect();
    tokio::task::yield_now().await; // each of them has begun
    let revocation = {
        let (store, made) = (store.clone(), Arc::clone(&made));
        tokio::spawn(async move {
            let leaked = EndTarget::One("leaked".into());
            let (owner, to) = (organization("beta"), EndStatus::Deleted);
            let ended = store
                .end(&ending(&owner, leaked, to, Authority::Unconditional))
                .await;
            assert_eq!(ended.unwrap().len(), 1);
            made.load(Ordering::SeqCst)
        })
    };
    tokio::task::yield_now().await;
    assert_eq!(made.load(Ordering::SeqCst), 0, "all of them wait");
    sqlx::raw_sql("COMMIT")
        .execute(&mut other_process)
        .await
        .unwrap();
    let before = revocation.await.unwrap();
    assert!(before <= 2, "{before} changes were made before it");
    for change in changes {
        change.await.unwrap();
    }
}

#[tokio::test]
async fn ending_stores_events_and_touches_no_other_owner() {
    for owner in super::owners() {
        let file = File::new().await;
        let store = file.open().await;
        for owner in super::owners() {
            for id in ["one", "two", "off", "dead"] {
                let mut new = info(
                    &owner,
                    &format!("{id}-{}-{}", owner.id(), owner.kind().as_str()),
                );
                match id {
                    "off" => new.status = Status::Disabled,
                    "dead" => new.status = Status::Deleted,
                    _ => {}
                }
                add(&store, new).await;
            }
        }
        let name = |id: &str| format!("{id}-{}-{}", owner.id(), owner.kind().as_str());
        for other in super::owners().into_iter().filter(|other| *other != owner) {
            let one = EndTarget::One(name("one").as_str().into());
            let ended = store
                .end(&ending(
                    &other,
                    one,
                    EndStatus::Deleted,
                    Authority::Unconditional,
                ))
                .await
                .unwrap();
            assert_eq!(ended, [], "{other:?} can end a credential of {owner:?}");
        }
        let disabled = ending(
            &owner,
            EndTarget::All,
            EndStatus::Disabled,
            Authority::Unconditional,
        );
        let mut ended = store.end(&disabled).await.unwrap();
        ended.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        assert_eq!(
            ended.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
            [name("one"), name("two")]
        );
        let deleted = ending(
            &owner,
            EndTarget::All,
            EndStatus::Deleted,
            Authority::Unconditional,
        );
        assert_eq!(store.end(&deleted).await.unwrap().len(), 3);
        assert_eq!(store.end(&deleted).await.unwrap(), []);
        let events = store.events(&owner, None, 100).await.unwrap();
        assert_eq!(events.len(), 4 + 2 + 3);
        assert!(
            events[..5]
                .iter()
                .all(|event| event.origin.as_deref() == Some("origin") && event.number > Some(0))
        );
        let active = "SELECT count(*) FROM tower_api_key_credentials WHERE status = 'active'";
        assert_eq!(file.query_number(active).await, 3 * 2);
    }
}

fn requirements(organization: Option<&str>, scopes: &[&str]) -> Requirements {
    let mut needed = Requirements::new(UnixMillis(NOW));
    needed.organization = organization.map(Into::into);
    needed.scopes = scopes.iter().copied().collect::<ScopeSet>();
    needed
}

/// The actor changes between the decision and the change.
#[tokio::test]
async fn an_actor_who_lost_the_right_meanwhile_changes_nothing() {
    let actors = [
        Authority::Credential {
            kind: Kind::OrgKey,
            id: "key".into(),
            requirements: requirements(Some("alpha"), &["agents:read"]),
        },
        Authority::Credential {
            kind: Kind::PersonalToken,
            id: "token".into(),
            requirements: requirements(Some("alpha"), &["agents:read"]),
        },
        Authority::User {
            id: "alpha".into(),
            requirements: requirements(Some("alpha"), &["agents:read"]),
        },
        Authority::Credential {
            kind: Kind::PersonalToken,
            id: "token".into(),
            requirements: requirements(None, &[]),
        },
        Authority::User {
            id: "alpha".into(),
            requirements: requirements(None, &[]),
        },
    ];
    let changes: [(&str, &[usize]); 12] = [
        ("SELECT 1", &[]),
        (
            "UPDATE tower_api_key_credentials SET status = 'deleted' WHERE id = 'key'",
            &[0],
        ),
        (
            "UPDATE tower_api_key_credentials SET status = 'disabled' WHERE id = 'token'",
            &[1, 3],
        ),
        (
            "UPDATE tower_api_key_credentials SET expires_at = 1 WHERE id = 'token'",
            &[1, 3],
        ),
        (
            "UPDATE tower_api_key_credentials SET expires_at = 9000000000000 WHERE id = 'key'",
            &[0],
        ),
        (
            "UPDATE tower_api_key_credentials SET scopes = '[]' WHERE id = 'key'",
            &[0],
        ),
        (
            "DELETE FROM tower_api_key_credentials WHERE id = 'token'",
            &[1, 3],
        ),
        ("UPDATE tower_api_key_users SET enabled = 0", &[1, 2, 3, 4]),
        ("DELETE FROM tower_api_key_memberships", &[1, 2]),
        (
            "UPDATE tower_api_key_organizations SET deleted = 1 WHERE id = 'alpha'",
            &[0, 1, 2],
        ),
        ("UPDATE tower_api_key_memberships SET role = 'viewer'", &[]),
        (
            "DELETE FROM tower_api_key_memberships; DELETE FROM tower_api_key_events;
             DELETE FROM tower_api_key_credentials WHERE id IN ('key', 'token'); \
             DELETE FROM tower_api_key_users",
            &[0, 1, 2, 3, 4],
        ),
    ];
    for (change, refused) in changes {
        for (number, authority) in actors.iter().enumerate() {
            let file = File::new().await;
            let store = file.open().await;
            store.set_member("alpha", "alpha", "admin").await.unwrap();
            add(&store, info(&organization("alpha"), "key")).await;
            add(&store, info(&user("alpha"), "token")).await;
            let target = add(&store, info(&organization("beta"), "target")).await;
            file.by_hand(change).await;
            let before = file.rows().await;
            let commit = |commit: Commit| Commit {
                authority: authority.clone(),
                ..commit
            };
            let issuing = commit(insert_commit(new_credential(info(&target.owner, "new"))));
            let renaming = commit(update_commit(&target, |info: &mut CredentialInfo| {
                info.name = "new".into()
            }));
            let one = EndTarget::One("target".into());
            let is_refused = refused.contains(&number);
            for ending in [
                ending(&target.owner, one, EndStatus::Disabled, authority.clone()),
                ending(
                    &target.owner,
                    EndTarget::All,
                    EndStatus::Deleted,
                    authority.clone(),
                ),
            ] {
                if is_refused {
                    let ended = store.end(&ending).await;
                    assert!(
                        matches!(ended, Err(WriteError::NotPermitted)),
                        "{change}, {authority:?}: {ended:?}"
                    );
                }
            }
            for commit in [&issuing, &renaming] {
                let committed = store.commit(commit).await;
                match is_refused {
                    true => assert!(
                        matches!(committed, Err(WriteError::NotPermitted)),
                        "{change}, {authority:?}: {committed:?}"
                    ),
                    false => assert!(committed.is_ok(), "{change}, {authority:?}: {committed:?}"),
                }
            }
            if is_refused {
                assert_eq!(file.rows().await, before, "{change}, {authority:?}");
            }
        }
    }
}
