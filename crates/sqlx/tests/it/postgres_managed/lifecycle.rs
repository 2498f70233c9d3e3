//! What ends by itself, and what is removed, beside other nodes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use tokio::time::timeout;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Import, ManageError, Manager},
    secret::Digest,
    store::{
        AuditEvent, CredentialStore, Directory, ExpiryWatch, Lookup, LookupKey, ManageStore, Owner,
        Record, Status, Usage, WriteError, backend::Sweep,
    },
};
use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, ORG, USER, digest, info, owners};

const NOW: UnixMillis = UnixMillis(100_000);

impl Fixture {
    /// Stores of three processes.
    fn nodes(&self) -> [PostgresStore; 3] {
        [(); 3].map(|()| self.cluster.unmigrated_store(&self.schema))
    }

    /// Inserts 300 credentials of four owners that expire soon or whose overlap has ended.
    fn seed_ending(&self) {
        self.psql(
            "INSERT INTO credentials (kind, id, digest, organization_id, user_id, created_at,
                expires_at, rotated_to, rotated_at)
            SELECT CASE WHEN n % 2 = 0 THEN 'org_key' ELSE 'pat' END, 'k' || n,
                sha256(convert_to(n::text, 'UTF8')),
                CASE n % 4 WHEN 0 THEN 'org_test' WHEN 2 THEN 'org_other_test' END,
                CASE n % 4 WHEN 1 THEN 'user_test' WHEN 3 THEN 'user_other_test' END, 0,
                now.ms + CASE n % 3 WHEN 0 THEN -120000 ELSE 3600000 END + n / 10,
                CASE n % 3 WHEN 0 THEN 'next' END, CASE n % 3 WHEN 0 THEN 1 END
            FROM generate_series(1, 300) n,
                (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) now",
        );
    }

    /// Inserts 200 deleted keys of an organization and as many tokens of a user, in the order of
    /// their deletion. Every third was used.
    fn seed_deleted(&self) {
        self.psql(
            "INSERT INTO credentials (kind, id, digest, organization_id, user_id, status,
                created_at, deleted_at)
            SELECT kind, 'k' || n, sha256(convert_to(n::text, 'UTF8')),
                CASE kind WHEN 'org_key' THEN 'org_test' END,
                CASE kind WHEN 'pat' THEN 'user_test' END, 'deleted', 0, n
            FROM generate_series(0, 199) n, unnest(ARRAY['org_key', 'pat']) kind;
            INSERT INTO uses (kind, id, at) SELECT kind, id, 1 FROM credentials
                WHERE deleted_at % 3 = 0",
        );
    }

    /// Makes each such change of credentials wait at the end of its statement for whoever holds it.
    fn hold(&self, change: &str) {
        self.psql(&format!(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_advisory_xact_lock(417); RETURN NULL; END $$;
            CREATE TRIGGER hold AFTER {change} ON credentials EXECUTE FUNCTION hold()"
        ));
    }
}

async fn hold(connection: &mut PgConnection) -> Transaction<'_, Postgres> {
    let mut holding = connection.begin().await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_xact_lock(417)");
    lock.execute(&mut *holding).await.unwrap();
    holding
}

/// Removes what was deleted or has expired, in small batches.
fn sweep(limit: u32) -> Sweep {
    Sweep {
        now: NOW,
        deleted: Some(NOW),
        expired: Some(NOW),
        idempotency_keys: None,
        events: None,
        uses: None,
        changes: None,
        uses_after: None,
        limit,
    }
}

async fn tell_all(node: &PostgresStore) -> Vec<AuditEvent> {
    let watch = ExpiryWatch::before([Duration::from_secs(24 * 3600)]).unwrap();
    let mut told = Vec::new();
    loop {
        let now = UnixMillis(i64::MAX / 2); // clipped to the server's
        let events = node.watch_expiry(&watch, now, 7).await.unwrap();
        if events.is_empty() {
            return told;
        }
        told.extend(events);
    }
}

async fn read_after(store: &PostgresStore, cursor: Option<i64>) -> Vec<AuditEvent> {
    let (mut cursor, mut read) = (cursor, Vec::new());
    loop {
        let page = store.expiry_events(cursor, 10).await.unwrap();
        let Some(last) = page.last() else { return read };
        cursor = last.number;
        read.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_tell_of_each_credential_once() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.seed_ending();
    let nodes = fixture
        .nodes()
        .map(|node| tokio::spawn(async move { tell_all(&node).await }));
    let mut told = Vec::new();
    for node in nodes {
        told.extend(node.await.unwrap());
    }
    let of: BTreeSet<_> = told.iter().map(|event| event.credential.as_str()).collect();
    assert_eq!((told.len(), of.len()), (300, 300));
    told.sort_by_key(|event| event.number);
    assert_eq!(read_after(&fixture.store, None).await, told);
    assert_eq!(tell_all(&fixture.store).await, []);
}

/// No event is ever inserted before the cursor of a reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_nothing_that_several_nodes_tell_meanwhile() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.seed_ending();
    let (store, done) = (fixture.store.clone(), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&done);
    let reader = tokio::spawn(async move {
        let mut read: Vec<AuditEvent> = Vec::new();
        loop {
            let is_last = ended.load(Relaxed);
            let cursor = read.last().and_then(|event| event.number);
            read.extend(read_after(&store, cursor).await);
            if is_last {
                return read;
            }
        }
    });
    let nodes = fixture
        .nodes()
        .map(|node| tokio::spawn(async move { tell_all(&node).await }));
    for node in nodes {
        node.await.unwrap();
    }
    done.store(true, Relaxed);
    let read = reader.await.unwrap();
    assert!(read.len() >= 300);
    assert_eq!(read, read_after(&fixture.store, None).await);
}

