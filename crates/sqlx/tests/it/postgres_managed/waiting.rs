//! Locks: management waits for them for a bounded time; lookups and revocations do not wait.

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
        StoreError, Usage, WriteError,
        backend::{Authority, EndStatus, EndTarget, Ending},
    },
};
use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, ORG, USER, code, info, insert_commit, list_all, owners, pg, update_commit};

/// Ends a test that would otherwise hang.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A store over its own pool.
fn with_pool(fixture: &Fixture, connections: u32) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .connect_lazy_with(fixture.cluster.options());
    PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(&fixture.schema)
        .unwrap()
}

/// A connection with an open transaction that has run `sql`.
pub(super) async fn in_transaction(fixture: &Fixture, sql: &str) -> PgConnection {
    let mut connection = fixture.cluster.connection().await;
    let sql = format!("BEGIN; SET LOCAL search_path TO {}; {sql}", fixture.schema);
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection
}

pub(super) async fn finish(mut connection: PgConnection, command: &'static str) {
    connection.execute(command).await.unwrap();
    connection.close().await.unwrap();
}

fn lock(owner: &Owner) -> String {
    let table = match owner {
        Owner::Organization(_) => "organizations",
        Owner::User(_) => "users",
    };
    format!("SELECT FROM {table} WHERE id = '{}' FOR UPDATE", owner.id())
}

pub(super) fn ending(owner: &Owner, target: EndTarget) -> Ending {
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

pub(super) fn single(id: &str) -> EndTarget {
    EndTarget::One(id.into())
}

fn spawn_issues(
    store: &PostgresStore,
    owner: &Owner,
    prefix: &str,
) -> Vec<JoinHandle<Result<(), WriteError>>> {
    let issue = |number| {
        let (store, commit) = (
            store.clone(),
            insert_commit(info(owner, &format!("{prefix}{number}"))),
        );
        tokio::spawn(async move { store.commit(&commit).await })
    };
    (0..8).map(issue).collect()
}

async fn finds(store: &PostgresStore, id: &str) -> bool {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    timeout(TEST_TIMEOUT, store.find(&lookup))
        .await
        .expect("a connection is free")
        .unwrap()
        .is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_owner_blocks_neither_lookups_nor_revocations() {
    let Some(fixture) = Fixture::new().await else {
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
    let waiting = spawn_issues(&store, owner, "new");
    fixture.wait_for_lock(1, &waiting[0]).await;
    assert!(finds(&store, "others").await && finds(&store, "k").await);
    let ended = timeout(TEST_TIMEOUT, store.end(&ending(owner, single("k"))))
        .await
        .expect("a revocation does not wait");
    assert_eq!(ended.unwrap(), [CredentialId::from("k")]);
    timeout(
        TEST_TIMEOUT,
        store.delete(&Owner::of(Kind::OrgKey, "org_test"), "second"),
    )
    .await
    .expect("a revocation does not wait")
    .unwrap();
    let mut all = timeout(TEST_TIMEOUT, store.end(&ending(owner, EndTarget::All)))
        .await
        .expect("a revocation does not wait")
        .unwrap();
    all.retain(|id| id.as_str() == "third");
    assert_eq!(all.len(), 1);
    finish(locked, "ROLLBACK").await;
    for issue in waiting {
        issue.await.unwrap().unwrap();
    }
}

/// As when the clients of a service disconnect.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_do_not_exhaust_the_pool() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, other) = &owners()[0];
    fixture.insert(info(other, "others")).await;
    let store = with_pool(&fixture, 4);
    let locked = in_transaction(&fixture, &lock(owner)).await;
    let mut watcher = fixture.cluster.connection().await;
    for round in 0..4 {
        let waiting = spawn_issues(&store, owner, &format!("round{round}-"));
        let probe = tokio::spawn(std::future::pending::<()>());
        fixture.wait_for_lock(1, &probe).await;
        probe.abort();
        for _ in 0..50 {
            assert!(finds(&store, "others").await);
        }
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND strpos(query, $1) > 0";
        let count = sqlx::query_scalar::<_, i64>(sql).bind(format!("\"{}\".", fixture.schema));
        assert_eq!(count.fetch_one(&mut watcher).await.unwrap(), 1, "{round}");
        for issue in waiting {
            issue.abort();
            let _ = issue.await;
        }
    }
    assert!(finds(&store, "others").await);
    finish(locked, "ROLLBACK").await;
    for issue in spawn_issues(&store, owner, "later") {
        issue.await.unwrap().unwrap();
    }
    assert_eq!(
        fixture.psql("SELECT count(*) FROM credentials WHERE id LIKE 'round%'"),
        "0"
    );
}

#[tokio::test]
async fn a_call_that_times_out_writes_nothing_and_can_be_retried() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let store = &fixture.store;
    for (owner, _) in owners() {
        let kind = owner.kind().as_str();
        fixture.insert(info(&owner, "k")).await;
        fixture.psql(&format!(
            "INSERT INTO uses VALUES ('{kind}', 'k', 1) ON CONFLICT DO NOTHING"
        ));
        let before = fixture.snapshot();
        let locked = in_transaction(&fixture, &lock(&owner)).await;
        let issue = insert_commit(info(&owner, "new"));
        assert_eq!(code(&store.commit(&issue).await), "store");
        finish(locked, "ROLLBACK").await;

        let locked = in_transaction(
            &fixture,
            &format!(
                "SELECT FROM credentials WHERE kind = '{kind}' FOR UPDATE; \
                 SELECT FROM uses FOR UPDATE"
            ),
        )
        .await;
        let rename = update_commit(&info(&owner, "k"), |after| after.name = "renamed".into());
        let used = [Usage::new(owner.kind(), "k", UnixMillis(100_000))];
        let end = ending(&owner, single("k"));
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
        assert_eq!(fixture.snapshot(), before);

        store.commit(&issue).await.unwrap();
        store.commit(&rename).await.unwrap();
        store.record_uses(&used).await.unwrap();
        assert_eq!(store.end(&end).await.unwrap().len(), 1);
    }
}

fn assert_timed_out<T: std::fmt::Debug>(name: &str, outcome: Result<T, StoreError>) {
    assert!(
        matches!(&outcome, Err(error) if error.code() == "store_timed_out"),
        "{name}: {outcome:?}"
    );
}

fn assert_write_timed_out<T: std::fmt::Debug>(name: &str, outcome: Result<T, WriteError>) {
    assert!(
        matches!(&outcome, Err(WriteError::Store(error)) if error.code() == "store_timed_out"),
        "{name}: {outcome:?}"
    );
}

#[tokio::test]
async fn a_frozen_server_blocks_no_call_forever() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let store = cluster.store().await;
    super::seed(&store).await;
    let (owner, _) = &owners()[0];
    store
        .commit(&insert_commit(info(owner, "k")))
        .await
        .unwrap();
    let frozen = cluster.freeze();
    tokio::time::pause();
    let used = Usage::new(owner.kind(), "k", UnixMillis(1));
    assert_timed_out("credential", store.credential(owner, "k").await);
    assert_timed_out("issued_under", store.issued_under(owner, "k").await);
    assert_timed_out("credentials", store.credentials(owner, &list_all()).await);
    assert_timed_out("events", store.events(owner, None, 1).await);
    assert_timed_out("record_uses", store.record_uses(&[used]).await);
    assert_timed_out(
        "rehash",
        store
            .rehash(owner.kind(), "k", &super::digest(owner, "k"))
            .await,
    );
    assert_write_timed_out(
        "commit",
        store.commit(&insert_commit(info(owner, "new"))).await,
    );
    assert_write_timed_out("end", store.end(&ending(owner, single("k"))).await);
    assert_write_timed_out("end all", store.end(&ending(owner, EndTarget::All)).await);
    assert_write_timed_out(
        "insert organization",
        store.create_organization("new", None).await,
    );
    assert_write_timed_out("delete organization", store.delete_organization(ORG).await);
    assert_write_timed_out("create user", store.create_user("new").await);
    assert_write_timed_out("disable user", store.set_user_enabled(USER, false).await);
    assert_write_timed_out("delete user", store.delete_user(USER).await);
    assert_write_timed_out("set member", store.set_member(USER, ORG, "viewer").await);
    assert_write_timed_out("remove member", store.remove_member(USER, ORG).await);
    assert_write_timed_out("delete", store.delete(owner, "k").await);
    tokio::time::resume();
    drop(frozen);
    let mut last = None;
    for _ in 0..100 {
        match store.end(&ending(owner, EndTarget::All)).await {
            Ok(ended) => return assert_eq!(ended, [CredentialId::from("k")]),
            Err(error) => last = Some(error),
        }
    }
    panic!("the store stays unavailable: {last:?}");
}

