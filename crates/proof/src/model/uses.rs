//! Last uses: each node collects them, and writes them now and then.

use std::collections::BTreeMap;

use super::{By, Kind, Millis, World};

/// Uses of one credential within this time count as one.
const RESOLUTION: Millis = 1_000;
/// Writes of one credential are at least this far apart, from so long after its first use on.
const APART: [(Millis, Millis); 3] = [
    (0, 60_000),
    (3_600_000, 3_600_000),
    (86_400_000, 86_400_000),
];

/// The uses that one node has collected.
#[derive(Clone, Debug, Default)]
pub struct Uses(BTreeMap<(Kind, String), Use>);

#[derive(Clone, Debug)]
struct Use {
    at: Millis,
    /// Whether the node knew of the rotation when it accepted the credential.
    after_rotation: bool,
    written: bool,
}

impl Uses {
    /// Notes a use at `now`.
    pub fn note(&mut self, kind: Kind, id: &str, rotated: bool, now: Millis) {
        let new = Use {
            at: now,
            after_rotation: rotated,
            written: false,
        };
        let found = self
            .0
            .entry((kind, id.into()))
            .or_insert_with(|| new.clone());
        if rotated && !found.after_rotation {
            *found = Use {
                at: now.max(found.at),
                ..new
            };
        } else if now >= found.at + RESOLUTION {
            (found.at, found.written) = (now, false);
        }
    }

    /// Writes what was not written before, and returns how many credentials that were.
    pub fn flush(&mut self, world: &mut World) -> usize {
        world.changes += 1;
        self.0.retain(|_, used| !used.written);
        for ((kind, id), used) in &mut self.0 {
            world.record_use(*kind, id, used.at, used.after_rotation);
            used.written = true;
        }
        self.0.len()
    }
}

impl World {
    /// Records a use. The first one after a rotation is an audit event.
    fn record_use(&mut self, kind: Kind, id: &str, at: Millis, after_rotation: bool) {
        let Some(stored) = self.credentials.get_mut(&(kind, id.to_owned())) else {
            return;
        };
        let shown = &stored.shown;
        let is_due = shown.last_used_at.is_none_or(|last| {
            let age = match shown.rotated_to {
                Some(_) => 0, // so that it shows whether it is still used
                None => at - shown.first_used_at.unwrap_or(last),
            };
            at >= last + apart(age)
        });
        let rotated_at = stored.shown.rotated_at.filter(|_| !stored.reported);
        let is_first = rotated_at.is_some_and(|then| after_rotation || at >= then);
        if is_due || is_first {
            let first = stored.shown.first_used_at.unwrap_or(at);
            stored.shown.first_used_at = Some(first.min(at));
            stored.shown.last_used_at = stored.shown.last_used_at.max(Some(at));
        }
        if is_first {
            stored.reported = true;
            let (what, to) = (stored.shown.clone(), stored.shown.rotated_to.clone());
            self.push(at, By::Bearer, "used_after_rotation", &what, to.as_deref());
        }
    }
}

/// How far apart uses must be so long after the first one.
fn apart(age: Millis) -> Millis {
    let reached = APART.iter().rev().find(|(from, _)| age >= *from);
    reached.unwrap_or(&APART[0]).1
}
