//! What management is promised by the PostgreSQL store: a commit is all or nothing, also among many.

mod dead_rows;
mod erase;
mod lists;
mod setup;
mod uses;
mod waiting;

use crate::support::pg;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, ManageStore, Owner, Status,
        WriteError,
        backend::{
            Authority, Cap, Commit, Idempotency, ListQuery, NewCredential, Requirements, Update,
        },
    },
};

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::{task::JoinHandle, time::timeout};
use tower_api_key_sqlx::PostgresStore;

const ORG: &str = "org_test";
const OTHER_ORG: &str = "org_other_test";
const USER: &str = "user_test";
const OTHER_USER: &str = "user_other_test";

/// A store with two organizations and two people.
struct Fixture {
    cluster: &'static pg::Cluster,
    store: PostgresStore,
    schema: String,
}

impl Fixture {
    async fn make() -> Option<Self> {
        let cluster = pg::shared()?;
        let schema = pg::fresh_schema();
        let store = cluster.unmade_store(&schema);
        store.migrate().await.unwrap();
        furnish(&store).await;
        Some(Self {
            cluster,
            store,
            schema,
        })
    }

    /// Runs a statement as a person at a terminal would.
    fn psql(&self, sql: &str) -> String {
        self.cluster
            .psql(&format!("SET search_path TO {}; {sql}", self.schema))
    }

    /// All that management keeps, and how many changes caches have heard of.
    fn everything(&self) -> String {
        self.psql(
            "SELECT string_agg(c::text, ' ' ORDER BY kind, id) FROM credentials c;
            SELECT string_agg(e::text, ' ' ORDER BY number) FROM events e;
            SELECT string_agg(u::text, ' ' ORDER BY kind, id) FROM uses u;
            SELECT count(*) FROM changes",
        )
    }

    async fn insert(&self, info: CredentialInfo) {
        self.store.commit(&inserting(info)).await.unwrap();
    }

    async fn get(&self, owner: &Owner, id: &str) -> CredentialInfo {
        self.store.credential(owner, id).await.unwrap().unwrap()
    }

    /// Waits until so many statements about this store wait for a lock, which that of `change` has to.
    async fn has_to_wait<T>(&self, many: usize, change: &JoinHandle<T>) {
        let mut connection = self.cluster.connection().await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, $1) > 0";
        loop {
            let waiting: i64 = sqlx::query_scalar(sql)
                .bind(format!("\"{}\".", self.schema))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if waiting as usize >= many {
                return;
            }
            assert!(!change.is_finished(), "it did not wait");
        }
    }
}

async fn furnish(store: &PostgresStore) {
    use tower_api_key::store::Directory;

    for organization in [ORG, OTHER_ORG] {
        store.create_organization(organization, None).await.unwrap();
    }
    for user in [USER, OTHER_USER] {
        store.create_user(user).await.unwrap();
    }
}

/// An organization and a person, each with another of its kind.
fn owners() -> [(Owner, Owner); 2] {
    [
        (
            Owner::Organization(ORG.into()),
            Owner::Organization(OTHER_ORG.into()),
        ),
        (Owner::User(USER.into()), Owner::User(OTHER_USER.into())),
    ]
}

fn info(owner: &Owner, id: &str) -> CredentialInfo {
    {
        let mut info = CredentialInfo::new(id, owner.clone(), UnixMillis(1_000));
        info.name = format!("name of {id}").into();
        info.scopes = match owner {
            Owner::Organization(_) => Some(["agents:read".into()].into()),
            Owner::User(_) => None,
        };
        info
    }
}

fn digest(owner: &Owner, id: &str) -> Digest {
    Digest::of(format!("{} {id} test", owner.id()).as_bytes())
}

fn inserting(info: CredentialInfo) -> Commit {
    let owner = info.owner.clone();
    let digest = digest(&owner, info.id.as_str());
    let insert = Some(NewCredential {
        info,
        digest,
        idempotency: None,
    });
    Commit {
        insert,
        ..Commit::new(owner, Authority::Unconditional)
    }
}

fn altering(before: &CredentialInfo, change: impl FnOnce(&mut CredentialInfo)) -> Commit {
    let mut after = before.clone();
    change(&mut after);
    let changes = vec![Update {
        before: before.clone(),
        after,
    }];
    Commit {
        changes,
        ..Commit::new(before.owner.clone(), Authority::Unconditional)
    }
}

fn event(owner: &Owner, id: &str, action: AuditAction) -> AuditEvent {
    {
        let mut event = AuditEvent::new(
            UnixMillis(2_000),
            action,
            owner.clone(),
            id,
            AuditActor::Operator("operator-test".into()),
        );
        event.origin = Some("192.0.2.1".into());
        event
    }
}

