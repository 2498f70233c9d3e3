//! The cost of a refusal, for each cause, response included.
//!
//! `cargo bench --bench reject`. Creating the request is not measured, dropping it is.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

mod support;

use support::{
    refusals::{self, Refusal},
    service::with_timer,
};

fn reject(c: &mut Criterion) {
    let mut group = c.benchmark_group("reject");
    with_timer(|| {
        for Refusal {
            code,
            request,
            mut service,
        } in refusals::all()
        {
            group.bench_function(code, |b| {
                b.iter_batched(|| request.clone(), &mut service, BatchSize::SmallInput)
            });
        }
    });
    group.finish();
}

criterion_group!(benches, reject);
criterion_main!(benches);
