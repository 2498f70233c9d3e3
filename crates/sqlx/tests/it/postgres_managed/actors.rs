//! Actors: a commit and the revocation of its actor wait for each other, in either order.

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    store::{
        Directory, ManageStore, Owner, Status, WriteError,
        backend::{Authority, EndTarget, Ending, Requirements},
    },
};

use super::{
    Fixture, ORG, OTHER_ORG, USER, code, info, insert_commit, owners,
    waiting::{ending, finish, in_transaction, single},
};

fn requirements(organization: Option<&str>, scopes: &[&str]) -> Requirements {
    let mut requirements = Requirements::new(UnixMillis(3_000));
    requirements.organization = organization.map(Into::into);
    requirements.scopes = scopes.iter().copied().collect();
    requirements
}

/// A key, a token and a user that act in the organization, each with the statements that end their
/// right to do so.
fn actors() -> Vec<(Authority, Vec<&'static str>)> {
    let user = [
        "UPDATE users SET enabled = false WHERE id = 'user_test'",
        "DELETE FROM memberships",
        "UPDATE memberships SET role = 'viewer'",
        "UPDATE organizations SET deleted = true WHERE id = 'org_test'",
    ];
    let credential = |kind: &str| {
        [
            format!(
                "UPDATE credentials SET status = 'deleted' WHERE kind = '{kind}' AND id = 'actor'"
            ),
            format!(
                "UPDATE credentials SET status = 'disabled' WHERE kind = '{kind}' AND id = 'actor'"
            ),
            format!(
                "UPDATE credentials SET expires_at = 2999 WHERE kind = '{kind}' AND id = 'actor'"
            ),
        ]
        .map(|sql| &*sql.leak())
    };
    let key = [
        "UPDATE credentials SET role = NULL, scopes = '{}' WHERE kind = 'org_key' AND id = 'actor'",
        "UPDATE organizations SET deleted = true WHERE id = 'org_test'",
    ];
    let of = |kind: Kind, scope| {
        let requirements = requirements(Some(ORG), &[scope]);
        Authority::Credential {
            kind,
            id: "actor".into(),
            requirements,
        }
    };
    vec![
        (
            of(Kind::OrgKey, "agents:read"),
            [&credential("org_key")[..], &key].concat(),
        ),
        (
            of(Kind::PersonalToken, "billing:manage"),
            [&credential("pat")[..], &user].concat(),
        ),
        (
            Authority::User {
                id: USER.into(),
                requirements: requirements(Some(ORG), &["billing:manage"]),
            },
            user.to_vec(),
        ),
    ]
}

async fn fixture_with_actors() -> Option<Fixture> {
    let fixture = Fixture::new().await?;
    fixture.store.set_member(USER, ORG, "admin").await.unwrap();
    let [(organization, _), (user, _)] = owners();
    fixture.insert(info(&organization, "actor")).await;
    fixture.insert(info(&user, "actor")).await;
    fixture.insert(info(&organization, "victim")).await;
    Some(fixture)
}

/// What counts is the actor's authority when the change is made, not when it was decided.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_waits_for_the_revocation_of_its_actor_and_is_refused() {
    for (number, (authority, revocations)) in actors().into_iter().enumerate() {
        for sql in revocations {
            let Some(fixture) = fixture_with_actors().await else {
                return;
            };
            for (owner, _) in owners() {
                let mut issue = insert_commit(info(&owner, &format!("before{number}")));
                issue.authority = authority.clone();
                assert_eq!(code(&fixture.store.commit(&issue).await), "done", "{sql}");
            }
            let uncommitted = in_transaction(&fixture, sql).await;
            let (store, mut issue) = (
                fixture.store.clone(),
                insert_commit(info(&owners()[0].0, "new")),
            );
            issue.authority = authority.clone();
            let issue = tokio::spawn(async move { store.commit(&issue).await });
            fixture.wait_for_lock(1, &issue).await;
            finish(uncommitted, "COMMIT").await;
            assert_eq!(code(&issue.await.unwrap()), "not permitted", "{sql}");
            let end = Ending {
                authority: authority.clone(),
                ..ending(&owners()[0].0, single("victim"))
            };
            let refused = fixture.store.end(&end).await;
            assert!(
                matches!(refused, Err(WriteError::NotPermitted)),
                "{sql}: {refused:?}"
            );
            assert_eq!(
                fixture.get(&owners()[0].0, "victim").await.status,
                Status::Active,
                "{sql}"
            );
            let all = Ending {
                authority: authority.clone(),
                ..ending(&owners()[1].0, EndTarget::All)
            };
            let refused = fixture.store.end(&all).await;
            assert!(
                matches!(refused, Err(WriteError::NotPermitted)),
                "{sql}: {refused:?}"
            );
        }
    }
}