fn code(outcome: &Result<(), WriteError>) -> &'static str {
    match outcome {
        Ok(()) => "done",
        Err(WriteError::UnknownOrganization(_) | WriteError::UnknownUser(_)) => "unknown owner",
        Err(WriteError::CapReached(_)) => "cap reached",
        Err(WriteError::Taken(_)) => "taken",
        Err(WriteError::Changed) => "changed",
        Err(WriteError::InvalidId(_)) => "invalid id",
        Err(WriteError::NotPermitted) => "not permitted",
        Err(WriteError::Store(_)) => "store",
        Err(_) => "another",
    }
}

/// A commit with something of everything, of an owner who has `old` and `second`, the latter under an idempotency key.
async fn large_commit(fixture: &Fixture, owner: &Owner) -> Commit {
    fixture.insert(info(owner, "old")).await;
    let mut second = inserting(info(owner, "second"));
    second.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("taken-test", [7; 32]));
    fixture.store.commit(&second).await.unwrap();
    let mut commit = inserting(info(owner, "new"));
    for id in ["old", "second"] {
        let before = fixture.get(owner, id).await;
        commit
            .changes
            .extend(altering(&before, |after| after.name = "renamed".into()).changes);
    }
    commit.events = vec![
        event(owner, "new", AuditAction::Issued),
        event(owner, "old", AuditAction::Renamed),
    ];
    commit
}

#[tokio::test]
async fn a_commit_happens_as_a_whole_or_not_at_all() {
    let Some(fixture) = Fixture::make().await else {
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
                "no such owner, ever",
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
                "one is not as it was read",
                |commit, _| commit.changes[1].before.name = "another".into(),
                "changed",
            ),
            (
                "one is not there",
                |commit, _| commit.changes[1].before.id = "nobody".into(),
                "changed",
            ),
            (
                "one twice",
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
        let before = fixture.everything();
        for (name, break_it, expected) in table {
            let mut commit = good.clone();
            let mut insert = commit.insert.take().unwrap();
            break_it(&mut commit, &mut insert);
            commit.insert = Some(insert);
            let outcome = fixture.store.commit(&commit).await;
            assert_eq!(code(&outcome), expected, "{name}: {outcome:?}");
            assert_eq!(fixture.everything(), before, "{name}");
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
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.credential.as_str(), event.action))
            .collect();
        assert_eq!(
            told,
            [("old", AuditAction::Renamed), ("new", AuditAction::Issued)]
        );
    }
}

#[tokio::test]
async fn the_first_of_several_reasons_is_told() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        let mut commit = large_commit(&fixture, &owner).await;
        commit.authority = nobody();
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

/// A key that is not there.
fn nobody() -> Authority {
    let requirements = Requirements::new(UnixMillis(1_000));
    Authority::Credential {
        kind: Kind::OrgKey,
        id: "nobody".into(),
        requirements,
    }
}

#[tokio::test]
async fn a_tokens_digest_is_taken_once_whoever_has_it() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let (owner, other) = &owners()[1];
    fixture.insert(info(owner, "old")).await;
    let mut thief = inserting(info(other, "new"));
    thief.insert.as_mut().unwrap().digest = digest(owner, "old");
    assert_eq!(code(&fixture.store.commit(&thief).await), "taken");
}

/// Commits each in a task of its own, and returns how often it was done and how often refused so.
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
async fn a_cap_is_exact_when_sixteen_come_at_once() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        for round in 0..5 {
            let commits = (0..16).map(|number| {
                let mut commit = inserting(info(&owner, &format!("round{round}-{number}")));
                commit.cap = Some(Cap::new((round + 1) * 5, UnixMillis(1_000)));
                commit
            });
            assert_eq!(race(&fixture, commits, "cap reached").await, (5, 11));
        }
    }
}

