//! The PostgreSQL server is killed with all its processes, and restarted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinSet,
};
use tower_api_key::{
    credential::Kind,
    store::{
        Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Peek, Record,
        Status,
    },
};
use tower_api_key_proof::rig::{Random, Report, millis};
use tower_api_key_sqlx::PostgresStore;

use crate::{ORG, key, pg};

const TASKS: usize = 8;
const KEYS: usize = 64;

/// How long a following cache may serve a revoked key after its feed is lost.
const BOUND: Duration = Duration::from_secs(10);

type Cache = Cached<PostgresStore>;

/// What the kills did.
#[derive(Default)]
struct Outcome {
    acknowledged: usize,
    lost: usize,
    /// Deletions that were committed, but not acknowledged.
    unacknowledged: usize,
    /// Acknowledged revocations that a following cache accepted after the bound.
    stale: usize,
    longest: Duration,
}

pub(crate) async fn run(report: &mut Report, kills: usize) {
    let Some(mut cluster) = pg::Cluster::start() else {
        return;
    };
    let durable = ["fsync", "synchronous_commit", "full_page_writes"]
        .map(|name| cluster.psql(&format!("SHOW {name}")));
    assert_eq!(
        durable,
        ["on", "on", "on"],
        "the server is set to keep what it commits"
    );
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization(ORG, None).await.unwrap();
    let cache = Cached::new(store.clone()).with_ttl(Duration::MAX);
    tokio::spawn(cache.follow(store.feed().await.unwrap()));

    let (mut random, mut outcome) = (Random::seeded(5), Outcome::default());
    for round in 0..kills {
        let wait_for = 1 + random.below(KEYS - TASKS);
        let acknowledged =
            kill_while_revoking(&mut cluster, &schema, &cache, (round, wait_for)).await;
        let fresh = cluster.unmigrated_store(&schema);
        outcome.look_up(&fresh, round, &acknowledged).await;
        outcome.watch(&cache, &acknowledged).await;
    }
    let Outcome {
        acknowledged,
        lost,
        unacknowledged,
        stale,
        longest,
    } = outcome;
    let name = format!("{kills} kills of the PostgreSQL server: revocations lost");
    let figure = format!(
        "{lost} of {acknowledged} acknowledged ({unacknowledged} committed without acknowledgement)"
    );
    report.row(&name, figure, "0", lost == 0 && acknowledged >= kills);
    let name = format!("{kills} kills: revoked keys that a following cache accepts after 10 s");
    let figure = format!("{stale}; longest {} after the restart", millis(longest));
    report.row(&name, figure, "0", stale == 0);
}

/// Revokes the keys of a round in parallel, kills the server after `wait_for` acknowledgements and
/// restarts it. Returns the acknowledged keys.
async fn kill_while_revoking(
    cluster: &mut pg::Cluster,
    schema: &str,
    cache: &Cache,
    (round, wait_for): (usize, usize),
) -> Vec<String> {
    let ids = ids(round);
    for id in &ids {
        insert(cache, id).await;
    }
    for id in &ids {
        warm(cache, id).await;
    }
    let (sender, mut receiver) = unbounded_channel();
    // Another store on the same server: only the feed informs the cache.
    let elsewhere = cluster.unmigrated_store(schema);
    let mut tasks = JoinSet::new();
    for ids in ids.chunks(KEYS / TASKS) {
        tasks.spawn(revoke(elsewhere.clone(), ids.to_vec(), sender.clone()));
    }
    drop(sender);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < wait_for {
        acknowledged.push(receiver.recv().await.expect("the server works"));
    }
    tokio::task::block_in_place(|| cluster.kill());
    tasks.shutdown().await; // they would wait for the server to come back
    while let Some(id) = receiver.recv().await {
        acknowledged.push(id);
    }
    tokio::task::block_in_place(|| cluster.restart());
    acknowledged
}

fn ids(round: usize) -> Vec<String> {
    (0..KEYS)
        .map(|number| format!("r{round}n{number}"))
        .collect()
}

impl Outcome {
    /// Looks every key of the round up in the restarted server.
    async fn look_up(&mut self, store: &PostgresStore, round: usize, acknowledged: &[String]) {
        for id in ids(round) {
            let lookup = Lookup::new(LookupKey::OrgKey { id: &id }, None);
            let record = store.find(&lookup).await.unwrap();
            let deleted = record.is_some_and(|record| record.status() == Status::Deleted);
            match acknowledged.contains(&id) {
                true => self.lost += usize::from(!deleted),
                false => self.unacknowledged += usize::from(deleted),
            }
        }
        self.acknowledged += acknowledged.len();
    }

    /// Waits until the following cache refuses the revoked keys, as long as it may take.
    async fn watch(&mut self, cache: &Cache, acknowledged: &[String]) {
        let restarted = Instant::now();
        for id in acknowledged {
            while accepted(cache, id).await && restarted.elapsed() < BOUND {
                tokio::task::yield_now().await;
            }
            self.stale += usize::from(accepted(cache, id).await);
        }
        self.longest = self.longest.max(restarted.elapsed());
    }
}

/// Inserts a key. The pool may still hold connections of the server that was killed.
async fn insert(cache: &Cache, id: &str) {
    while cache.insert(key(id)).await.is_err() {
        let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
        if cache.find(&lookup).await.is_ok_and(|found| found.is_some()) {
            return;
        }
    }
}

/// Deletes keys until the server is gone, and sends each acknowledgement.
async fn revoke(store: PostgresStore, ids: Vec<String>, acknowledged: UnboundedSender<String>) {
    for id in ids {
        if store
            .delete(&Owner::of(Kind::OrgKey, ORG), &id)
            .await
            .is_err()
        {
            return;
        }
        let _ = acknowledged.send(id);
    }
}

/// Repeats a lookup until it is answered from the cache: the event that the key was created may
/// arrive late, and ends the cached answer.
async fn warm(cache: &Cache, id: &str) {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    while !matches!(cache.peek(&lookup), Peek::Found(_)) {
        // The pool may still hold connections of the server that was killed.
        let _ = cache.find(&lookup).await;
    }
}

/// Returns whether the cache would let the key pass.
async fn accepted(cache: &Cache, id: &str) -> bool {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    let is_active = |record: Arc<Record>| record.status() == Status::Active;
    match cache.peek(&lookup) {
        Peek::Found(record) => is_active(record),
        _ => cache
            .find(&lookup)
            .await
            .is_ok_and(|record| record.is_some_and(is_active)),
    }
}
