//! The cost of reading a credential, measured through a layer over a store without credentials.
//!
//! `cargo bench --bench parse`. A minimal closure builds the refusal, so most of the time is
//! parsing: a well-formed token is also hashed and looked up. `no credential` shows the cost of the
//! refusal alone.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::{Request, Response, header};
use tower_api_key::{AuthLayer, Rejection, credential::TokenFormat};
use tower_layer::Layer;

mod support;

use support::{
    fixtures::{Body, EmptyStore, key, request, token},
    service::{Echo, call},
};

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let key = key("live");
    let longest = format!("ak_test.{}", "x".repeat(504));
    for (name, value) in [
        ("no credential", None),
        ("key", Some(format!("Bearer {key}"))),
        ("personal token", Some(format!("Bearer {}", token("live")))),
        ("shortest key", Some("Bearer ak_a.b".to_owned())),
        ("key of 512 bytes", Some(format!("Bearer {longest}"))),
        ("key of 513 bytes", Some(format!("Bearer {longest}x"))),
        (
            "1000 spaces",
            Some(format!("Bearer {}{key}", " ".repeat(1000))),
        ),
        ("another scheme", Some(format!("Basic {key}"))),
        ("another prefix", Some(format!("Bearer x{key}"))),
        ("last byte illegal", Some(format!("Bearer {key}%"))),
        ("no dot", Some(format!("Bearer {}", key.replace('.', "-")))),
        (
            "joined by a comma",
            Some(format!("Bearer {key}, Bearer {key}")),
        ),
    ] {
        let headers: Vec<_> = value
            .iter()
            .map(|value| (header::AUTHORIZATION, value.as_str()))
            .collect();
        let request: Request<Body> = request(&headers);
        group.throughput(Throughput::Bytes(
            value.as_ref().map_or(0, String::len) as u64
        ));
        let mut service = layer().layer(Echo);
        group.bench_function(name, |b| {
            b.iter_batched(
                || request.clone(),
                |request| call(&mut service, request),
                BatchSize::SmallInput,
            );
        });
    }
    let checked = layer().with_token_format(TokenFormat::default().with_required_checksum());
    let request: Request<Body> = request(&[(header::AUTHORIZATION, &format!("Bearer {key}"))]);
    let mut service = checked.layer(Echo);
    group.bench_function("key, checksum required and wrong", |b| {
        b.iter_batched(
            || request.clone(),
            |request| call(&mut service, request),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn layer() -> AuthLayer<EmptyStore, fn(&Rejection) -> Response<Body>> {
    AuthLayer::new(EmptyStore).with_responder(|rejection: &Rejection| {
        let mut response = Response::default();
        *response.status_mut() = rejection.status();
        response
    })
}

criterion_group!(benches, parse);
criterion_main!(benches);