/// Tries to take the id of a credential that is removed meanwhile, and returns what was said.
async fn take(store: &PostgresStore, kind: Kind, number: usize, import: bool) -> String {
    let id = format!("k{number}");
    let owner = match kind {
        Kind::OrgKey => Owner::Organization(ORG.into()),
        _ => Owner::User(USER.into()),
    };
    let digest = digest(&owner, &format!("another {id}"));
    if import {
        let import = Import::new(id.as_str(), digest, "again");
        let manager = Manager::new(store.clone());
        let operator = Actor::operator("operator-test", owner);
        return match manager.import(&operator, kind, import).await {
            Err(ManageError::Taken(_)) => "taken".into(),
            other => format!("{other:?}"),
        };
    }
    let record = match kind {
        Kind::OrgKey => Record::org_key(id, digest, ORG),
        _ => Record::personal_token(id, digest, USER),
    };
    match store.insert(record).await {
        Err(WriteError::Taken(_)) => "taken".into(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_is_given_out_again_while_several_nodes_remove_its_credential() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.seed_deleted();
    let removed = Arc::new(AtomicUsize::new(0));
    let takers = [(Kind::OrgKey, false), (Kind::PersonalToken, true)]
        .into_iter()
        .chain([(Kind::PersonalToken, false), (Kind::OrgKey, true)])
        .map(|(kind, import)| {
            let (store, removed) = (fixture.nodes()[0].clone(), Arc::clone(&removed));
            tokio::spawn(async move {
                // Where the sweeps are.
                for round in 0.. {
                    let at = removed.load(Relaxed) / 2 + round % 8;
                    if at >= 200 {
                        return;
                    }
                    assert_eq!(
                        take(&store, kind, at, import).await,
                        "taken",
                        "{kind:?} {at}"
                    );
                }
            })
        });
    let takers: Vec<_> = takers.collect();
    let sweepers = fixture.nodes().map(|node| {
        let removed = Arc::clone(&removed);
        tokio::spawn(async move {
            while removed.load(Relaxed) < 400 {
                let batch = node.sweep(&sweep(3)).await.unwrap();
                removed.fetch_add(batch.swept.credentials as usize, Relaxed);
            }
        })
    });
    for task in sweepers.into_iter().chain(takers) {
        task.await.unwrap();
    }
    for (number, kind) in (0..200).flat_map(|n| [(n, Kind::OrgKey), (n, Kind::PersonalToken)]) {
        let import = number % 2 == 0;
        assert_eq!(take(&fixture.store, kind, number, import).await, "taken");
    }
    let left = "SELECT (SELECT count(*) FROM credentials), (SELECT count(*) FROM uses),
        (SELECT count(*) FROM tombstones WHERE kind IN ('org_key', 'pat'))";
    assert_eq!(fixture.psql(left), "0|0|400");
}

/// The insertion finds the credential, and before it asks what is taken, the credential is removed.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_though_its_credential_is_removed_during_the_insertion() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.seed_deleted();
    fixture.hold("INSERT");
    for (kind, import) in [(Kind::OrgKey, false), (Kind::PersonalToken, true)] {
        let mut connection = fixture.cluster.connection().await;
        let holding = hold(&mut connection).await;
        let store = fixture.store.clone();
        let taking = tokio::spawn(async move { take(&store, kind, 7, import).await });
        fixture.wait_for_lock(1, &taking).await;
        while fixture.store.sweep(&sweep(1000)).await.unwrap().more {}
        holding.rollback().await.unwrap();
        assert_eq!(taking.await.unwrap(), "taken", "{kind:?}");
        fixture.psql("DELETE FROM tombstones");
        fixture.seed_deleted();
    }
}

/// Inserts 20 tokens of a user, some of them over, and returns a use of each that names the user.
fn seed_tokens(fixture: &Fixture, user: &str) -> Vec<Usage> {
    fixture.psql(&format!(
        "INSERT INTO credentials (kind, id, digest, user_id, status, created_at, expires_at,
            deleted_at, rotated_to, rotated_at)
        SELECT 'pat', substr(md5('{user}' || n), 1, 12), sha256(convert_to('{user}' || n, 'UTF8')),
            '{user}', CASE WHEN n % 4 = 0 THEN 'deleted' ELSE 'active' END, 0,
            CASE WHEN n % 4 = 1 THEN 5000 END, CASE WHEN n % 4 = 0 THEN 5000 END,
            CASE WHEN n % 4 = 1 THEN 'next' END, CASE WHEN n % 4 = 1 THEN 1000 END
        FROM generate_series(1, 20) n;
        INSERT INTO uses (kind, id, at) SELECT kind, id, 1 FROM credentials
            WHERE user_id = '{user}' AND id < '8'"
    ));
    let ids = fixture.psql(&format!(
        "SELECT id FROM credentials WHERE user_id = '{user}' ORDER BY id"
    ));
    let used = |id: &str| {
        let mut usage = Usage::new(Kind::PersonalToken, id, UnixMillis(90_000));
        usage.user_agent = Some(user.into());
        usage
    };
    ids.lines().map(used).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_can_be_removed_beside_sweeps_and_uses_of_the_same_tokens() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for round in 0..20 {
        let user = format!("busy{round}");
        fixture.store.create_user(&user).await.unwrap();
        let uses = seed_tokens(&fixture, &user);
        let nodes = fixture.nodes();
        let mut tasks = Vec::new();
        for number in 0..9 {
            let (node, mut uses) = (nodes[number % 3].clone(), uses.clone());
            uses.rotate_left(number);
            tasks.push(tokio::spawn(async move {
                match number / 3 {
                    0 => drop(node.sweep(&sweep(5)).await.unwrap()),
                    _ => drop(node.record_uses(&uses[..15]).await.unwrap()),
                }
            }));
        }
        fixture.store.delete_user(&user).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        for table in "users memberships credentials uses events owner_turns tombstones".split(' ') {
            let mentions = format!("SELECT count(*) FROM {table} t WHERE t::text ~ '{user}\\M'");
            assert_eq!(fixture.psql(&mentions), "0", "{table}");
        }
        let stray = "SELECT count(*) FROM uses";
        assert_eq!(fixture.psql(stray), "0", "uses of no credential");
    }
}

