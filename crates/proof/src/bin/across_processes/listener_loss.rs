//! The connections of the listeners are killed while keys are revoked.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::task::JoinHandle;
use tower_api_key::store::ManageStore;
use tower_api_key_proof::rig::{Caller, Node, Report, millis};
use tower_api_key_sqlx::PostgresStore;

use crate::{Key, PATIENCE, caller, mint, owner, pg, status, warm};

/// The bound with the default settings: 4 s until a silent connection is noticed, and 6 s for which
/// cached answers are trusted after that.
const BOUND: Duration = Duration::from_secs(10);

/// A cluster and its nodes.
pub(crate) struct Scene {
    pub(crate) cluster: pg::Cluster,
    pub(crate) schema: String,
    pub(crate) store: PostgresStore,
    pub(crate) nodes: Vec<Node>,
}

impl Scene {
    pub(crate) async fn run(mut self, report: &mut Report, count: usize) {
        self.kill_listeners(report, count).await;
        self.stop_listeners(report, count).await;
    }

    /// Kills the listeners' connections again and again; they may connect again at once.
    async fn kill_listeners(&mut self, report: &mut Report, count: usize) {
        let watched = self.watched_keys(count).await;
        let mut killed = 0;
        for (number, key) in watched.keys.iter().enumerate() {
            if number % 5 == 0 {
                killed += self.signal_listeners("TERM");
            }
            self.revoke(key, &watched.revoked).await;
        }
        let name = format!("{count} revocations, {killed} listening connections killed");
        self.finish(report, &name, watched).await;
    }

    /// Stops the listeners' connections: they fall silent, which the nodes have to notice.
    async fn stop_listeners(&mut self, report: &mut Report, count: usize) {
        let watched = self.watched_keys(count).await;
        self.wait_for_listeners().await;
        let stopped = self.signal_listeners("STOP");
        assert_eq!(stopped, self.nodes.len(), "each node listens");
        for key in &watched.keys {
            self.revoke(key, &watched.revoked).await;
        }
        let name = format!("{count} revocations, {stopped} listening connections silent");
        self.finish(report, &name, watched).await;
        self.signal_listeners("CONT");
    }

    /// Waits until each node listens. After its connection was killed it connects again by itself,
    /// within moments that grow with each failure.
    async fn wait_for_listeners(&self) {
        let begun = Instant::now();
        while self.listeners().len() != self.nodes.len() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a signal to the server's processes for the listeners; returns their number.
    fn signal_listeners(&self, signal: &str) -> usize {
        let pids = self.listeners();
        if !pids.is_empty() {
            let _ = Command::new("kill")
                .arg(format!("-{signal}"))
                .args(&pids)
                .status();
        }
        pids.len()
    }

    /// The process ids of the server's processes for the listeners.
    fn listeners(&self) -> Vec<String> {
        let listed = self.cluster.psql(&format!(
            "SELECT pid FROM pg_stat_activity WHERE application_name = '{}_changes'",
            self.schema
        ));
        listed.split_whitespace().map(str::to_owned).collect()
    }

    /// Creates keys that every node has cached, and watches every node.
    async fn watched_keys(&mut self, count: usize) -> Watched {
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(mint(&self.store).await);
        }
        let revoked = Arc::new(Revoked::default());
        let mut watches = Vec::new();
        for node in &mut self.nodes {
            let caller = caller(node);
            for key in &keys {
                warm(node, &caller, key).await;
            }
            watches.push(tokio::spawn(watch(caller, Arc::clone(&revoked))));
        }
        Watched {
            keys,
            revoked,
            watches,
        }
    }

    async fn revoke(&self, key: &Key, revoked: &Revoked) {
        self.store.delete(&owner(), &key.id).await.unwrap();
        revoked.add(key);
    }

    /// Waits until every node refuses every key, and asks each once more.
    async fn finish(&self, report: &mut Report, name: &str, watched: Watched) {
        let Watched {
            keys,
            revoked,
            watches,
        } = watched;
        revoked.complete.store(true, SeqCst);
        let mut seen = Seen::default();
        for watch in watches {
            seen.merge(watch.await.unwrap());
        }
        let mut stale = 0;
        for node in &self.nodes {
            let caller = caller(node);
            for key in &keys {
                let refused = status(&caller, &key.token).await == StatusCode::UNAUTHORIZED;
                stale += usize::from(!refused);
            }
        }
        let row = format!("{name}: longest accept of a revoked key");
        let held = seen.longest <= BOUND && seen.refused == keys.len() * self.nodes.len();
        report.row(&row, millis(seen.longest), "≤ 10 s", held);
        let row = format!("{name}: accepts after a refusal, other answers");
        let figure = format!("{}, {}", seen.again, seen.others);
        report.row(&row, figure, "0, 0", seen.again + seen.others == 0);
        report.row(
            &format!("{name}: accepts after the reconnect"),
            stale,
            "0",
            stale == 0,
        );
    }
}

/// Keys that are about to be revoked, and who watches them.
struct Watched {
    keys: Vec<Key>,
    revoked: Arc<Revoked>,
    watches: Vec<JoinHandle<Seen>>,
}

/// The tokens revoked so far, each with the time at which its revocation was acknowledged.
#[derive(Default)]
struct Revoked {
    tokens: Mutex<Vec<(String, Instant)>>,
    complete: AtomicBool,
}

impl Revoked {
    fn add(&self, key: &Key) {
        let acknowledged = (key.token.clone(), Instant::now());
        self.tokens.lock().unwrap().push(acknowledged);
    }

    /// Returns the tokens from the given number on.
    fn since(&self, number: usize) -> Vec<(String, Instant)> {
        self.tokens.lock().unwrap()[number..].to_vec()
    }
}

/// What a node answered to revoked keys.
#[derive(Default)]
struct Seen {
    /// The longest time after which one was still accepted.
    longest: Duration,
    /// How many were refused.
    refused: usize,
    /// How often one was accepted after it had been refused.
    again: usize,
    /// Neither accepts nor refusals.
    others: usize,
}

impl Seen {
    fn merge(&mut self, more: Self) {
        self.longest = self.longest.max(more.longest);
        self.refused += more.refused;
        self.again += more.again;
        self.others += more.others;
    }
}

/// Requests with every revoked key until each was refused, or was accepted for too long; and
/// meanwhile with those that were refused, one after the other.
async fn watch(caller: Caller, revoked: Arc<Revoked>) -> Seen {
    let (mut known, mut open, mut refused) = (0, Vec::new(), Vec::new());
    let mut seen = Seen::default();
    for round in 0.. {
        let complete = revoked.complete.load(SeqCst);
        let new = revoked.since(known);
        known += new.len();
        open.extend(new);
        if complete && open.is_empty() {
            break;
        }
        let mut kept = Vec::new();
        for (token, at) in open {
            let age = at.elapsed(); // before the request: an accept was stale at least this long
            match status(&caller, &token).await {
                StatusCode::UNAUTHORIZED => refused.push(token),
                status => {
                    seen.others += usize::from(status != StatusCode::OK);
                    seen.longest = seen.longest.max(age);
                    kept.extend((age < PATIENCE).then_some((token, at)));
                }
            }
        }
        open = kept;
        if !refused.is_empty() {
            let again = status(&caller, &refused[round % refused.len()]).await;
            seen.again += usize::from(again != StatusCode::UNAUTHORIZED);
        }
        tokio::task::yield_now().await;
    }
    seen.refused = refused.len();
    seen
}
