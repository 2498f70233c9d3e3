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
            0..10 => self.revoke(node, &caller, random).await,
            10..15 => self.rotate(node, &caller, random).await,
            15..115 => self.bad(node, &caller, random).await,
            115..165 => {
                if let Some(key) = self.keys.pick_revoked(random) {
                    self.present(node, &caller, &key).await;
                }
            }
            _ if self.keys.good() < POPULATION => self.issue(&caller).await,
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

    async fn manage(&self, method: Method, caller: &Caller, path: &str) -> Option<Answer> {
        let answer = caller.send(method.clone(), path, &self.admin, "").await;
        let status = answer.as_ref().map_or(0, |answer| answer.status.as_u16());
        self.tally.count(format!("{method} {status}"));
        answer
    }

    pub(crate) async fn issue(&self, caller: &Caller) {
        let answer = self.manage(Method::POST, caller, "/keys").await;
        self.add(answer);
    }

    /// Adds the key in an answer, if there is one. Returns whether the call succeeded.
    fn add(&self, answer: Option<Answer>) -> bool {
        let created = answer.filter(|answer| answer.status == StatusCode::CREATED);
        let key = created.and_then(|answer| Key::parse(&answer.body));
        key.map(|key| self.keys.add(key)).is_some()
    }

    /// A call that fails leaves its key as it is, or revoked: it is not presented again.
    async fn revoke(&self, node: usize, caller: &Caller, random: &mut Random) {
        let Some(key) = self.keys.take(random) else {
            return;
        };
        let path = format!("/keys/{}", key.id);
        let answer = self.manage(Method::DELETE, caller, &path).await;
        if answer.is_some_and(|answer| answer.status == StatusCode::NO_CONTENT) {
            self.keys.revoked(key, node);
        }
    }

    async fn rotate(&self, node: usize, caller: &Caller, random: &mut Random) {
        let Some(key) = self.keys.take(random) else {
            return;
        };
        let path = format!("/keys/{}/rotate", key.id);
        let answer = self.manage(Method::POST, caller, &path).await;
        if self.add(answer) {
            self.keys.revoked(key, node);
        }
    }
}
