//! Fixed bugs of the cache that no other test covers.

use crate::support::{clocks::ManualWallClock, held_store, now};
use tower_api_key::{
    AuthLayer, LastUse,
    credential::{Kind, TokenFormat},
    manage::Manager,
    store::{Cached, Change, CredentialStore, Directory, ManageStore, MemoryStore, Peek, Record},
};

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use held_store::{TestLookup, key};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

const KEYS: usize = 500;
const REPLACEMENTS: usize = 30_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn id(i: usize) -> String {
    format!("key{i}")
}

fn cache() -> Cached<MemoryStore> {
    let store = MemoryStore::new();
    now(store.create_organization("org_1", None)).unwrap();
    for i in 0..KEYS {
        now(store.insert(key(&id(i)))).unwrap();
    }
    Cached::new(store)
        .with_ttl(Duration::MAX)
        .with_negative_ttl(Duration::MAX)
}

/// Invalidates an answer and reads it again, so that its entry is replaced.
fn replace(cache: &Cached<MemoryStore>, runtime: &tokio::runtime::Runtime, i: usize) {
    cache.apply(&Change::Credential {
        kind: Kind::OrgKey,
        id: id(i).into(),
    });
    assert!(
        runtime.block_on(TestLookup::key(&id(i)).is_accepted(cache)),
        "key {i}"
    );
}

/// Entries are replaced while the tables of the cache grow: none is lost or duplicated.
#[test]
fn replaced_entries_are_found_while_a_table_grows() {
    let (cache, runtime) = (cache(), runtime());
    for size in 1..=KEYS {
        replace(&cache, &runtime, size - 1);
        for i in (0..size).rev().take(3).chain([size / 2]) {
            replace(&cache, &runtime, i);
        }
        if size % 50 == 0 {
            for i in 0..size {
                assert!(
                    TestLookup::key(&id(i)).is_cached(&cache),
                    "key {i} of {size}"
                );
                cache.apply(&Change::Credential {
                    kind: Kind::OrgKey,
                    id: id(i).into(),
                });
                assert!(
                    !TestLookup::key(&id(i)).is_cached(&cache),
                    "key {i} of {size} is duplicated"
                );
                replace(&cache, &runtime, i);
            }
        }
    }
}

fn replace_often(cache: &Cached<MemoryStore>, times: usize) {
    let runtime = runtime();
    for round in 0..times {
        replace(cache, &runtime, round * 7 % KEYS);
    }
}

#[test]
fn many_replacements_lose_no_entry() {
    let cache = cache();
    replace_often(&cache, REPLACEMENTS);
    for i in 0..KEYS {
        assert!(TestLookup::key(&id(i)).is_cached(&cache), "key {i}");
    }
}

/// Readers find the entry or query the store; they never get another answer.
#[test]
fn readers_of_replaced_entries_get_no_other_answer() {
    let (cache, done) = (Arc::new(cache()), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (cache, done) = (Arc::clone(&cache), Arc::clone(&done));
            thread::spawn(move || {
                let mut found = 0_usize;
                for i in (0..KEYS).cycle() {
                    match cache.peek(&TestLookup::key(&id(i)).lookup()) {
                        Peek::Found(record) if record.id() == id(i) => found += 1,
                        Peek::Unknown => {}
                        other => panic!("key {i}: {other:?}"),
                    }
                    if done.load(Ordering::Relaxed) {
                        return found;
                    }
                }
                unreachable!("the cycle has no end")
            })
        })
        .collect();
    replace_often(&cache, REPLACEMENTS);
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
}

/// The organization is part of the lookup: the same token in another organization is another entry,
/// also while tables grow.
#[test]
fn entries_of_a_token_in_many_organizations_stay_separate() {
    let store = MemoryStore::new();
    now(store.create_user("alice")).unwrap();
    now(store.insert(Record::personal_token(
        "t1",
        held_store::token_digest("t1"),
        "alice",
    )))
    .unwrap();
    let organizations: Vec<&'static str> = (0..KEYS)
        .map(|i| &*String::leak(format!("org_{i}")))
        .collect();
    for (i, organization) in organizations.iter().enumerate() {
        now(store.create_organization(organization, None)).unwrap();
        if i % 2 == 0 {
            now(store.set_member("alice", organization, "viewer")).unwrap();
        }
    }
    let (cache, runtime) = (Cached::new(store).with_ttl(Duration::MAX), runtime());
    for round in 0..3 {
        for (i, organization) in organizations.iter().enumerate() {
            let lookup = TestLookup::token("t1", Some(organization));
            assert_eq!(
                runtime.block_on(lookup.is_accepted(&cache)),
                i % 2 == 0,
                "{organization}, round {round}"
            );
        }
        cache.apply(&Change::User("alice".into()));
    }
}

/// Entries are retired and replaced while the table of last uses grows: each use is written once.
#[tokio::test]
async fn no_last_use_is_lost_or_repeated_while_its_table_grows() {
    let (store, clock, uses) = (
        MemoryStore::new(),
        ManualWallClock::default(),
        LastUse::new(),
    );
    store.create_organization("org_1", None).await.unwrap();
    let manager = Manager::new(store.clone()).with_clock(clock.clone());
    let auth = AuthLayer::new(store.clone())
        .with_clock(clock.clone())
        .with_last_use(uses.clone());
    let service = auth.layer(service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    }));
    let mut tokens = Vec::new();
    for round in 0..KEYS {
        let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
        let record = Record::org_key(&minted.id, minted.digest, "org_1");
        store
            .insert(record.with_role("viewer", store.catalogue()).unwrap())
            .await
            .unwrap();
        tokens.push(format!("Bearer {}", minted.secret.expose_secret()));
        if round % 10 != 9 {
            continue;
        }
        clock.advance(100_000);
        for token in tokens.iter().skip(round % 3) {
            let request = Request::builder()
                .header("authorization", token)
                .body(())
                .unwrap();
            assert!(
                service
                    .clone()
                    .oneshot(request)
                    .await
                    .unwrap()
                    .status()
                    .is_success()
            );
        }
        let written = manager.record_uses(&uses).await.unwrap();
        assert_eq!(written, tokens.len() - round % 3, "{} keys", tokens.len());
        if round % 4 == 1 {
            assert_eq!(manager.record_uses(&uses).await.unwrap(), 0); // retires them all
        }
    }
}
