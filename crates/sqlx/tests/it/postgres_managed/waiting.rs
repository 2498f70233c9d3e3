//! What waits for what: management for locks, a while; lookups and revocations for nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgPoolOptions};
use tokio::{task::JoinHandle, time::timeout};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{
        AuditAction, AuditActor, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner,
        Status, StoreError, Usage, WriteError,
        backend::{Authority, EndStatus, EndTarget, Ending, Requirements},
    },
};
use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, ORG, OTHER_ORG, USER, all, altering, code, info, inserting, owners, pg};

/// Long enough for a test that fails to say so.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store over a pool of its own.
fn with_pool(fixture: &Fixture, connections: u32) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .connect_lazy_with(fixture.cluster.options());
    PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(&fixture.schema)
        .unwrap()
}

/// A connection with a transaction that has run `sql`.
async fn in_transaction(fixture: &Fixture, sql: &str) -> PgConnection {
    let mut connection = fixture.cluster.connection().await;
    let sql = format!("BEGIN; SET LOCAL search_path TO {}; {sql}", fixture.schema);
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection
}

async fn finish(mut connection: PgConnection, word: &'static str) {
    connection.execute(word).await.unwrap();
    connection.close().await.unwrap();
}

fn lock(owner: &Owner) -> String {
    let table = match owner {
        Owner::Organization(_) => "organizations",
        Owner::User(_) => "users",
    };
    format!("SELECT FROM {table} WHERE id = '{}' FOR UPDATE", owner.id())
}

fn ending(owner: &Owner, target: EndTarget) -> Ending {
    Ending {
        owner: owner.clone(),
        target,
        to: EndStatus::Deleted,
        authority: Authority::Unconditional,
        at: UnixMillis(2_000),
        action: AuditAction::Deleted,
        by: AuditActor::Operator("operator-test".into()),
        origin: None,
    }
}

fn one(id: &str) -> EndTarget {
    EndTarget::One(id.into())
}

fn issues(
    store: &PostgresStore,
    owner: &Owner,
    prefix: &str,
) -> Vec<JoinHandle<Result<(), WriteError>>> {
    let issue = |number| {
        let (store, commit) = (
            store.clone(),
            inserting(info(owner, &format!("{prefix}{number}"))),
        );
        tokio::spawn(async move { store.commit(&commit).await })
    };
    (0..8).map(issue).collect()
}

async fn finds(store: &PostgresStore, id: &str) -> bool {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    timeout(PATIENCE, store.find(&lookup))
        .await
        .expect("a connection is free")
        .unwrap()
        .is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_owner_holds_up_neither_lookups_nor_revocations() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let (owner, other) = &owners()[0];
    for (owner, id) in [
        (owner, "k"),
        (owner, "second"),
        (owner, "third"),
        (other, "others"),
    ] {
        fixture.insert(info(owner, id)).await;
    }
    let store = with_pool(&fixture, 4);
    let locked = in_transaction(&fixture, &lock(owner)).await;
    let waiting = issues(&store, owner, "new");
    fixture.has_to_wait(1, &waiting[0]).await;
    assert!(finds(&store, "others").await && finds(&store, "k").await);
    let ended = timeout(PATIENCE, store.end(&ending(owner, one("k"))))
        .await
        .expect("it waits for nobody");
    assert_eq!(ended.unwrap(), [CredentialId::from("k")]);
    timeout(
        PATIENCE,
        store.delete(&Owner::of(Kind::OrgKey, "org_test"), "second"),
    )
    .await
    .expect("it waits for nobody")
    .unwrap();
    let mut all = timeout(PATIENCE, store.end(&ending(owner, EndTarget::All)))
        .await
        .expect("neither")
        .unwrap();
    all.retain(|id| id.as_str() == "third");
    assert_eq!(all.len(), 1);
    finish(locked, "ROLLBACK").await;
    for issue in waiting {
        issue.await.unwrap().unwrap();
    }
}

