//! Load on a store that does not answer: at most two lookups per credential and deadline, however
//! many callers ask.

use crate::support::{clocks::TokioClock, held_store};
use tower_api_key::{
    async_trait,
    credential::Kind,
    store::{
        Cached, Change, CredentialStore, Lookup, ManageStore, MemoryStore, Record, StoreError,
    },
};

use std::{
    error::Error as _,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use held_store::{TestLookup, key, poll_within_task};
use tokio::time::{Instant, sleep, timeout};

const CALLERS: usize = 10_000;

/// The deadline of the layer and of the cache.
const DEADLINE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Answers,
    AnswersAfter(Duration),
    Fails,
    FailsAfter(Duration),
    Hangs,
    Panics,
    /// Cycles through the failures above.
    Alternates,
}

/// A store that records when it is queried.
#[derive(Debug)]
struct OutageStore {
    memory: MemoryStore,
    behaviour: Mutex<Behaviour>,
    calls: Mutex<Vec<Instant>>,
    running: AtomicUsize,
}

/// A call that has begun and was not dropped.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn begin(running: &'a AtomicUsize) -> Self {
        running.fetch_add(1, Relaxed);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl OutageStore {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            memory: held_store::filled_memory(),
            behaviour: Mutex::new(behaviour),
            calls: Mutex::default(),
            running: AtomicUsize::new(0),
        })
    }

    fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// When the calls began, relative to the first one.
    fn offsets(&self) -> Vec<Duration> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|at| *at - calls[0]).collect()
    }

    /// The largest number of calls that began within one deadline.
    fn calls_per_deadline(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        let within = |start: &Instant| {
            calls
                .iter()
                .filter(|at| *at >= start && **at < *start + DEADLINE)
                .count()
        };
        calls.iter().map(within).max().unwrap_or(0)
    }
}

#[async_trait]
impl CredentialStore for OutageStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Instant::now());
            calls.len()
        };
        let _running = Running::begin(&self.running);
        let mut behaviour = *self.behaviour.lock().unwrap();
        if behaviour == Behaviour::Alternates {
            behaviour = [Behaviour::Fails, Behaviour::Hangs, Behaviour::Panics][number % 3];
        }
        match behaviour {
            Behaviour::Answers | Behaviour::Alternates => {}
            Behaviour::AnswersAfter(time) => sleep(time).await,
            Behaviour::Fails => return Err(StoreError::unavailable("test outage")),
            Behaviour::FailsAfter(time) => {
                sleep(time).await;
                return Err(StoreError::unavailable("test outage"));
            }
            Behaviour::Hangs => pending().await,
            Behaviour::Panics => panic!("test panic of the store"),
        }
        self.memory.find(lookup).await
    }
}

fn cache_of(store: &Arc<OutageStore>) -> Arc<Cached<Arc<OutageStore>>> {
    Arc::new(Cached::new(Arc::clone(store)).with_monotonic_clock(TokioClock::start()))
}

fn lookups() -> [TestLookup; 4] {
    [
        TestLookup::key("k1"),
        TestLookup::key("unknown"),
        TestLookup::token("t1", Some("org_1")),
        TestLookup::token("unknown", Some("org_1")),
    ]
}

/// Applies one change per millisecond, to credentials that no test looks up.
fn spawn_changes<S: CredentialStore>(cache: &Arc<Cached<S>>) -> tokio::task::JoinHandle<()> {
    let cache = Arc::clone(cache);
    tokio::spawn(async move {
        for i in 0.. {
            let id = format!("other{i}");
            cache.apply(&match i % 4 {
                0 => Change::Credential {
                    kind: Kind::OrgKey,
                    id: id.as_str().into(),
                },
                1 => Change::Credential {
                    kind: Kind::PersonalToken,
                    id: id.as_str().into(),
                },
                2 => Change::User(id.as_str().into()),
                _ => Change::Organization(id.as_str().into()),
            });
            sleep(Duration::from_millis(1)).await;
        }
    })
}

/// Looks up like a layer whose client waits for `patience`.
async fn ask<S: CredentialStore>(
    cache: Arc<Cached<S>>,
    lookup: TestLookup,
    patience: Duration,
) -> Option<Result<bool, StoreError>> {
    timeout(patience.min(DEADLINE), lookup.ask(&*cache))
        .await
        .ok()
}