/// A leaked key cannot survive a revocation of all by issuing another key meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_issued_during_a_revocation_of_all_are_revoked_too() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let kind = owner.kind().as_str();
        for id in ["k", "second"] {
            fixture.insert(info(&owner, id)).await;
        }
        // An uncommitted insert of the same id blocks the issue halfway.
        let (column, bytes) = match owner {
            Owner::Organization(_) => ("organization_id", "ab"),
            Owner::User(_) => ("user_id", "cd"),
        };
        let insert = format!(
            "INSERT INTO credentials (kind, id, digest, {column})
            VALUES ('{kind}', 'new', decode(repeat('{bytes}', 32), 'hex'), '{}')",
            owner.id()
        );
        let uncommitted = in_transaction(&fixture, &insert).await;
        let (store, commit) = (fixture.store.clone(), insert_commit(info(&owner, "new")));
        let issue = tokio::spawn(async move { store.commit(&commit).await });
        fixture.wait_for_lock(1, &issue).await;
        let (store, end) = (fixture.store.clone(), ending(&owner, EndTarget::All));
        let revocation = tokio::spawn(async move { store.end(&end).await });
        fixture.wait_for_lock(2, &revocation).await;
        let status = format!(
            "SELECT DISTINCT status FROM credentials WHERE {column} = '{}'",
            owner.id()
        );
        assert_eq!(fixture.psql(&status), "deleted", "immediately");
        finish(uncommitted, "ROLLBACK").await;
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

/// The holder of a credential cannot keep it alive by changing it constantly.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_does_not_block_a_revocation() {
    let Some(fixture) = Fixture::new().await else {
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

/// The caller gets the ended credentials even while the owner's turn is locked.
#[tokio::test(flavor = "multi_thread")]
async fn all_credentials_are_ended_and_returned_while_the_turn_is_locked() {
    let Some(fixture) = Fixture::new().await else {
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