/// The recording of two first uses waits for that of another credential, between its statements.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_use_is_not_left_behind_by_a_credential_that_is_removed_meanwhile() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        for id in ["a", "z"] {
            let mut old = info(&owner, id);
            old.expires_at = Some(UnixMillis(if id == "a" { 5_000 } else { i64::MAX }));
            fixture.insert(old).await;
        }
        let kind = owner.kind();
        fixture.psql(&format!(
            "INSERT INTO uses (kind, id, at) VALUES ('{}', 'z', 1)",
            kind.as_str()
        ));
        let mut connection = fixture.cluster.connection().await;
        let mut holding = connection.begin().await.unwrap();
        let sql = format!(
            "SELECT FROM {}.uses WHERE id = 'z' FOR UPDATE",
            fixture.schema
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *holding)
            .await
            .unwrap();
        let store = fixture.store.clone();
        let uses = ["a", "z"].map(|id| Usage::new(kind, id, NOW));
        let recording = tokio::spawn(async move { store.record_uses(&uses).await });
        fixture.wait_for_lock(1, &recording).await;
        fixture.store.sweep(&sweep(10)).await.unwrap();
        holding.rollback().await.unwrap();
        recording.await.unwrap().unwrap();
        fixture.store.sweep(&sweep(10)).await.unwrap();
        let left = "SELECT 'credential', id FROM credentials UNION ALL SELECT 'use', id FROM uses";
        assert_eq!(fixture.psql(left), "credential|z\nuse|z");
        fixture.psql("DELETE FROM credentials; DELETE FROM uses");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_does_not_wait_for_a_sweep() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (id, status) in [("over", Status::Deleted), ("active", Status::Active)] {
        let key = Record::org_key(id, Digest::of(b"test"), ORG).with_status(status);
        fixture.store.insert(key).await.unwrap();
    }
    fixture.psql("UPDATE credentials SET deleted_at = 1 WHERE id = 'over'");
    fixture.hold("DELETE");
    let mut connection = fixture.cluster.connection().await;
    let holding = hold(&mut connection).await;
    let store = fixture.store.clone();
    let sweeping = tokio::spawn(async move { store.sweep(&sweep(10)).await });
    fixture.wait_for_lock(1, &sweeping).await;
    let find = async |id| {
        let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
        let found = timeout(Duration::from_secs(60), fixture.store.find(&lookup)).await;
        let found = found.expect("an answer").unwrap();
        found.map(|record| record.status())
    };
    assert_eq!(find("active").await, Some(Status::Active));
    assert_eq!(find("over").await, Some(Status::Deleted));
    assert_eq!(find("unknown").await, None);
    assert!(!sweeping.is_finished(), "a lookup waited for the sweep");
    holding.rollback().await.unwrap();
    assert_eq!(sweeping.await.unwrap().unwrap().swept.credentials, 1);
    assert_eq!(find("over").await, None);
}
