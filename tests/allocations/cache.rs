//! The memory cost of a cache: nothing for a hit, a bounded amount for any lookups.

use crate::now::now;
use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};
use tower_api_key::{
    async_trait,
    secret::Digest,
    store::{
        Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Peek,
        Record, StoreError,
    },
};

use allocation_counter::measure;

const MIB: u64 = 1 << 20;

fn cache() -> Cached<MemoryStore> {
    let store = MemoryStore::new();
    now(store.create_organization("org_1", None)).unwrap();
    now(store.create_user("alice")).unwrap();
    now(store.set_member("alice", "org_1", "viewer")).unwrap();
    now(store.insert(Record::personal_token(
        "t1",
        Digest::of(b"pat_test"),
        "alice",
    )))
    .unwrap();
    for i in 0..1_000 {
        let id = format!("good{i}");
        let record = Record::org_key(id.as_str(), Digest::of(id.as_bytes()), "org_1");
        now(store.insert(record.with_role("viewer", store.catalogue()).unwrap())).unwrap();
    }
    Cached::new(store)
        .with_ttl(Duration::MAX)
        .with_negative_ttl(Duration::MAX)
}

fn key(id: &str) -> Lookup<'_> {
    Lookup::new(LookupKey::OrgKey { id }, None)
}

fn ask<S: CredentialStore>(cache: &S, runtime: &tokio::runtime::Runtime, lookup: &Lookup<'_>) {
    if matches!(cache.peek(lookup), Peek::Unknown) {
        runtime.block_on(cache.find(lookup)).unwrap();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn a_hit_allocates_nothing() {
    let (cache, runtime, digest) = (
        cache().with_ttl(Duration::from_secs(600)),
        runtime(),
        Digest::of(b"pat_test"),
    );
    let token =
        |organization| Lookup::new(LookupKey::PersonalToken { digest: &digest }, organization);
    let lookups = [
        key("good1"),
        key("unknown"),
        token(Some("org_1")),
        token(Some("org_2")),
        token(None),
    ];
    for lookup in &lookups {
        ask(&cache, &runtime, lookup);
        drop(cache.peek(lookup)); // the first pin of a thread allocates
        let cost = measure(|| assert!(!matches!(cache.peek(lookup), Peek::Unknown)));
        assert_eq!(cost.count_total, 0, "{lookup:?}");
    }
}

#[test]
fn a_million_unknown_ids_use_bounded_memory_and_evict_no_accept() {
    let (cache, runtime) = (cache(), runtime());
    let good: Vec<_> = (0..1_000).map(|i| format!("good{i}")).collect();
    good.iter().for_each(|id| ask(&cache, &runtime, &key(id)));
    let cost = measure(|| {
        for i in 0..1_000_000 {
            // Close to the maximum length of a token.
            ask(&cache, &runtime, &key(&format!("{i:0>400}")));
        }
    });
    assert!(cost.bytes_max <= 16 * MIB, "{cost:?}");
    assert!(
        good.iter()
            .all(|id| matches!(cache.peek(&key(id)), Peek::Found(_)))
    );
    println!("a million unknown ids of 400 bytes: {cost:?}");
}

#[test]
fn refills_and_revocations_leak_no_memory() {
    let (cache, runtime) = (cache().with_capacity(100), runtime());
    let round = || {
        for i in 0..1_000 {
            let id = format!("good{i}");
            ask(&cache, &runtime, &key(&id));
            let (kind, id) = (tower_api_key::credential::Kind::OrgKey, id.as_str().into());
            cache.apply(&tower_api_key::store::Change::Credential { kind, id });
        }
    };
    (0..5).for_each(|_| round());
    let cost = measure(|| (0..50).for_each(|_| round()));
    assert!(cost.bytes_current < MIB as i64 / 4, "{cost:?}");
}

#[test]
fn an_accept_uses_less_than_a_kibibyte() {
    let (cache, runtime) = (cache(), runtime());
    let ids: Vec<_> = (0..1_000).map(|i| format!("good{i}")).collect();
    let cost = measure(|| ids.iter().for_each(|id| ask(&cache, &runtime, &key(id))));
    println!("an accept of a key: {} bytes", cost.bytes_current / 1_000);
    assert!(cost.bytes_current < 1_000 * 1_024, "{cost:?}");
}

/// A store that never answers.
struct Silent;

#[async_trait]
impl CredentialStore for Silent {
    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        std::future::pending().await
    }
}

#[test]
fn abandoned_lookups_use_bounded_memory_until_their_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let cache = runtime.block_on(async { Cached::new(Silent) });
    let leave = |i: u32| {
        let id = i.to_string();
        let lookup = key(&id);
        runtime.block_on(async {
            let mut asking = cache.find(&lookup);
            let polled = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            drop(asking);
            tokio::task::yield_now().await; // lets the runtime drop the aborted lookup
        });
    };
    let expire = || runtime.block_on(async { tokio::time::sleep(Duration::from_secs(2)).await });
    (0..10_000).for_each(leave);
    expire();
    let cost = measure(|| (0..10_000).for_each(leave));
    println!("10 000 abandoned lookups: {cost:?}");
    assert!(cost.bytes_current < 4 * MIB as i64, "{cost:?}");
    // What remains are the recorded failures, in their own bounded table.
    expire();
    (10_000..110_000).for_each(leave);
    expire();
    let cost = measure(|| {
        (110_000..210_000).for_each(leave);
        expire();
    });
    // Less than a pointer per lookup; the tables may have another capacity.
    assert!(cost.bytes_current < 100_000 * 8 / 2, "{cost:?}");
}
