//! Lookups of active keys, and attempts to take the ids of deleted ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tower_api_key::{
    secret::Digest,
    store::{CredentialStore, Lookup, LookupKey, ManageStore, Record, Status, WriteError},
};
use tower_api_key_proof::rig::{Random, Report, millis, quantile};

use crate::{ACTIVE, ORG, id_of};

const TASKS: u64 = 4;

/// Between two lookups of a task: the figures are to show what a lookup waits for, not how many
/// fit into a processor.
const PAUSE: Duration = Duration::from_millis(1);

/// Tasks that run until they are stopped.
pub(crate) struct Traffic {
    tasks: Vec<JoinHandle<Seen>>,
    over: Arc<AtomicBool>,
}

/// What the tasks have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    times: Vec<Duration>,
    pub(crate) failures: Vec<String>,
    pub(crate) tries: usize,
    pub(crate) given_out: usize,
}

impl Traffic {
    /// Starts the tasks, beside `deleted` deleted credentials.
    pub(crate) fn start<S>(store: &S, deleted: usize) -> Self
    where
        S: ManageStore + CredentialStore + Clone + 'static,
    {
        let over = Arc::new(AtomicBool::new(false));
        let lookups =
            (0..TASKS).map(|seed| tokio::spawn(look_up(store.clone(), seed, Arc::clone(&over))));
        let mut tasks: Vec<_> = lookups.collect();
        tasks.push(tokio::spawn(take(
            store.clone(),
            deleted,
            Arc::clone(&over),
        )));
        Self { tasks, over }
    }

    pub(crate) async fn stop(self) -> Seen {
        self.over.store(true, Relaxed);
        let mut all = Seen::default();
        for task in self.tasks {
            all = all.and(task.await.unwrap());
        }
        all
    }
}

impl Seen {
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.times.extend(more.times);
        self.failures.extend(more.failures);
        self.tries += more.tries;
        self.given_out += more.given_out;
        self
    }

    pub(crate) fn note(&self, report: &Report, name: &str) {
        let [median, slow] = [0.5, 0.99].map(|share| millis(quantile(&self.times, share)));
        let slowest = millis(quantile(&self.times, 1.0));
        let many = self.times.len();
        let figure = format!("p50 {median}, p99 {slow}, slowest {slowest}, of {many}");
        report.note(name, figure);
    }
}

/// Looks active keys up, each of which must be found active.
async fn look_up<S: CredentialStore>(store: S, seed: u64, over: Arc<AtomicBool>) -> Seen {
    let (mut seen, mut random) = (Seen::default(), Random::seeded(seed));
    while !over.load(Relaxed) {
        let id = format!("active{}", random.below(ACTIVE));
        let lookup = Lookup::new(LookupKey::OrgKey { id: &id }, None);
        let begun = Instant::now();
        let found = store.find(&lookup).await;
        seen.times.push(begun.elapsed());
        match found {
            Ok(Some(record)) if record.status() == Status::Active => {}
            other => seen.failures.push(format!("{id}: {other:?}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

/// Tries to take ids of deleted credentials, removed or not; at last a thousand of them.
async fn take<S: ManageStore>(store: S, deleted: usize, over: Arc<AtomicBool>) -> Seen {
    let (mut seen, mut random) = (Seen::default(), Random::seeded(TASKS));
    let mut left = 1000;
    while left > 0 {
        left -= usize::from(over.load(Relaxed));
        let id = id_of(1 + random.below(deleted));
        let again = Record::org_key(id.as_str(), Digest::of(id.as_bytes()), ORG);
        seen.tries += 1;
        match store.insert(again).await {
            Err(WriteError::Taken(_)) => {}
            Ok(()) => seen.given_out += 1,
            Err(error) => seen.failures.push(format!("{id}: {error:?}")),
        }
        if left == 1000 {
            tokio::time::sleep(10 * PAUSE).await;
        }
    }
    seen
}
