//! What the program knows about each key.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use tower_api_key_proof::rig::Random;

/// How many revoked keys are remembered, to be presented again.
const REMEMBERED: usize = 2_000;

/// Whether a key has to be accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Good,
    /// Its revocation is under way, or its outcome is unknown.
    Ending,
    /// Since the acknowledgement by the node with this number.
    Revoked(Instant, usize),
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) token: String,
    state: Mutex<State>,
}

impl Key {
    /// Reads a node's answer: the id and the token.
    pub(crate) fn parse(answer: &str) -> Option<Arc<Self>> {
        let (id, token) = answer.split_once(' ')?;
        Some(Arc::new(Self {
            id: id.to_owned(),
            token: token.to_owned(),
            state: Mutex::new(State::Good),
        }))
    }

    pub(crate) fn state(&self) -> State {
        *self.state.lock().unwrap()
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

/// All keys that requests present.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    good: Mutex<Vec<Arc<Key>>>,
    revoked: Mutex<VecDeque<Arc<Key>>>,
}

impl Keys {
    pub(crate) fn add(&self, key: Arc<Key>) {
        self.good.lock().unwrap().push(key);
    }

    pub(crate) fn good(&self) -> usize {
        self.good.lock().unwrap().len()
    }

    /// Returns a key that may end at any time.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<Arc<Key>> {
        let good = self.good.lock().unwrap();
        (!good.is_empty()).then(|| Arc::clone(random.pick(&good)))
    }

    /// Returns a key whose revocation was acknowledged.
    pub(crate) fn pick_revoked(&self, random: &mut Random) -> Option<Arc<Key>> {
        let revoked = self.revoked.lock().unwrap();
        if revoked.is_empty() {
            return None;
        }
        revoked.get(random.below(revoked.len())).cloned()
    }

    /// Takes a key to revoke or rotate it; no other task does the same.
    pub(crate) fn take(&self, random: &mut Random) -> Option<Arc<Key>> {
        let mut good = self.good.lock().unwrap();
        if good.is_empty() {
            return None;
        }
        let at = random.below(good.len());
        let key = good.swap_remove(at);
        key.set(State::Ending);
        Some(key)
    }

    /// Records an acknowledged revocation by a node.
    pub(crate) fn revoked(&self, key: Arc<Key>, node: usize) {
        key.set(State::Revoked(Instant::now(), node));
        let mut revoked = self.revoked.lock().unwrap();
        revoked.push_back(key);
        if revoked.len() > REMEMBERED {
            revoked.pop_front();
        }
    }
}
