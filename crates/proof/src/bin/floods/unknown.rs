//! Well-formed ids that do not exist: bounded memory, store calls within the limit, and every good
//! entry stays.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use tokio::runtime::Builder;
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer,
    store::{Cached, CredentialStore, Lookup, LookupKey, Peek},
};
use tower_api_key_proof::rig::{Random, Report, resident_kib};

use crate::{
    fixture::{bearing, cause, ids, key, memory, reached},
    remote_store::{Behaviour, RemoteStore},
};

/// Lookups per second of keys, and as many of tokens.
const LIMIT: u32 = 1_000;
const GOOD: usize = 1_000;
const MIB: u64 = 1 << 20;

type Cache = Cached<Arc<RemoteStore>>;

/// What a flood did.
#[derive(Default)]
struct Outcome {
    unknown: usize,
    limited: usize,
    good_accepted: usize,
    good_refused: usize,
}

pub(crate) fn run(report: &mut Report, count: usize) {
    for limit in [None, Some(LIMIT)] {
        flood(report, count, limit);
    }
}

fn flood(report: &mut Report, count: usize, limit: Option<u32>) {
    // One thread: allocations are counted per thread, and lookups run in tasks of their own.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let ids = ids(GOOD);
    let store = RemoteStore::new(memory(&ids), Behaviour::Answers);
    let cache = runtime.block_on(warm(&store, &ids, limit));
    let (before, resident, began) = (
        store.calls(),
        resident_kib(std::process::id()),
        Instant::now(),
    );
    let mut outcome = Outcome::default();
    let cost = measure(|| outcome = runtime.block_on(send(&cache, &ids, count)));
    let (calls, took) = (store.calls() - before, began.elapsed());
    let grown = resident_kib(std::process::id()).saturating_sub(resident);
    let sent = match limit {
        None => format!("{count} unknown ids, no limit"),
        Some(limit) => format!("{count} unknown ids, {limit} misses per second"),
    };

    let figure = format!(
        "{:.2} MiB (resident {grown} KiB)",
        cost.bytes_max as f64 / MIB as f64
    );
    let name = format!("{sent}: memory at most");
    report.row(&name, figure, "≤ 16 MiB", cost.bytes_max <= 16 * MIB);

    // Keys and tokens each have the limit, and a second's permits at once.
    let most = limit.map_or(count, |limit| {
        2 * limit as usize * (2 + took.as_secs() as usize)
    });
    let figure = format!(
        "{calls} in {} ms; {} unknown, {} answered 503",
        took.as_millis(),
        outcome.unknown,
        outcome.limited
    );
    // Each id is new, so that one that is unknown has cost a call; without a limit all are.
    let answered = outcome.unknown + outcome.limited;
    let held = match limit {
        None => calls == count && outcome.unknown == count,
        Some(_) => calls <= most && calls == outcome.unknown && answered == count,
    };
    let target = match limit {
        None => format!("{count}, one for each id"),
        Some(_) => format!("≤ {most}, one for each id that is not answered 503"),
    };
    report.row(&format!("{sent}: store calls"), figure, &target, held);

    let kept = ids.iter().filter(|id| is_accepted(&cache, id)).count();
    let name = format!("{sent}: good entries evicted");
    report.row(&name, GOOD - kept, "0", kept == GOOD);
    let name = format!("{sent}: good requests refused meanwhile");
    let figure = format!("{} of {}", outcome.good_refused, outcome.good_accepted);
    let held = outcome.good_refused == 0 && outcome.good_accepted > 0;
    report.row(&name, figure, "0", held);
}

/// Returns a cache that holds every good key.
async fn warm(store: &Arc<RemoteStore>, ids: &[String], limit: Option<u32>) -> Cache {
    let cache = Cached::new(Arc::clone(store)).with_ttl(Duration::MAX);
    let cache = match limit {
        Some(limit) => cache.with_miss_rate_limit(limit),
        None => cache,
    };
    for id in ids {
        let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
        cache.find(&lookup).await.unwrap();
    }
    cache
}

fn is_accepted(cache: &Cache, id: &str) -> bool {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    matches!(cache.peek(&lookup), Peek::Found(_))
}

/// Sends distinct unknown keys and tokens, and a good key after every hundredth.
async fn send(cache: &Cache, ids: &[String], count: usize) -> Outcome {
    let service = AuthLayer::new(cache.clone()).layer(service_fn(reached));
    let (mut random, mut outcome) = (Random::seeded(7), Outcome::default());
    for number in 0..count {
        let token = match number % 2 {
            0 => format!("ak_{number:0>11}.{}", random.word(40)),
            _ => format!("pat_{number:0>11}{}", random.word(40)),
        };
        let answer = service.clone().oneshot(bearing(token.as_bytes())).await;
        match cause(&answer.unwrap()) {
            "unknown_credential" => outcome.unknown += 1,
            "store_unavailable" => outcome.limited += 1,
            other => panic!("{other}"),
        }
        if number % 100 == 0 {
            let good = key(random.pick(ids).as_str());
            let answer = service.clone().oneshot(bearing(good.as_bytes())).await;
            match cause(&answer.unwrap()) {
                "accepted" => outcome.good_accepted += 1,
                _ => outcome.good_refused += 1,
            }
        }
    }
    outcome
}
