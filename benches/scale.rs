//! The memory store from a thousand credentials to millions: memory, lookups, loading, and two
//! threads compared with one.
//!
//! `cargo bench --bench scale [-- 1000 100000 1000000 5000000] [-- --quick]` prints two tables.
//! Keys are derived from a counter, so that none has to be kept beside the store. Memory is shown
//! twice: as requested from the allocator (counted while loading) and as growth of the resident set
//! (`/proc/self/statm`, with the allocator's overhead and slack). Both exclude the caller's own
//! strings, the key ids of 11 bytes; a thousand keys share an organization.
#![allow(clippy::print_stdout, reason = "prints its tables")]
#![allow(clippy::unwrap_used, reason = "a bench stops at the first failure")]

use std::{
    fs,
    hint::black_box,
    sync::Barrier,
    time::{Duration, Instant},
};
use tower_api_key::{
    AuthLayer, AuthService,
    id::OrgId,
    rejection::JsonResponder,
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Peek, Record,
    },
};

use tower_layer::Layer;

mod support;

use support::{
    fixtures::{Body, bearing, key, key_id},
    now::now,
    service::{Echo, Extensions, Loop},
    slices::{median, quick},
};

const KEYS_OF_AN_ORGANIZATION: u64 = 1000;

fn main() {
    let mut sizes: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = if quick() {
            vec![1_000, 100_000]
        } else {
            vec![1_000, 100_000, 1_000_000, 5_000_000]
        };
    }
    println!(
        "| credentials | loaded in, s | B each, asked | B each, resident | hot, ns | cold, ns \
         | unknown, ns |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for size in sizes {
        row(size);
    }
    println!(
        "\n| keys that the threads share | one thread, M/s | two threads, M/s | ratio |\n\
         |---|---:|---:|---:|"
    );
    for (name, keys) in [("1", 1), ("64", 64)] {
        threads(name, keys);
    }
}

fn row(size: u64) {
    let resident_before = resident();
    let start = Instant::now();
    let mut store = None;
    let counts = allocation_counter::measure(|| store = Some(filled(size)));
    let loaded = start.elapsed();
    let resident = resident().saturating_sub(resident_before);
    let store = store.unwrap();
    let each = |bytes: u64| bytes as f64 / size as f64 - key_id("").len() as f64;
    let asked = u64::try_from(counts.bytes_current).unwrap();
    let hot = look_up(&store, |call| call % 64.min(size), true);
    let cold = look_up(&store, |call| scatter(call) % size, true);
    let unknown = look_up(&store, |call| size + scatter(call) % size, false);
    println!(
        "| {size} | {:.2} | {:.0} | {:.0} | {hot:.0} | {cold:.0} | {unknown:.0} |",
        loaded.as_secs_f64(),
        each(asked),
        each(resident),
    );
}

fn filled(size: u64) -> MemoryStore {
    let store = MemoryStore::new();
    let viewer = Record::org_key("", Digest::from_bytes([0; 32]), "")
        .with_role("viewer", store.catalogue())
        .unwrap();
    let mut organization = OrgId::from("");
    for number in 0..size {
        if number % KEYS_OF_AN_ORGANIZATION == 0 {
            organization = OrgId::from(format!("org_{number}"));
            now(store.create_organization(organization.as_str(), None)).unwrap();
        }
        let key = Record::org_key(id(number).as_str(), digest(number), &organization);
        now(store.insert(key.with_scopes(viewer.scopes().clone()))).unwrap();
    }
    store
}

/// 11 digits, scattered over the whole range like random ids.
fn id(number: u64) -> Id {
    let mut digits = [b'0'; 11];
    // 36 bits, unique below 2^36.
    let mut rest = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 28;
    for digit in &mut digits {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Id(digits)
}

struct Id([u8; 11]);

impl Id {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap()
    }
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0; 32];
    for (bytes, salt) in bytes.chunks_mut(8).zip(1_u64..) {
        bytes.copy_from_slice(&scatter(number ^ (salt << 60)).to_le_bytes());
    }
    Digest::from_bytes(bytes)
}

/// Spreads numbers without a pattern that a processor could predict (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Nanoseconds for a lookup and a read of the record, net of creating the id; the median of ten
/// runs.
fn look_up(store: &MemoryStore, number: impl Fn(u64) -> u64, known: bool) -> f64 {
    let calls = if quick() { 20_000 } else { 200_000 };
    let run = |first: u64, asks: bool| {
        let start = Instant::now();
        for call in first..first + calls {
            let id = black_box(id(number(call)));
            if asks {
                let found = store.peek(&Lookup::new(LookupKey::OrgKey { id: id.as_str() }, None));
                assert_eq!(
                    matches!(found, Peek::Found(record) if record.organization().is_some()),
                    known
                );
            }
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    let runs = (0..10).map(|round| run(round * calls, true) - run(round * calls, false));
    median(runs.collect())
}

fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .map_or(0, |pages: u64| pages * PAGE)
}

/// Whole accepted calls: one thread alone, then two concurrently, in turn.
fn threads(name: &str, keys: u64) {
    let store = MemoryStore::new();
    now(store.create_organization("org_test", None)).unwrap();
    let names: Vec<String> = (0..keys).map(|number| format!("hot{number}")).collect();
    for name in &names {
        now(store.insert(Record::org_key(
            key_id(name),
            Digest::of(key(name).as_bytes()),
            "org_test",
        )))
        .unwrap();
    }
    let service = AuthLayer::new(store).layer(Echo);
    let (slice, rounds) = if quick() {
        (Duration::from_millis(20), 5)
    } else {
        (Duration::from_millis(200), 21)
    };
    let measure = |count: usize| {
        let barrier = Barrier::new(count);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count)
                .map(|_| scope.spawn(|| calls_in(slice, &barrier, &service, &names)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<f64>()
        })
    };
    let pairs: Vec<_> = (0..rounds).map(|_| (measure(1), measure(2))).collect();
    let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
    let (one, two, ratio) = (
        of(|pair| pair.0),
        of(|pair| pair.1),
        of(|pair| pair.1 / pair.0),
    );
    println!(
        "| {name} | {:.2} | {:.2} | {ratio:.2} |",
        one / 1e6,
        two / 1e6
    );
}

type Service = AuthService<Echo, MemoryStore, JsonResponder>;

/// Accepted calls per second of one thread.
fn calls_in(slice: Duration, barrier: &Barrier, service: &Service, names: &[String]) -> f64 {
    let new = |name: &String| {
        Loop::new(
            service.clone(),
            bearing::<Body>(&key(name)),
            Extensions::Warm,
        )
    };
    let mut loops: Vec<_> = names.iter().map(new).collect();
    let mut calls = 0;
    let mut elapsed = Duration::ZERO;
    allocation_counter::opt_out(|| {
        barrier.wait();
        let start = Instant::now();
        while elapsed < slice {
            for _ in 0..256 / names.len() {
                loops.iter_mut().for_each(Loop::once);
            }
            calls += 256;
            elapsed = start.elapsed();
        }
    });
    f64::from(calls) / elapsed.as_secs_f64()
}
