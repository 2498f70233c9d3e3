//! A cache hit through the layer compared with a hit of the memory store, and the cost of a
//! revocation.
//!
//! `cargo bench --bench cached`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench stops at the first failure"
)]

#[path = "../tests/it/support/now.rs"]
mod now;

use crate::now::now;
use std::{convert::Infallible, future::Ready, hint::black_box, time::Duration};
use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
    secret::Digest,
    store::{
        Cached, Change, CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore,
        Record,
    },
};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use tower::{Layer, Service};

fn inner(_: Request<()>) -> Ready<Result<Response<String>, Infallible>> {
    std::future::ready(Ok(Response::default()))
}

/// A store with 100 000 keys of 100 organizations, and the token of one key.
fn store() -> (MemoryStore, String) {
    let store = MemoryStore::new();
    for organization in 0..100 {
        now(store.create_organization(&format!("org_{organization}"), None)).unwrap();
    }
    let viewer = |record: Record| {
        record
            .with_role("viewer", &tower_api_key::scope::Catalogue::anyreach())
            .unwrap()
    };
    for i in 0..100_000 {
        let (id, organization) = (format!("key{i}"), format!("org_{}", i % 100));
        now(store.insert(viewer(Record::org_key(
            id.as_str(),
            Digest::of(id.as_bytes()),
            organization,
        ))))
        .unwrap();
    }
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    now(store.insert(viewer(Record::org_key(&minted.id, minted.digest, "org_1")))).unwrap();
    (store, format!("Bearer {}", minted.secret.expose_secret()))
}

fn filled(store: MemoryStore, life: Duration) -> Cached<MemoryStore> {
    let cache = Cached::new(store).with_ttl(life).with_capacity(200_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for i in 0..100_000 {
        let id = format!("key{i}");
        runtime
            .block_on(cache.find(&Lookup::new(LookupKey::OrgKey { id: &id }, None)))
            .unwrap();
    }
    cache
}

fn hit(c: &mut Criterion, name: &str, store: impl CredentialStore, bearer: &str) {
    let mut service = AuthLayer::new(store).layer(tower::service_fn(inner));
    let request = || {
        Request::builder()
            .header("authorization", bearer)
            .body(())
            .unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    assert!(
        runtime
            .block_on(service.call(request()))
            .unwrap()
            .status()
            .is_success()
    );
    c.bench_function(name, |b| {
        b.iter_batched(
            request,
            |request| black_box(service.call(request)),
            BatchSize::SmallInput,
        );
    });
}

fn hits(c: &mut Criterion) {
    let (memory, bearer) = store();
    hit(c, "layer, memory store", memory, &bearer);
    let (memory, bearer) = store();
    hit(
        c,
        "layer, cache, for ever",
        filled(memory, Duration::MAX),
        &bearer,
    );
    let (memory, bearer) = store();
    hit(
        c,
        "layer, cache, one hour",
        filled(memory, Duration::from_secs(3_600)),
        &bearer,
    );
}

/// Each revocation invalidates an entry, which is looked up again before, outside of the
/// measurement.
fn revocations(c: &mut Criterion) {
    let cache = filled(store().0, Duration::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ask = |i: usize| {
        let id = format!("key{i}");
        runtime
            .block_on(cache.find(&Lookup::new(LookupKey::OrgKey { id: &id }, None)))
            .unwrap();
        Change::Credential {
            kind: Kind::OrgKey,
            id: id.into(),
        }
    };
    let mut next = 0;
    c.bench_function("revoke one of 100 000", |b| {
        let again = || {
            next = (next + 7) % 100_000;
            ask(next)
        };
        b.iter_batched(again, |change| cache.apply(&change), BatchSize::SmallInput);
    });
    c.bench_function("revoke an organization of 1 000", |b| {
        let again = || {
            (0..1_000).for_each(|i| drop(ask(i * 100 + 1)));
            Change::Organization("org_1".into())
        };
        b.iter_batched(
            again,
            |change| cache.apply(&change),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, hits, revocations);
criterion_main!(benches);