/// As the clients of a service do that go away.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_given_up_do_not_add_up_to_the_pool() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let (owner, other) = &owners()[0];
    fixture.insert(info(other, "others")).await;
    let store = with_pool(&fixture, 4);
    let locked = in_transaction(&fixture, &lock(owner)).await;
    let mut watcher = fixture.cluster.connection().await;
    for round in 0..4 {
        let waiting = issues(&store, owner, &format!("round{round}-"));
        let probe = tokio::spawn(std::future::pending::<()>());
        fixture.has_to_wait(1, &probe).await;
        probe.abort();
        for _ in 0..50 {
            assert!(finds(&store, "others").await);
        }
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, $1) > 0";
        let count = sqlx::query_scalar::<_, i64>(sql).bind(format!("\"{}\".", fixture.schema));
        assert_eq!(count.fetch_one(&mut watcher).await.unwrap(), 1, "{round}");
        for issue in waiting {
            issue.abort();
            let _ = issue.await;
        }
    }
    assert!(finds(&store, "others").await);
    finish(locked, "ROLLBACK").await;
    for issue in issues(&store, owner, "later") {
        issue.await.unwrap().unwrap();
    }
    assert_eq!(
        fixture.psql("SELECT count(*) FROM credentials WHERE id LIKE 'round%'"),
        "0"
    );
}

#[tokio::test]
async fn a_call_that_waits_too_long_has_written_nothing_and_may_be_repeated() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let store = &fixture.store;
    for (owner, _) in owners() {
        let kind = owner.kind().as_str();
        fixture.insert(info(&owner, "k")).await;
        fixture.psql(&format!(
            "INSERT INTO uses VALUES ('{kind}', 'k', 1) ON CONFLICT DO NOTHING"
        ));
        let before = fixture.everything();
        let locked = in_transaction(&fixture, &lock(&owner)).await;
        let issue = inserting(info(&owner, "new"));
        assert_eq!(code(&store.commit(&issue).await), "store");
        finish(locked, "ROLLBACK").await;

        let locked = in_transaction(
            &fixture,
            &format!("SELECT FROM credentials WHERE kind = '{kind}' FOR UPDATE; SELECT FROM uses FOR UPDATE"),
        )
        .await;
        let rename = altering(&info(&owner, "k"), |after| after.name = "renamed".into());
        let used = [Usage::new(owner.kind(), "k", UnixMillis(100_000))];
        let end = ending(&owner, one("k"));
        let (renamed, ended, recorded) = tokio::join!(
            store.commit(&rename),
            store.end(&end),
            store.record_uses(&used)
        );
        assert_eq!(code(&renamed), "store");
        assert!(
            matches!(ended, Err(WriteError::Store(StoreError::Unavailable(_)))),
            "{ended:?}"
        );
        assert!(
            matches!(recorded, Err(StoreError::Unavailable(_))),
            "{recorded:?}"
        );
        finish(locked, "ROLLBACK").await;
        assert_eq!(fixture.everything(), before);

        store.commit(&issue).await.unwrap();
        store.commit(&rename).await.unwrap();
        store.record_uses(&used).await.unwrap();
        assert_eq!(store.end(&end).await.unwrap().len(), 1);
    }
}

fn timed_out<T: std::fmt::Debug>(name: &str, outcome: Result<T, StoreError>) {
    assert!(
        matches!(&outcome, Err(error) if error.code() == "store_timed_out"),
        "{name}: {outcome:?}"
    );
}

fn in_vain<T: std::fmt::Debug>(name: &str, outcome: Result<T, WriteError>) {
    assert!(
        matches!(&outcome, Err(WriteError::Store(error)) if error.code() == "store_timed_out"),
        "{name}: {outcome:?}"
    );
}

#[tokio::test]
async fn a_stopped_server_holds_up_no_call_for_ever() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let store = cluster.store().await;
    super::furnish(&store).await;
    let (owner, _) = &owners()[0];
    store.commit(&inserting(info(owner, "k"))).await.unwrap();
    let frozen = cluster.freeze();
    tokio::time::pause();
    let used = Usage::new(owner.kind(), "k", UnixMillis(1));
    timed_out("credential", store.credential(owner, "k").await);
    timed_out("issued_under", store.issued_under(owner, "k").await);
    timed_out("credentials", store.credentials(owner, &all()).await);
    timed_out("events", store.events(owner, None, 1).await);
    timed_out("record_uses", store.record_uses(&[used]).await);
    timed_out(
        "rehash",
        store
            .rehash(owner.kind(), "k", &super::digest(owner, "k"))
            .await,
    );
    in_vain("commit", store.commit(&inserting(info(owner, "new"))).await);
    in_vain("end", store.end(&ending(owner, one("k"))).await);
    in_vain("end all", store.end(&ending(owner, EndTarget::All)).await);
    in_vain(
        "insert organization",
        store.create_organization("new", None).await,
    );
    in_vain("delete organization", store.delete_organization(ORG).await);
    in_vain("create user", store.create_user("new").await);
    in_vain("disable user", store.set_user_enabled(USER, false).await);
    in_vain("delete user", store.delete_user(USER).await);
    in_vain("set member", store.set_member(USER, ORG, "viewer").await);
    in_vain("remove member", store.remove_member(USER, ORG).await);
    in_vain("delete", store.delete(owner, "k").await);
    tokio::time::resume();
    drop(frozen);
    let mut last = None;
    for _ in 0..100 {
        match store.end(&ending(owner, EndTarget::All)).await {
            Ok(ended) => return assert_eq!(ended, [CredentialId::from("k")]),
            Err(error) => last = Some(error),
        }
    }
    panic!("the store stays out: {last:?}");
}