/// Spreads ten thousand callers over `time`: of every three, one is cancelled at once, one after a
/// while, and one waits.
async fn crowd<S: CredentialStore>(
    cache: &Arc<Cached<S>>,
    lookup: &TestLookup,
    time: Duration,
) -> Vec<Option<Result<bool, StoreError>>> {
    let callers: Vec<_> = (0..CALLERS)
        .map(|i| {
            let (cache, lookup) = (Arc::clone(cache), lookup.clone());
            let patience = [
                Duration::from_millis(1),
                Duration::from_millis(300),
                DEADLINE,
            ][i % 3];
            tokio::spawn(async move {
                sleep(time.mul_f64(i as f64 / CALLERS as f64)).await;
                ask(cache, lookup, patience).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_at_most_two_lookups_per_key_and_deadline() {
    let late = Behaviour::FailsAfter(Duration::from_millis(300));
    for behaviour in [
        Behaviour::Hangs,
        Behaviour::Fails,
        late,
        Behaviour::Panics,
        Behaviour::Alternates,
    ] {
        for lookup in lookups() {
            for (time, changes) in [(Duration::ZERO, false), (Duration::from_secs(4), true)] {
                let store = OutageStore::new(behaviour);
                let cache = cache_of(&store);
                let changing = changes.then(|| spawn_changes(&cache));
                let answers = crowd(&cache, &lookup, time).await;
                if let Some(task) = changing {
                    task.abort();
                }
                let name =
                    format!("{behaviour:?}, {lookup:?}, over {time:?}, with changes: {changes}");
                assert!(
                    answers.iter().flatten().all(Result::is_err),
                    "an outage is not an answer: {name}"
                );
                assert!(
                    store.calls_per_deadline() <= 2,
                    "{:?}: {name}",
                    store.offsets()
                );
                assert!(
                    store.calls() <= 2 * (time.as_secs() as usize + 1),
                    "{}: {name}",
                    store.calls()
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_accepted_within_one_deadline_after_an_outage() {
    for behaviour in [
        Behaviour::Hangs,
        Behaviour::Fails,
        Behaviour::Panics,
        Behaviour::Alternates,
    ] {
        let store = OutageStore::new(behaviour);
        let cache = cache_of(&store);
        let k1 = TestLookup::key("k1");
        crowd(&cache, &k1, Duration::from_secs(3)).await;
        store.set_behaviour(Behaviour::Answers);
        sleep(DEADLINE).await;
        assert!(k1.is_accepted(&*cache).await, "{behaviour:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_delays_the_next_lookup_by_20_milliseconds() {
    for behaviour in [Behaviour::Fails, Behaviour::Panics] {
        let store = OutageStore::new(behaviour);
        let cache = cache_of(&store);
        let k1 = TestLookup::key("k1");
        k1.ask(&*cache).await.unwrap_err();
        store.set_behaviour(Behaviour::Answers);
        k1.ask(&*cache).await.unwrap_err();
        sleep(Duration::from_millis(20)).await;
        assert!(k1.is_accepted(&*cache).await, "{behaviour:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_joins_a_lookup_fails_at_its_deadline() {
    let store = OutageStore::new(Behaviour::Hangs);
    let cache = cache_of(&store);
    let k1 = TestLookup::key("k1");
    let start = Instant::now();
    let first = tokio::spawn(ask(
        Arc::clone(&cache),
        k1.clone(),
        Duration::from_millis(10),
    ));
    sleep(Duration::from_millis(900)).await;
    assert!(first.await.unwrap().is_none(), "it was cancelled");
    let error = timeout(DEADLINE, k1.ask(&*cache))
        .await
        .expect("it fails before the caller gives up");
    let error = error.unwrap_err();
    assert_eq!(error.code(), "store_timed_out");
    assert_eq!(
        error.source().unwrap().to_string(),
        "the store did not answer within 1s",
        "the deadline of the cache"
    );
    let waited = start.elapsed();
    assert!(
        waited >= DEADLINE && waited < DEADLINE + Duration::from_millis(5),
        "{waited:?}"
    );
    assert_eq!(store.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_lookup_deadline_is_configurable() {
    let store = OutageStore::new(Behaviour::Hangs);
    let cache = Cached::new(Arc::clone(&store)).with_lookup_deadline(Duration::from_millis(250));
    let start = Instant::now();
    let error = TestLookup::key("k1").ask(&cache).await.unwrap_err();
    assert_eq!(error.code(), "store_timed_out", "{error:?}");
    assert!(start.elapsed() < Duration::from_millis(255));
}

#[tokio::test(start_paused = true)]
async fn unrelated_changes_do_not_break_single_flight() {
    for lookup in lookups() {
        let store = OutageStore::new(Behaviour::AnswersAfter(Duration::from_millis(200)));
        let cache = cache_of(&store);
        let changing = spawn_changes(&cache);
        for answer in crowd(&cache, &lookup, Duration::from_millis(400))
            .await
            .into_iter()
            .flatten()
        {
            answer.unwrap();
        }
        changing.abort();
        assert!(store.calls() <= 2, "{}: {lookup:?}", store.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn unrelated_changes_do_not_clear_negative_entries() {
    for lookup in [
        TestLookup::key("unknown"),
        TestLookup::token("unknown", Some("org_1")),
    ] {
        let store = OutageStore::new(Behaviour::Answers);
        let cache = cache_of(&store);
        let changing = spawn_changes(&cache);
        for answer in crowd(&cache, &lookup, Duration::from_secs(3))
            .await
            .into_iter()
            .flatten()
        {
            assert!(!answer.unwrap());
        }
        changing.abort();
        assert!(
            store.calls_per_deadline() <= 2,
            "{}, {lookup:?}",
            store.calls_per_deadline()
        );
    }
}

/// During a storm of changes that do not name it, a creation is visible after one deadline; a
/// change that names it applies at once.
#[tokio::test(start_paused = true)]
async fn a_creation_is_visible_during_a_storm_of_changes() {
    let store = OutageStore::new(Behaviour::Answers);
    let cache = Arc::new(cache_without_expiry(&store));
    let changing = spawn_changes(&cache);
    let (new_key, new_token) = (
        TestLookup::key("new"),
        TestLookup::token("new", Some("org_1")),
    );
    for _ in 0..50 {
        assert!(!new_key.is_accepted(&*cache).await);
        assert!(!new_token.is_accepted(&*cache).await);
        sleep(Duration::from_millis(2)).await;
    }
    store.memory.insert(key("new")).await.unwrap();
    cache.apply(&Change::Credential {
        kind: Kind::OrgKey,
        id: "new".into(),
    });
    assert!(new_key.is_accepted(&*cache).await);
    store
        .memory
        .insert(Record::personal_token(
            "new",
            held_store::token_digest("new"),
            "alice",
        ))
        .await
        .unwrap();
    cache.apply(&Change::Credential {
        kind: Kind::PersonalToken,
        id: "new".into(),
    });
    sleep(DEADLINE).await;
    assert!(new_token.is_accepted(&*cache).await);
    changing.abort();
}

fn cache_without_expiry(store: &Arc<OutageStore>) -> Cached<Arc<OutageStore>> {
    let cache = Cached::new(Arc::clone(store)).with_monotonic_clock(TokioClock::start());
    cache
        .with_ttl(Duration::MAX)
        .with_negative_ttl(Duration::MAX)
}

/// Changes that affect lookups in flight cause at most two lookups at a time, and override both.
#[tokio::test(start_paused = true)]
async fn changes_to_a_credential_in_flight_start_no_third_lookup() {
    for change in [
        Change::Credential {
            kind: Kind::OrgKey,
            id: "k1".into(),
        },
        Change::Everything,
    ] {
        let store = OutageStore::new(Behaviour::Hangs);
        let cache = cache_of(&store);
        let k1 = TestLookup::key("k1");
        let callers: Vec<_> = (0..1_000)
            .map(|i| {
                let (cache, k1, change) = (Arc::clone(&cache), k1.clone(), change.clone());
                tokio::spawn(async move {
                    sleep(Duration::from_millis(i)).await;
                    cache.apply(&change);
                    ask(cache, k1, DEADLINE).await
                })
            })
            .collect();
        for caller in callers {
            assert!(!matches!(caller.await.unwrap(), Some(Ok(_))));
        }
        assert!(
            store.calls_per_deadline() <= 2,
            "{}",
            store.calls_per_deadline()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_callers_start_no_further_lookups() {
    let store = OutageStore::new(Behaviour::Hangs);
    let cache = cache_of(&store);
    // More abandoned lookups than may continue.
    for i in 0..1100 {
        let id = format!("left{i}");
        let lookup = TestLookup::key(&id);
        let _ = timeout(Duration::ZERO, lookup.ask(&*cache)).await;
    }
    let before = store.calls();
    for _ in 0..2000 {
        let _ = timeout(Duration::ZERO, TestLookup::key("k1").ask(&*cache)).await;
        tokio::task::yield_now().await;
    }
    let calls = store.calls() - before;
    assert!(calls <= 2, "{calls} calls for one key");
}

#[tokio::test(start_paused = true)]
async fn beyond_1024_a_lookup_ends_with_its_last_caller() {
    let store = OutageStore::new(Behaviour::Hangs);
    let cache = cache_of(&store);
    for round in ["first", "second"] {
        for i in 0..1100 {
            let lookup = TestLookup::key(&format!("{round}{i}"));
            let mut asking = Box::pin(lookup.ask(&*cache));
            assert!(poll_within_task(asking.as_mut()).await.is_pending());
            drop(asking);
            tokio::task::yield_now().await; // a task that was aborted ends
            assert_eq!(store.running.load(Relaxed), 1024.min(i + 1), "{round}");
        }
        sleep(DEADLINE * 2).await;
        assert_eq!(store.running.load(Relaxed), 0, "{round}");
    }
}
