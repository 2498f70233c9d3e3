//! Records of the memory store that are replaced while its map grows.

use crate::support;
use tower_api_key::{
    AuthLayer,
    clock::UnixMillis,
    credential::Kind,
    manage::*,
    secret::Digest,
    store::{
        AuditAction, AuditEvent, CredentialStore, Directory, Lookup, LookupKey, ManageStore,
        MemoryStore, Owner, Peek, Record, WriteError,
        backend::{Authority, Commit, Update},
    },
};

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use support::*;

/// How many records each of the two tests on the store replaces in total.
const REPLACEMENTS: usize = 1_000_000;

fn key(id: &str) -> Record {
    Record::org_key(id, Digest::of(id.as_bytes()), "org")
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    now(store.create_organization("org", None)).unwrap();
    store
}

fn is_found(store: &MemoryStore, id: &str) -> bool {
    matches!(
        store.peek(&Lookup::new(LookupKey::OrgKey { id }, None)),
        Peek::Found(_)
    )
}

fn is_taken(store: &MemoryStore, id: &str) -> bool {
    matches!(now(store.insert(key(id))), Err(WriteError::Taken(_)))
}

/// Replaces the record of every key in one commit.
fn replace(store: &MemoryStore, ids: &[String]) {
    let owner = Owner::Organization("org".into());
    let changes = ids.iter().map(|id| {
        let before = now(store.credential(&owner, id)).unwrap().unwrap();
        let mut after = before.clone();
        after.expires_at = match before.expires_at {
            None => Some(UnixMillis(i64::MAX)),
            Some(_) => None,
        };
        Update { before, after }
    });
    let commit = Commit {
        changes: changes.collect(),
        ..Commit::new(owner.clone(), Authority::Unconditional)
    };
    now(store.commit(&commit)).unwrap();
}

/// Fills a store key by key and replaces every record whenever the map may have started to grow.
fn grow_and_replace(mut check: impl FnMut(&MemoryStore, &[String])) -> usize {
    let (mut replaced, mut size) = (0, 50_usize);
    while replaced < REPLACEMENTS {
        let store = store();
        let mut ids = Vec::new();
        for number in 0..size {
            let id = format!("key-{number}");
            now(store.insert(key(&id))).unwrap();
            ids.push(id);
            // Tables grow around powers of two, so check after every insert there; elsewhere
            // occasionally.
            let near = number.next_power_of_two().abs_diff(number) < 4 || number % 37 == 0;
            if near || number + 1 == size {
                replace(&store, &ids);
                replaced += ids.len();
                check(&store, &ids);
            }
        }
        size = if size >= 500 { 50 } else { size + 1 };
    }
    replaced
}

#[test]
fn a_replaced_key_is_found_at_every_size() {
    grow_and_replace(|store, ids| {
        let lost = ids.iter().filter(|id| !is_found(store, id)).count();
        assert_eq!(lost, 0, "of {} keys", ids.len());
        let free = ids.iter().filter(|id| !is_taken(store, id)).count();
        assert_eq!(free, 0, "ids of {} became free", ids.len());
    });
}

#[test]
fn a_reader_always_finds_a_key_during_its_replacement() {
    let shared = Arc::new(std::sync::Mutex::new(None::<(MemoryStore, usize)>));
    let (done, lost) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let Some((store, keys)) = shared.lock().unwrap().clone() else {
                        continue;
                    };
                    let missing = (0..keys)
                        .filter(|number| !is_found(&store, &format!("key-{number}")))
                        .count();
                    lost.fetch_add(missing, Relaxed);
                }
            });
        }
        let mut replaced = 0;
        for round in 0.. {
            let (store, size) = (store(), 50 + round % 450);
            let mut ids = Vec::new();
            for number in 0..size {
                ids.push(format!("key-{number}"));
                now(store.insert(key(&ids[number]))).unwrap();
                *shared.lock().unwrap() = Some((store.clone(), number + 1));
                if number % 8 == 0 {
                    replace(&store, &ids);
                    replaced += ids.len();
                }
            }
            if replaced >= REPLACEMENTS {
                break;
            }
        }
        done.store(true, Relaxed);
    });
    assert_eq!(lost.into_inner(), 0);
}

#[tokio::test]
async fn a_renamed_key_is_accepted_and_can_be_deleted() {
    for keys in [110, 112, 114, 116, 117, 118, 119, 225, 230, 235] {
        for _ in 0..20 {
            let store = store();
            let manager = Manager::new(store.clone()).with_max_credentials(1_000_000);
            let operator = Actor::operator("test", Owner::Organization("org".into()));
            let layer = AuthLayer::new(store.clone());
            let mut issued = vec![];
            for _ in 0..keys {
                let new = NewKey::named("key").with_role("viewer");
                let (info, secret) = manager
                    .issue_key(&operator, new)
                    .await
                    .unwrap()
                    .into_parts();
                issued.push((info.id, secret.unwrap()));
            }
            for (id, secret) in &issued {
                manager
                    .rename(&operator, Kind::OrgKey, id.as_str(), "renamed")
                    .await
                    .unwrap();
                assert_eq!(
                    ask(&layer, bearer(secret.expose_secret())).await.status,
                    200,
                    "renamed, of {keys}"
                );
            }
            for (id, secret) in &issued {
                assert_eq!(
                    ask(&layer, bearer(secret.expose_secret())).await.status,
                    200,
                    "later, of {keys}"
                );
                manager
                    .delete(&operator, Kind::OrgKey, id.as_str())
                    .await
                    .unwrap();
                assert_eq!(
                    ask(&layer, bearer(secret.expose_secret())).await.status,
                    401,
                    "deleted, of {keys}"
                );
            }
        }
    }
}

#[tokio::test]
async fn one_tenants_changes_do_not_evict_another_tenants_audit_events() {
    let store = store();
    store.create_organization("busy", None).await.unwrap();
    let manager = Manager::new(store);
    let operator = |org: &str| Actor::operator("test", Owner::Organization(org.into()));
    let quiet = operator("org");
    manager
        .issue_key(&quiet, NewKey::named("quiet"))
        .await
        .unwrap();
    let busy = manager
        .issue_key(&operator("busy"), NewKey::named("busy"))
        .await
        .unwrap()
        .info()
        .id
        .clone();
    for number in 0..20_000 {
        let name = format!("name {number}");
        manager
            .rename(&operator("busy"), Kind::OrgKey, busy.as_str(), &name)
            .await
            .unwrap();
    }
    let actions =
        |events: Vec<AuditEvent>| events.iter().map(|event| event.action).collect::<Vec<_>>();
    assert_eq!(
        actions(
            manager
                .events(&quiet, Kind::OrgKey, None, 10)
                .await
                .unwrap()
        ),
        [AuditAction::Issued]
    );
    let mut kept = 0;
    let mut before = None;
    loop {
        let page = manager
            .events(&operator("busy"), Kind::OrgKey, before, 200)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        (kept, before) = (kept + page.len(), last.number);
    }
    assert_eq!(kept, 1000, "the events of one owner are bounded");
}