/// What a leaked key issues while everything of its owner is revoked does not survive.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_issued_during_the_revocation_of_all_is_revoked_too() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        let kind = owner.kind().as_str();
        for id in ["k", "second"] {
            fixture.insert(info(&owner, id)).await;
        }
        // Another's insert of the same id, which has not been decided, holds up the issue in the midst of it.
        let (column, bytes) = match owner {
            Owner::Organization(_) => ("organization_id", "ab"),
            Owner::User(_) => ("user_id", "cd"),
        };
        let insert = format!(
            "INSERT INTO credentials (kind, id, digest, {column})
            VALUES ('{kind}', 'new', decode(repeat('{bytes}', 32), 'hex'), '{}')",
            owner.id()
        );
        let undecided = in_transaction(&fixture, &insert).await;
        let (store, commit) = (fixture.store.clone(), inserting(info(&owner, "new")));
        let issue = tokio::spawn(async move { store.commit(&commit).await });
        fixture.has_to_wait(1, &issue).await;
        let (store, end) = (fixture.store.clone(), ending(&owner, EndTarget::All));
        let revocation = tokio::spawn(async move { store.end(&end).await });
        fixture.has_to_wait(2, &revocation).await;
        let status = format!(
            "SELECT DISTINCT status FROM credentials WHERE {column} = '{}'",
            owner.id()
        );
        assert_eq!(fixture.psql(&status), "deleted", "at once");
        finish(undecided, "ROLLBACK").await;
        issue.await.unwrap().unwrap();
        let mut ended = revocation.await.unwrap().unwrap();
        ended.sort_by_key(|id| id.as_str().to_owned());
        assert_eq!(ended, ["k", "new", "second"].map(CredentialId::from));
        assert_eq!(fixture.psql(&status), "deleted");
        assert_eq!(
            fixture.store.events(&owner, None, 10).await.unwrap().len(),
            3
        );
    }
}

fn requirements(organization: Option<&str>, scopes: &[&str]) -> Requirements {
    let mut requirements = Requirements::new(UnixMillis(3_000));
    requirements.organization = organization.map(Into::into);
    requirements.scopes = scopes.iter().copied().collect();
    requirements
}

/// A key, a token and a person, who act in the organization, and what ends their right to.
fn actors() -> Vec<(Authority, Vec<&'static str>)> {
    let person = [
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
            [&credential("pat")[..], &person].concat(),
        ),
        (
            Authority::User {
                id: USER.into(),
                requirements: requirements(Some(ORG), &["billing:manage"]),
            },
            person.to_vec(),
        ),
    ]
}

async fn with_actors() -> Option<Fixture> {
    let fixture = Fixture::make().await?;
    fixture.store.set_member(USER, ORG, "admin").await.unwrap();
    let [(organization, _), (user, _)] = owners();
    fixture.insert(info(&organization, "actor")).await;
    fixture.insert(info(&user, "actor")).await;
    fixture.insert(info(&organization, "victim")).await;
    Some(fixture)
}

