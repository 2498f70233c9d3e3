//! Counts of answers, and the decisions that were wrong.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

use tower_api_key_proof::rig::Answer;

use crate::keys::{Key, State};

/// How long another node may accept a key whose revocation it was not told of: 4 s until a silent
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
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kinds: BTreeMap<String, u64>,
    pub(crate) wrong: Vec<String>,
    /// The longest time after which another node still accepted a revoked key.
    pub(crate) stale: Duration,
}

impl Tally {
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub(crate) fn count(&self, kind: impl Into<String>) {
        *self.0.lock().unwrap().kinds.entry(kind.into()).or_default() += 1;
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
            return self.count("no answer (the node was killed)");
        };
        let status = answer.status.as_u16();
        let verdict = match (status, presented) {
            (503, _) => Ok("503"),
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
        match verdict {
            Ok(kind) => self.count(kind),
            Err(why) => {
                let what = format!("{why}: {status} {:?} from node {node}", answer.body);
                self.0.lock().unwrap().wrong.push(what);
            }
        }
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
        let mut counts = self.0.lock().unwrap();
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
