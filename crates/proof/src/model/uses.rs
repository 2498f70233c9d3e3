//! Last uses: each node collects them, and writes them now and then.

use std::{collections::BTreeMap, net::IpAddr};

use super::{By, Kind, Millis, Request, World};

/// Uses of one credential within this time count as one.
const RESOLUTION: Millis = 1_000;
/// Writes of one credential are at least this far apart, from so long after its first use on.
const APART: [(Millis, Millis); 3] = [
    (0, 60_000),
    (3_600_000, 3_600_000),
    (86_400_000, 86_400_000),
];

/// What a service keeps of a use beside its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// The address, if the service finds it.
    pub address: bool,
    /// The user agent.
    pub user_agent: bool,
}

/// Where a use came from, as far as that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The beginning of the user agent, without control characters.
    pub user_agent: Option<String>,
}

impl Origin {
    /// Returns what a service keeps of a request.
    #[must_use]
    pub fn of(request: &Request, keeps: Keeps) -> Self {
        let address = request.address.filter(|_| request.at.finds_addresses);
        let agent = request.user_agent.as_deref().map(String::from_utf8_lossy);
        let shown = agent.map(|agent| -> String {
            let visible = agent.chars().filter(|c| !c.is_control());
            visible.take(200).collect()
        });
        Self {
            address: address
                .filter(|_| keeps.address)
                .map(|it| it.to_canonical()),
            user_agent: shown.filter(|text| keeps.user_agent && !text.is_empty()),
        }
    }
}

/// The uses that one node has collected.
#[derive(Clone, Debug, Default)]
pub struct Uses(BTreeMap<(Kind, String), Use>);

#[derive(Clone, Debug)]
struct Use {
    at: Millis,
    /// Whether the node knew of the rotation when it accepted the credential.
    after_rotation: bool,
    origin: Origin,
    written: bool,
}

impl Uses {
    /// Notes a use at `now`.
    pub fn note(&mut self, kind: Kind, id: &str, rotated: bool, now: Millis, origin: Origin) {
        let new = Use {
            at: now,
            after_rotation: rotated,
            origin,
            written: false,
        };
        let found = self
            .0
            .entry((kind, id.into()))
            .or_insert_with(|| new.clone());
        if rotated && !found.after_rotation {
            (found.after_rotation, found.written) = (true, false);
            if now >= found.at {
                (found.at, found.origin) = (now, new.origin);
            }
        } else if now >= found.at + RESOLUTION {
            (found.at, found.origin, found.written) = (now, new.origin, false);
        }
    }

    /// Writes what was not written before, and returns how many credentials that were.
    pub fn flush(&mut self, world: &mut World) -> usize {
        world.changes += 1;
        self.0.retain(|_, used| !used.written);
        for ((kind, id), used) in &mut self.0 {
            world.record_use(*kind, id, used);
            used.written = true;
        }
        self.0.len()
    }
}

/// How much of an overlap had passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Nothing: it was not used since the rotation.
    #[default]
    Unused,
    /// Less than half.
    Begun,
    /// Half.
    Half,
    /// Nine tenths.
    NineTenths,
}

impl World {
    /// Records a use. The first one of a successor, and some of what it replaced, are audit events.
    fn record_use(&mut self, kind: Kind, id: &str, used: &Use) {
        let (at, after_rotation) = (used.at, used.after_rotation);
        let Some(stored) = self.credentials.get_mut(&(kind, id.to_owned())) else {
            return;
        };
        let shown = stored.shown.clone();
        let is_due = shown.last_used_at.is_none_or(|last| {
            let age = at - shown.first_used_at.unwrap_or(last);
            match shown.rotated_to {
                Some(_) => at > last, // whether it is still used is never hidden
                None => at >= last + apart(age),
            }
        });
        let reported = stored.stage;
        let rotated_at = shown
            .rotated_at
            .filter(|then| after_rotation || at >= *then);
        let stage = rotated_at.map_or(reported, |then| {
            let whole = shown.expires_at.map(|end| end - then);
            reported.max(whole.map_or(Stage::Begun, |whole| stage_at(at - then, whole)))
        });
        let begins = shown.first_used_at.is_none() && shown.rotated_from.is_some();
        if is_due || stage > reported {
            let first = shown.first_used_at.unwrap_or(at);
            stored.shown.first_used_at = Some(first.min(at));
            if shown.last_used_at.is_none_or(|last| at >= last) {
                stored.shown.last_used_at = Some(at);
                stored.shown.last_origin = used.origin.clone();
            }
            stored.stage = stage;
        }
        let mut event = |action, related: &Option<String>| {
            self.push(at, By::Bearer, action, &shown, related.as_deref());
        };
        if begins {
            event("successor_used", &shown.rotated_from);
        }
        if reported == Stage::Unused && stage > reported {
            event("used_after_rotation", &shown.rotated_to);
        }
        match stage {
            Stage::Half if stage > reported => {
                event("used_at_half_of_overlap", &shown.rotated_to);
            }
            Stage::NineTenths if stage > reported => {
                event("used_at_nine_tenths_of_overlap", &shown.rotated_to);
            }
            _ => {}
        }
    }
}

/// How much of an overlap has passed.
fn stage_at(passed: Millis, whole: Millis) -> Stage {
    match (10 * passed >= 9 * whole, 2 * passed >= whole) {
        (true, _) => Stage::NineTenths,
        (false, true) => Stage::Half,
        (false, false) => Stage::Begun,
    }
}

/// How far apart uses must be so long after the first one.
fn apart(age: Millis) -> Millis {
    let reached = APART.iter().rev().find(|(from, _)| age >= *from);
    reached.unwrap_or(&APART[0]).1
}