/// What the actor had lost when the change was made is what counts, not what they had when it was decided.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_who_is_being_revoked_is_waited_for_and_refused() {
    for (number, (authority, endings)) in actors().into_iter().enumerate() {
        for sql in endings {
            let Some(fixture) = with_actors().await else {
                return;
            };
            for (owner, _) in owners() {
                let mut issue = inserting(info(&owner, &format!("before{number}")));
                issue.authority = authority.clone();
                assert_eq!(code(&fixture.store.commit(&issue).await), "done", "{sql}");
            }
            let undecided = in_transaction(&fixture, sql).await;
            let (store, mut issue) = (
                fixture.store.clone(),
                inserting(info(&owners()[0].0, "new")),
            );
            issue.authority = authority.clone();
            let issue = tokio::spawn(async move { store.commit(&issue).await });
            fixture.has_to_wait(1, &issue).await;
            finish(undecided, "COMMIT").await;
            assert_eq!(code(&issue.await.unwrap()), "not permitted", "{sql}");
            let end = Ending {
                authority: authority.clone(),
                ..ending(&owners()[0].0, one("victim"))
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

/// The other way round: what the actor does is done when their revocation is.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_the_commit_that_relies_on_the_actor() {
    for (authority, endings) in actors() {
        for sql in endings {
            let Some(fixture) = with_actors().await else {
                return;
            };
            let (organization, _) = &owners()[0];
            let undecided = in_transaction(
                &fixture,
                "INSERT INTO credentials (kind, id, digest, organization_id)
                VALUES ('org_key', 'new', decode(repeat('ab', 32), 'hex'), 'org_test')",
            )
            .await;
            let (store, mut issue) = (fixture.store.clone(), inserting(info(organization, "new")));
            issue.authority = authority.clone();
            let issue = tokio::spawn(async move { store.commit(&issue).await });
            fixture.has_to_wait(1, &issue).await;
            let (cluster, schema) = (fixture.cluster, fixture.schema.clone());
            let revocation = tokio::task::spawn_blocking(move || {
                cluster.psql(&format!(
                    "SET search_path TO {schema}; {sql} /* \"{schema}\". */"
                ))
            });
            fixture.has_to_wait(2, &revocation).await;
            finish(undecided, "ROLLBACK").await;
            assert_eq!(code(&issue.await.unwrap()), "done", "{sql}");
            revocation.await.unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_ends_themselves_may_and_is_then_refused() {
    let Some(fixture) = with_actors().await else {
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
            ..ending(&owner, one("actor"))
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
async fn keys_that_end_each_other_do_not_stand_still() {
    let Some(fixture) = Fixture::make().await else {
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
                    one(&ids[(number + 1) % 3])
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

/// Those who hold a credential cannot keep it alive by changing it all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_does_not_hold_up_a_revocation() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let manager = Arc::new(Manager::new(fixture.store.clone()).with_max_credentials(10_000));
    let actor = Actor::operator("operator-test", Owner::Organization(ORG.into()));
    for round in 0..10 {
        let issue = async |name: &str| {
            let new = NewKey::named(name).with_scopes(["agents:read"]);
            manager.issue_key(&actor, new).await.unwrap().into_parts()
        };
        let [(deleted, _), (disabled, _), (presented, secret), (all, _)] = [
            issue("deleted").await,
            issue("disabled").await,
            issue("presented").await,
            issue("all").await,
        ];
        let ids = [deleted, disabled, presented, all].map(|info| info.id);
        let stop = Arc::new(AtomicBool::new(false));
        let storm: Vec<_> = (0..64)
            .map(|number| {
                let (manager, actor, stop) =
                    (Arc::clone(&manager), actor.clone(), Arc::clone(&stop));
                let (id, name) = (ids[number % 4].clone(), format!("n{number}"));
                tokio::spawn(async move {
                    while !stop.load(Relaxed) {
                        let _ = manager
                            .rename(&actor, Kind::OrgKey, id.as_str(), &name)
                            .await;
                        if number / 4 % 2 == 0 {
                            let _ = manager.enable(&actor, Kind::OrgKey, id.as_str()).await;
                        }
                    }
                })
            })
            .collect();
        manager
            .delete(&actor, Kind::OrgKey, ids[0].as_str())
            .await
            .unwrap();
        manager
            .disable(&actor, Kind::OrgKey, ids[1].as_str())
            .await
            .unwrap();
        manager
            .revoke_presented(secret.unwrap().expose_secret(), None)
            .await
            .unwrap();
        assert_eq!(
            manager
                .revoke_all(&actor, Kind::OrgKey)
                .await
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            fixture.psql("SELECT count(*) FROM credentials WHERE status <> 'deleted'"),
            "0",
            "{round}"
        );
        stop.store(true, Relaxed);
        for task in storm {
            task.await.unwrap();
        }
    }
}

/// What is ended is told to the caller, whoever holds the turn.
#[tokio::test(flavor = "multi_thread")]
async fn all_are_ended_and_named_though_the_turn_cannot_be_had() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        fixture.insert(info(&owner, "k")).await;
        let locked = in_transaction(&fixture, "SELECT FROM owner_turns FOR UPDATE").await;
        let ended = fixture
            .store
            .end(&ending(&owner, EndTarget::All))
            .await
            .unwrap();
        assert_eq!(ended, [CredentialId::from("k")]);
        finish(locked, "ROLLBACK").await;
    }
}