#[tokio::test]
async fn a_cap_counts_what_is_accepted() {
    let Some(fixture) = Fixture::make().await else {
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
            let mut new = inserting(info(&owner, &format!("after-{name}")));
            new.cap = Some(Cap::new(counted, at));
            assert_eq!(
                code(&fixture.store.commit(&new).await),
                "cap reached",
                "{name}"
            );
            // What the same commit ends makes room.
            let active = fixture.get(&owner, "active").await;
            new.changes = altering(&active, |after| after.status = Status::Deleted).changes;
            new.events = vec![{
                let mut event = event(&owner, "active", AuditAction::Issued);
                event.origin = Some("a\0".into());
                event
            }];
            assert_eq!(
                code(&fixture.store.commit(&new).await),
                "store",
                "{name}: it is below the cap"
            );
        }
        let disabled = fixture.get(&owner, "disabled").await;
        let mut enabling = altering(&disabled, |after| after.status = Status::Active);
        enabling.cap = Some(Cap::new(counted, at));
        assert_eq!(
            code(&fixture.store.commit(&enabling).await),
            "cap reached",
            "enabling is held to it"
        );
        enabling.cap = Some(Cap::new(counted + 1, at));
        assert_eq!(code(&fixture.store.commit(&enabling).await), "done");
        let mut none = inserting(info(&other, "none"));
        none.cap = Some(Cap::new(0, at));
        assert_eq!(
            code(&fixture.store.commit(&none).await),
            "cap reached",
            "of nothing, not even one"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_taken_once_for_each_owner() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, other) in owners() {
        for (owner, prefix) in [(&owner, "a"), (&other, "b")] {
            let commits = (0..16).map(|number| {
                let mut commit = inserting(info(owner, &format!("{prefix}{number}")));
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
async fn what_another_has_is_unknown_and_stays_untouched() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let [(organization, other_organization), (user, other_user)] = owners();
    for owner in [&organization, &user] {
        let mut commit = inserting(info(owner, "mine"));
        commit.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key-test", [1; 32]));
        commit
            .events
            .push(event(owner, "mine", AuditAction::Issued));
        fixture.store.commit(&commit).await.unwrap();
    }
    // An organization and a person with the same id, too.
    fixture.psql(&format!(
        "INSERT INTO users (id) VALUES ('{ORG}'); INSERT INTO organizations (id) VALUES ('{USER}')"
    ));
    let strangers = [
        other_organization,
        other_user,
        Owner::User(ORG.into()),
        Owner::Organization(USER.into()),
        Owner::User("".into()),
    ];
    let before = fixture.everything();
    for stranger in strangers {
        assert_eq!(
            fixture.store.credential(&stranger, "mine").await.unwrap(),
            None,
            "{stranger:?}"
        );
        assert_eq!(
            fixture
                .store
                .issued_under(&stranger, "key-test")
                .await
                .unwrap(),
            None,
            "{stranger:?}"
        );
        assert_eq!(
            fixture.store.credentials(&stranger, &all()).await.unwrap(),
            [],
            "{stranger:?}"
        );
        assert_eq!(
            fixture.store.events(&stranger, None, 10).await.unwrap(),
            [],
            "{stranger:?}"
        );
        for owner in [&organization, &user] {
            let mut commit = altering(&fixture.get(owner, "mine").await, |after| {
                after.status = Status::Deleted
            });
            commit.owner = stranger.clone();
            assert_eq!(
                code(&fixture.store.commit(&commit).await),
                "changed",
                "{stranger:?}"
            );
        }
        assert_eq!(fixture.everything(), before, "{stranger:?}");
    }
}

fn all() -> ListQuery {
    ListQuery {
        filter: Default::default(),
        after: None,
        limit: 1_000,
        now: UnixMillis(5_000),
    }
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let Some(fixture) = Fixture::make().await else {
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
            let commit = altering(&fixture.get(&owner, &id).await, |after| {
                (after.name, after.status) = ("ours".into(), Status::Disabled);
                (after.rotated_to, after.rotated_at) =
                    (Some("ours".into()), Some(UnixMillis(5_000)));
            });
            fixture.psql(&format!(
                "UPDATE credentials SET {theirs} WHERE id = '{id}' AND kind = '{}'",
                owner.kind().as_str()
            ));
            let before = fixture.everything();
            assert_eq!(
                code(&fixture.store.commit(&commit).await),
                "changed",
                "{name}"
            );
            assert_eq!(fixture.everything(), before, "{name}");
            // Read again, it goes.
            let again = altering(&fixture.get(&owner, &id).await, |after| {
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
async fn a_rename_that_is_about_to_be_committed_is_waited_for() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        fixture.insert(info(&owner, "k")).await;
        let commit = altering(&fixture.get(&owner, "k").await, |after| {
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
        fixture.has_to_wait(1, &ours).await;
        theirs.commit().await.unwrap();
        assert_eq!(code(&ours.await.unwrap()), "changed");
        let kept = fixture.get(&owner, "k").await;
        assert_eq!((&*kept.name, kept.status), ("theirs", Status::Active));
    }
}

/// So that whoever has read events up to a number has missed none of the same owner below it.
#[tokio::test(flavor = "multi_thread")]
async fn commits_of_one_owner_take_turns() {
    let Some(fixture) = Fixture::make().await else {
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
        let mut commit = altering(&info(&owner, "k"), |after| after.name = "renamed".into());
        commit.events.push(event(&owner, "k", AuditAction::Renamed));
        let store = fixture.store.clone();
        let second = tokio::spawn(async move { store.commit(&commit).await });
        // Another owner's does not wait.
        let others = fixture.insert(info(&other, "another"));
        timeout(Duration::from_secs(60), others)
            .await
            .expect("it goes on");
        fixture.has_to_wait(1, &second).await;
        assert_eq!(fixture.get(&owner, "k").await.name, info(&owner, "k").name);
        first.rollback().await.unwrap();
        second.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_a_deleted_organization_has_can_be_changed_and_not_added_to() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    fixture.insert(info(owner, "k")).await;
    fixture.psql("UPDATE organizations SET deleted = true");
    assert_eq!(
        code(&fixture.store.commit(&inserting(info(owner, "new"))).await),
        "unknown owner"
    );
    let deletion = altering(&info(owner, "k"), |after| after.status = Status::Deleted);
    fixture.store.commit(&deletion).await.unwrap();
    assert_eq!(fixture.get(owner, "k").await.status, Status::Deleted);
}
