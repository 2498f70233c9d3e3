//! The requests.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use tower_api_key_proof::rig::{Answer, Caller, Protocol, Random};

use crate::{
    keys::{Key, Keys},
    tally::{Presented, Tally},
};

/// Good keys that are kept at a time.
const POPULATION: usize = 500;

/// Between the requests of a task, so that the run is long rather than loud.
const PAUSE: Duration = Duration::from_millis(4);

/// The clients of the nodes, over HTTP/1 and HTTP/2.
pub(crate) type Callers = RwLock<Vec<[Caller; 2]>>;

pub(crate) fn callers(address: &str) -> [Caller; 2] {
    [Protocol::Http1, Protocol::Http2].map(|protocol| Caller::new(address, protocol))
}

/// What the tasks of a scene share.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) callers: Callers,
    pub(crate) keys: Keys,
    pub(crate) tally: Tally,
    pub(crate) over: AtomicBool,
    /// The token of a key that may manage keys.
    pub(crate) admin: String,
}

impl Traffic {
    /// Sends requests until it is over.
    pub(crate) async fn send(self: Arc<Self>, seed: u64) {
        let mut random = Random::seeded(seed);
        while !self.over.load(SeqCst) {
            self.one(&mut random).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn one(&self, random: &mut Random) {
        let node = random.below(self.callers.read().unwrap().len());
        let caller = self.callers.read().unwrap()[node][random.below(2)].clone();
        match random.below(1000) {
            0..10 => self.revoke(node, random).await,
            10..15 => self.rotate(node, random).await,
            15..115 => self.bad(node, &caller, random).await,
            115..165 => {
                if let Some(key) = self.keys.pick_revoked(random) {
                    self.present(node, &caller, &key).await;
                }
            }
            // While the server is down nothing is issued; what there is, is presented meanwhile.
            165..580 if self.keys.good() < POPULATION => self.issue(node).await,
            _ => {
                if let Some(key) = self.keys.pick(random) {
                    self.present(node, &caller, &key).await;
                }
            }
        }
    }

    async fn present(&self, node: usize, caller: &Caller, key: &Key) {
        let (sent, known) = (Instant::now(), key.state());
        let answer = caller.get(&key.token, "").await;
        self.tally
            .judge(node, Presented::Key(key, known), sent, answer.as_ref());
    }

    async fn bad(&self, node: usize, caller: &Caller, random: &mut Random) {
        let known = self
            .keys
            .pick(random)
            .map_or_else(String::new, |key| key.id.clone());
        let token = match random.below(4) {
            0 => format!("ak_{known}.{}", random.word(40)),
            1 => format!("ak_{}.{}", random.word(11), random.word(40)),
            2 => format!("pat_{}", random.word(51)),
            _ => format!("sk_{}", random.word(40)),
        };
        let sent = Instant::now();
        let answer = caller.get(&token, "org_test").await;
        self.tally
            .judge(node, Presented::Bad, sent, answer.as_ref());
    }

    /// Makes a call of management; returns its answer if it succeeded.
    async fn manage(
        &self,
        (node, call): (usize, &str),
        (method, path): (Method, &str),
        success: StatusCode,
    ) -> Option<Answer> {
        let caller = self.callers.read().unwrap()[node][0].clone();
        let sent = Instant::now();
        let answer = caller.send(method, path, &self.admin, "").await;
        self.tally
            .judge_call((node, call), success.as_u16(), sent, answer.as_ref());
        answer.filter(|answer| answer.status == success)
    }

    pub(crate) async fn issue(&self, node: usize) {
        let request = (Method::POST, "/keys");
        let issued = self.manage((node, "issued"), request, StatusCode::CREATED);
        self.add(issued.await);
    }

    /// Adds the key in an answer, if there is one. Returns whether there is.
    fn add(&self, answer: Option<Answer>) -> bool {
        let key = answer.and_then(|answer| Key::parse(&answer.body));
        key.map(|key| self.keys.add(key)).is_some()
    }

    /// A call that fails leaves its key as it is, or revoked: it is not presented again.
    async fn revoke(&self, node: usize, random: &mut Random) {
        let Some(key) = self.keys.take(random) else {
            return;
        };
        let path = format!("/keys/{}", key.id);
        let request = (Method::DELETE, &*path);
        let revoked = self.manage((node, "revoked"), request, StatusCode::NO_CONTENT);
        if revoked.await.is_some() {
            self.ended(node, key).await;
        }
    }

    async fn rotate(&self, node: usize, random: &mut Random) {
        let Some(key) = self.keys.take(random) else {
            return;
        };
        let path = format!("/keys/{}/rotate", key.id);
        let request = (Method::POST, &*path);
        let rotated = self.manage((node, "rotated"), request, StatusCode::CREATED);
        if self.add(rotated.await) {
            self.ended(node, key).await;
        }
    }

    /// Notes what a node has ended, and presents it to every node.
    async fn ended(&self, by: usize, key: Arc<Key>) {
        self.keys.revoked(Arc::clone(&key), by);
        let callers = self.callers.read().unwrap().clone();
        for (node, [caller, _]) in callers.iter().enumerate() {
            self.present(node, caller, &key).await;
        }
    }
}
