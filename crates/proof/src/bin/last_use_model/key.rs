//! A key: its requests, and what is known of its uses.

use std::{collections::BTreeMap, ops::Range};

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{Granularity, Owner, Usage, backend::LastUsage},
};
use tower_api_key_proof::rig::Random;

use super::{DAY, KEYS, MINUTE, START, Traffic, within};

const NODES: i64 = 600;
const REQUESTS_PER_SECOND: f64 = 420_000.0;
/// One key in so many is hot, and is used so many times as often as a cold one.
const HOT: u32 = 100;

/// The rule that decides what is written.
pub(crate) struct Rule {
    used: Usage,
    known: LastUsage,
}

impl Rule {
    /// Creates the crate's own rule, with this granularity.
    pub(crate) fn new(granularity: Granularity) -> Self {
        let mut used = Usage::new(Kind::OrgKey, "key", UnixMillis(0));
        used.granularity = granularity;
        let known = LastUsage::new(Owner::Organization("org".into()));
        Self { used, known }
    }
}

/// A key, with what the database knows of its uses.
pub(crate) struct Key {
    number: u32,
    /// The first and the last recorded use.
    uses: Option<(i64, i64)>,
}

impl Key {
    /// Creates a key that was never used.
    pub(crate) fn fresh(number: u32) -> Self {
        Self { number, uses: None }
    }

    /// Creates a key that is in use since `born`, before the simulation: its last recorded use was
    /// within the day before.
    pub(crate) fn in_use(number: u32, born: i64, random: &mut Random) -> Self {
        let last = (START - within(random, DAY)).max(born);
        let uses = Some((born, last));
        Self { number, uses }
    }

    /// Creates a key whose first use is not known, with a last one as the rule of a minute records
    /// it.
    pub(crate) fn upgraded(number: u32, random: &mut Random) -> Self {
        let last = START - within(random, MINUTE) - wait(number, random);
        let uses = Some((last, last));
        Self { number, uses }
    }

    /// Uses the key in `time`, and adds what is written.
    pub(crate) fn uses(
        mut self,
        time: Range<i64>,
        rule: &Rule,
        random: &mut Random,
        traffic: &mut Traffic,
    ) {
        for ((sent, _), at) in self.sent(time, random) {
            if self.is_written(rule, at) {
                traffic.add(sent);
            }
        }
    }

    /// Returns the last use that each node has collected in each round, by the end of the round and
    /// the node.
    fn sent(&self, time: Range<i64>, random: &mut Random) -> BTreeMap<(i64, i64), i64> {
        let (mut sent, mut at) = (BTreeMap::new(), time.start);
        loop {
            at += wait(self.number, random);
            if at >= time.end {
                return sent;
            }
            let node = within(random, NODES);
            let phase = node * MINUTE / NODES;
            let round = at - (at - phase).rem_euclid(MINUTE) + MINUTE;
            sent.insert((round, node), at);
        }
    }

    fn is_written(&mut self, rule: &Rule, at: i64) -> bool {
        let (mut used, mut known) = (rule.used.clone(), rule.known.clone());
        used.at = UnixMillis(at);
        known.first = self.uses.map(|(first, _)| UnixMillis(first));
        known.recorded = self.uses.map(|(_, last)| UnixMillis(last));
        let written = used.decide(known).record;
        if written {
            self.uses = Some(self.uses.map_or((at, at), |(first, _)| (first, at)));
        }
        written
    }
}

/// Returns the milliseconds until a key's next use.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a random time"
)]
fn wait(number: u32, random: &mut Random) -> i64 {
    let is_hot = number.is_multiple_of(HOT);
    let hot = f64::from(HOT);
    let cold_per_second = REQUESTS_PER_SECOND / (KEYS / hot * hot + KEYS * (1.0 - 1.0 / hot));
    let per_second = if is_hot {
        cold_per_second * hot
    } else {
        cold_per_second
    };
    let uniform = (random.number() >> 11) as f64 / (1_u64 << 53) as f64;
    (-(1.0 - uniform).ln() / per_second * 1000.0) as i64
}