/// The reverse: once the actor's revocation completes, so has the commit that relied on them.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_a_commit_that_relies_on_the_actor() {
    for (authority, revocations) in actors() {
        for sql in revocations {
            let Some(fixture) = fixture_with_actors().await else {
                return;
            };
            let (organization, _) = &owners()[0];
            let uncommitted = in_transaction(
                &fixture,
                "INSERT INTO credentials (kind, id, digest, organization_id)
                VALUES ('org_key', 'new', decode(repeat('ab', 32), 'hex'), 'org_test')",
            )
            .await;
            let (store, mut issue) = (
                fixture.store.clone(),
                insert_commit(info(organization, "new")),
            );
            issue.authority = authority.clone();
            let issue = tokio::spawn(async move { store.commit(&issue).await });
            fixture.wait_for_lock(1, &issue).await;
            let (cluster, schema) = (fixture.cluster, fixture.schema.clone());
            let revocation = tokio::task::spawn_blocking(move || {
                cluster.psql(&format!(
                    "SET search_path TO {schema}; {sql} /* \"{schema}\". */"
                ))
            });
            fixture.wait_for_lock(2, &revocation).await;
            finish(uncommitted, "ROLLBACK").await;
            assert_eq!(code(&issue.await.unwrap()), "done", "{sql}");
            revocation.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_credential_can_end_itself_and_is_then_refused() {
    let Some(fixture) = fixture_with_actors().await else {
        return;
    };
    for (authority, _) in actors().into_iter().take(2) {
        let Authority::Credential { kind, .. } = authority else {
            panic!("the first two are credentials")
        };
        let owner = owners()
            .into_iter()
            .find(|(owner, _)| owner.kind() == kind)
            .unwrap()
            .0;
        let end = Ending {
            authority,
            ..ending(&owner, single("actor"))
        };
        assert_eq!(
            fixture.store.end(&end).await.unwrap(),
            [CredentialId::from("actor")]
        );
        let again = fixture.store.end(&end).await;
        assert!(matches!(again, Err(WriteError::NotPermitted)), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_end_each_other_do_not_deadlock() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    for round in 0..20 {
        let ids = [0, 1, 2, 3].map(|number| format!("k{round}-{number}"));
        for id in &ids {
            fixture.insert(info(owner, id)).await;
        }
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let (store, owner) = (fixture.store.clone(), owner.clone());
                let requirements = requirements(Some(ORG), &["agents:read"]);
                let authority = Authority::Credential {
                    kind: Kind::OrgKey,
                    id: ids[number].as_str().into(),
                    requirements,
                };
                let target = if number == 3 {
                    EndTarget::All
                } else {
                    single(&ids[(number + 1) % 3])
                };
                tokio::spawn(async move {
                    store
                        .end(&Ending {
                            authority,
                            ..ending(&owner, target)
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            let outcome = task.await.unwrap();
            assert!(
                matches!(outcome, Ok(_) | Err(WriteError::NotPermitted)),
                "{outcome:?}"
            );
        }
    }
    assert!(
        fixture
            .store
            .credential(&Owner::Organization(OTHER_ORG.into()), "k0-0")
            .await
            .unwrap()
            .is_none()
    );
}
