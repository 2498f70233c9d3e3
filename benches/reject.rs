//! What it costs to be refused, for each cause, response included.
//!
//! `cargo bench --bench reject`. The request is made outside of the time taken and dropped inside of it.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

mod support;

use support::{
    door::with_timer,
    refusals::{self, Refusal},
};

fn reject(c: &mut Criterion) {
    let mut group = c.benchmark_group("reject");
    with_timer(|| {
        for Refusal {
            code,
            request,
            mut door,
        } in refusals::all()
        {
            group.bench_function(code, |b| {
                b.iter_batched(|| request.clone(), &mut door, BatchSize::SmallInput)
            });
        }
    });
    group.finish();
}

criterion_group!(benches, reject);
criterion_main!(benches);
