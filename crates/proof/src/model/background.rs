//! The background tasks: reports of credentials that expire, expiry of unused ones, and removal of old
//! ones.

use std::collections::BTreeSet;

use super::{By, Credential, Kind, Millis, Origin, Owner, Stage, State, Status, Stored, World};

const DAY: Millis = 24 * 3_600_000;

/// How long after its end an overlap is reported.
const SETTLED: Millis = 60_000;

/// How far a recorded use may be behind the last one, and how old the newest one may be.
const BEHIND: Millis = 25 * 3_600_000;

impl World {
    /// Reports what expires within one of the thresholds, and overlaps that have ended, once for
    /// each threshold; returns how many. If several thresholds have passed, only the shortest counts.
    pub fn watch_expiry(&mut self, now: Millis, thresholds: &BTreeSet<Millis>) -> usize {
        self.changes += 1;
        let known = self.trail.len();
        let mut windows = vec![(0, now - 7 * DAY, now - SETTLED)];
        let mut shorter = 0;
        for threshold in thresholds {
            windows.push((*threshold, now + shorter, now + threshold));
            shorter = *threshold;
        }
        for (threshold, after, through) in windows {
            let before = self.watched.entry(threshold).or_insert(Millis::MIN);
            let after = after.max(*before);
            *before = through.max(*before);
            let ends_there = |end: Millis| after < end && end <= through;
            let reported: Vec<_> = self
                .shown()
                .filter(|one| one.status == Status::Active && self.has_live_owner(&one.owner))
                .filter(|one| one.expires_at.is_some_and(ends_there))
                .filter(|one| is_reported(one, threshold))
                .cloned()
                .collect();
            for one in reported {
                let action = if threshold == 0 {
                    "overlap_ended"
                } else {
                    "expires_soon"
                };
                let related = one.rotated_to.clone().filter(|_| threshold == 0);
                self.push(now, By::Operator, action, &one, related.as_deref());
            }
        }
        self.stored_at_once(known);
        self.trail.len() - known
    }

    /// Expires the credentials of a kind that were not used for this long; returns how many. None
    /// expires if no use was recorded lately.
    pub fn expire_unused(&mut self, now: Millis, kind: Kind, unused_for: Millis) -> usize {
        self.changes += 1;
        let known = self.trail.len();
        let before = now - unused_for - BEHIND;
        if !self
            .shown()
            .any(|one| one.last_used_at >= Some(now - BEHIND))
        {
            return 0;
        }
        let unused: Vec<_> = self
            .shown()
            .filter(|one| one.owner.kind() == kind && one.state(now) == State::Active)
            .filter(|one| one.rotated_to.is_none())
            .filter(|one| one.last_used_at.is_some_and(|at| at < before))
            .cloned()
            .collect();
        for one in &unused {
            self.push(now, By::Operator, "expired_unused", one, None);
            let stored = self.credentials.get_mut(&(kind, one.id.clone()));
            if let Some(stored) = stored {
                stored.shown.expires_at = Some(now);
            }
        }
        self.stored_at_once(known);
        unused.len()
    }

    /// Removes what ended at least `age` ago; returns how many credentials.
    pub fn sweep(&mut self, now: Millis, age: Millis) -> usize {
        self.changes += 1;
        let is_over = |then: Option<Millis>| then.is_some_and(|then| then <= now - age);
        let before = self.credentials.len();
        let credentials = &self.credentials;
        self.repeats.retain(|(owner, _), (_, id)| {
            let issued = credentials.get(&(owner.kind(), id.clone()));
            !is_over(issued.map(|stored| stored.shown.created_at))
        });
        let removed: Vec<_> = self
            .credentials
            .iter()
            .filter(|(_, Stored { shown, .. })| match shown.status {
                Status::Deleted => is_over(shown.deleted_at),
                _ => is_over(shown.expires_at),
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &removed {
            self.credentials.remove(name);
            let gone = self.by_token.extract_if(.., |_, named| named == name);
            let tokens = gone.filter(|(_, (kind, _))| *kind == Kind::Token);
            self.removed_tokens.extend(tokens.map(|(token, _)| token));
            self.repeats
                .retain(|(owner, _), (_, id)| (owner.kind(), &*id) != (name.0, &name.1));
            self.tombstones.insert(name.clone());
        }
        for stored in self.credentials.values_mut() {
            if is_over(stored.shown.last_used_at) {
                (stored.shown.first_used_at, stored.shown.last_used_at) = (None, None);
                stored.shown.last_origin = Origin::default();
                stored.stage = Stage::default();
            }
        }
        self.trail.retain(|event| !is_over(Some(event.at)));
        before - self.credentials.len()
    }

    fn shown(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.values().map(|stored| &stored.shown)
    }

    fn has_live_owner(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Organization(id) => self.has_organization(id),
            Owner::User(id) => self.users.get(id).is_some_and(|user| !user.disabled),
        }
    }
}

/// Of a rotated credential only the end of its overlap is reported, and no threshold longer than the
/// whole lifetime.
fn is_reported(one: &Credential, threshold: Millis) -> bool {
    let end = one.expires_at.unwrap_or(Millis::MAX);
    match (threshold, one.rotated_at) {
        (0, Some(begin)) => begin < end,
        (0, None) | (_, Some(_)) => false,
        (_, None) => end - one.created_at >= threshold,
    }
}
