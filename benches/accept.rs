//! The cost of an accepted request: every way to be accepted, compared with no layer.
//!
//! `cargo bench --bench accept`. For ratios and allocations see `peers`, which measures all arms in
//! turn.

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use http::{Request, Response};
use tower_api_key::AuthLayer;
use tower_layer::Layer;
use tower_service::Service;

mod support;

use support::{
    fixtures::{AsyncStore, Body, bearing, bearing_for_organization, key, reads, store, token},
    service::{Echo, Extensions, Loop, with_timer},
};

fn accept(c: &mut Criterion) {
    let mut group = c.benchmark_group("accept");
    let (key, token) = (key("live"), token("live"));
    let auth = AuthLayer::new(store());
    let reads = reads();
    let asking = AuthLayer::new(AsyncStore(store())).layer(Echo);
    case(&mut group, "no layer", Echo, bearing(&key));
    case(&mut group, "key", auth.layer(Echo), bearing(&key));
    case(
        &mut group,
        "key and its organization",
        auth.layer(Echo),
        bearing_for_organization(&key),
    );
    case(
        &mut group,
        "personal token",
        auth.layer(Echo),
        bearing_for_organization(&token),
    );
    case(
        &mut group,
        "key, scopes required",
        auth.layer(reads.layer(Echo)),
        bearing(&key),
    );
    with_timer(|| case(&mut group, "key, store asked", asking, bearing(&key)));
    group.finish();
}

fn case<S>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, service: S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
{
    for (extensions, word) in [(Extensions::Empty, "empty"), (Extensions::Warm, "warm")] {
        let mut calls = Loop::new(service.clone(), request.clone(), extensions);
        group.bench_function(format!("{name}, {word} extensions"), |b| {
            b.iter(|| black_box(&mut calls).once())
        });
    }
}

criterion_group!(benches, accept);
criterion_main!(benches);
