//! Counts of answers, and the decisions that were wrong.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

use tower_api_key_proof::rig::Answer;

use crate::{
    faults::Fault,
    keys::{Key, State},
};

/// How long another node may accept a key whose revocation it has not received: 4 s until a silent
/// feed is noticed, and 6 s for which cached answers are trusted after that.
const BOUND: Duration = Duration::from_secs(10);

/// What was presented.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented<'a> {
    /// A key, with what was known of it when the request was sent.
    Key(&'a Key, State),
    Bad,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    /// Of the database's server, which excuses that its nodes answer 503.
    pub(crate) server: Fault,
    /// Of the second node, which excuses that it does not answer.
    pub(crate) node: Fault,
}

/// The number of the node that is killed.
pub(crate) const KILLED: usize = 1;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kinds: BTreeMap<String, u64>,
    pub(crate) wrong: Vec<String>,
    /// The longest time after which another node still accepted a revoked key.
    pub(crate) stale: Duration,
    /// How often a revoked key was presented to a node that had not revoked it.
    pub(crate) elsewhere: u64,
}

impl Counts {
    pub(crate) fn of(&self, kind: &str) -> u64 {
        self.kinds.get(kind).copied().unwrap_or(0)
    }
}

impl Tally {
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap())
    }

    pub(crate) fn count(&self, kind: impl Into<String>) {
        *self
            .counts
            .lock()
            .unwrap()
            .kinds
            .entry(kind.into())
            .or_default() += 1;
    }

    /// Judges the answer of a node to a request that was sent at `sent`.
    pub(crate) fn judge(
        &self,
        node: usize,
        presented: Presented<'_>,
        sent: Instant,
        answer: Option<&Answer>,
    ) {
        let Some(answer) = answer else {
            return self.unanswered(node, sent);
        };
        let status = answer.status.as_u16();
        let verdict = match (status, presented) {
            (503, _) if self.server.excuses(sent) => Ok("503 (the server was killed)"),
            (503, _) => Err("503 without a fault"),
            (401, Presented::Bad) => Ok("401 for a bad credential"),
            (200, Presented::Key(key, _)) if answer.body != key.id => Err("another's caller"),
            (200, Presented::Key(_, State::Revoked(at, by))) => self.stale(at, by == node, sent),
            (200, Presented::Key(..)) => Ok("200"),
            (401, Presented::Key(_, State::Revoked(..))) => Ok("401 for a revoked key"),
            (401, Presented::Key(key, _)) => match key.state() {
                State::Good => Err("a good key was refused"),
                _ => Ok("401 for a key that was ending"),
            },
            _ => Err("another status"),
        };
        if let Presented::Key(_, State::Revoked(_, by)) = presented {
            self.counts.lock().unwrap().elsewhere += u64::from(by != node);
        }
        match verdict {
            Ok(kind) => self.count(kind),
            Err(why) => self.wrong(format!(
                "{why}: {status} {:?} from node {node}",
                answer.body
            )),
        }
    }

    /// Judges the answer of a node to a call of management, which should have been `success`.
    pub(crate) fn judge_call(
        &self,
        (node, call): (usize, &str),
        success: u16,
        sent: Instant,
        answer: Option<&Answer>,
    ) {
        let Some(answer) = answer else {
            return self.unanswered(node, sent);
        };
        match answer.status.as_u16() {
            status if status == success => self.count(call),
            503 if self.server.excuses(sent) => self.count(format!("{call}: 503")),
            status => self.wrong(format!(
                "{call}: {status} {:?} from node {node}",
                answer.body
            )),
        }
    }

    fn unanswered(&self, node: usize, sent: Instant) {
        if node == KILLED && self.node.excuses(sent) {
            self.count("no answer (the node was killed)");
        } else {
            self.wrong(format!("no answer from node {node}, which lives"));
        }
    }

    fn wrong(&self, what: String) {
        self.counts.lock().unwrap().wrong.push(what);
    }

    /// Judges an accept of a key that was revoked before the request was sent.
    fn stale(
        &self,
        at: Instant,
        same_node: bool,
        sent: Instant,
    ) -> Result<&'static str, &'static str> {
        let age = sent.saturating_duration_since(at);
        if same_node {
            return Err("accepted by the node that had revoked it");
        }
        let mut counts = self.counts.lock().unwrap();
        counts.stale = counts.stale.max(age);
        match age <= BOUND {
            true => Ok("200 before the other node was told"),
            false => Err("accepted after the bound"),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{kind}: {count}"))
            .collect();
        f.write_str(&kinds.join(", "))
    }
}
