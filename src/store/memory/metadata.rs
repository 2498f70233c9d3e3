//! The data that management needs beside the records: names, successors, idempotency keys, the
//! audit trail, last uses.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{CredentialId, UserId},
    store::{
        AuditAction::{ExpiresSoon, OverlapEnded},
        AuditEvent, CredentialInfo, Owner,
        backend::{Idempotency, LastUsage, OverlapStage, Successor, Sweep, Swept, Usage},
    },
};

/// How many events of one owner are kept. An audit trail that has to last belongs in a database.
const EVENTS_PER_OWNER: usize = 1000;

/// The data of management. All of it is behind the lock of the state.
#[derive(Default)]
pub(super) struct Metadata {
    /// The info of each credential when it was last committed. Its record has the same, apart from
    /// an owner that is gone.
    infos: HashMap<(Kind, CredentialId), CredentialInfo>,
    /// By owner and idempotency key.
    issued: HashMap<(Owner, Box<str>), IssuedId>,
    /// When each credential was used.
    uses: HashMap<(Kind, CredentialId), Used>,
    /// By owner, so that one tenant's changes do not push out another's.
    events: HashMap<Owner, VecDeque<AuditEvent>>,
    /// The number of the last event.
    last_number: i64,
}

/// The first recorded use, and the last one.
struct Used {
    first: UnixMillis,
    last: Usage,
    /// The latest part of an overlap of which the trail has a use.
    stage: OverlapStage,
}

/// What was issued under an idempotency key.
pub(super) struct IssuedId {
    pub(super) id: CredentialId,
    pub(super) fingerprint: [u8; 32],
}

impl Metadata {
    /// Completes the info from a record. That of a credential that was committed is kept here as a
    /// whole.
    pub(super) fn complete(&self, said: CredentialInfo) -> CredentialInfo {
        let name = (said.kind(), said.id.clone());
        let used = self.uses.get(&name);
        CredentialInfo {
            first_used_at: used.map(|used| used.first),
            last_used_at: used.map(|used| used.last.at),
            last_address: used.and_then(|used| used.last.address),
            last_user_agent: used.and_then(|used| used.last.user_agent.clone()),
            ..self.infos.get(&name).cloned().unwrap_or(said)
        }
    }

    /// Remembers the info of a credential that was committed.
    pub(super) fn keep(&mut self, info: &CredentialInfo) {
        self.infos
            .insert((info.kind(), info.id.clone()), info.clone());
    }

    /// Returns what was issued to `owner` under an idempotency key.
    pub(super) fn issued_under(&self, owner: &Owner, key: &str) -> Option<&IssuedId> {
        self.issued.get(&(owner.clone(), key.into()))
    }

    /// Remembers an idempotency key and what was issued under it.
    pub(super) fn remember_key(&mut self, info: &CredentialInfo, idempotency: &Idempotency) {
        let issued = IssuedId {
            id: info.id.clone(),
            fingerprint: idempotency.fingerprint,
        };
        self.issued
            .insert((info.owner.clone(), idempotency.key.clone()), issued);
    }

    /// Forgets these credentials, except in the audit trail.
    pub(super) fn forget(&mut self, names: &HashSet<(Kind, CredentialId)>) {
        self.infos.retain(|name, _| !names.contains(name));
        self.uses.retain(|name, _| !names.contains(name));
        self.issued
            .retain(|(owner, _), issued| !names.contains(&(owner.kind(), issued.id.clone())));
    }

    /// Removes what is old enough, credentials aside.
    pub(super) fn sweep(&mut self, sweep: &Sweep, swept: &mut Swept) {
        let is_over =
            |moment: UnixMillis, last: Option<UnixMillis>| last.is_some_and(|last| moment <= last);
        let infos = &self.infos;
        let created_at = |owner: &Owner, issued: &IssuedId| {
            let info = infos.get(&(owner.kind(), issued.id.clone()));
            info.map_or(UnixMillis(i64::MIN), |info| info.created_at)
        };
        let keys = self.issued.extract_if(|(owner, _), issued| {
            is_over(created_at(owner, issued), sweep.idempotency_keys)
        });
        swept.idempotency_keys += keys.count() as u64;
        let uses = self
            .uses
            .extract_if(|_, used| is_over(used.last.at, sweep.uses));
        swept.uses += uses.count() as u64;
        for events in self.events.values_mut() {
            let before = events.len();
            events.retain(|event| !is_over(event.at, sweep.events));
            swept.events += (before - events.len()) as u64;
        }
    }

    /// Returns whether a use at or after `moment` is recorded.
    pub(super) fn has_use_since(&self, moment: UnixMillis) -> bool {
        self.uses.values().any(|used| used.last.at >= moment)
    }

    /// Returns the events about what ends by itself, of all owners, with a number above `after`,
    /// oldest first.
    pub(super) fn expiry_events(&self, after: Option<i64>, limit: u32) -> Vec<AuditEvent> {
        let is_one = |event: &&AuditEvent| {
            matches!(event.action, ExpiresSoon | OverlapEnded) && event.number > after
        };
        let events = self.events.values().flatten().filter(is_one);
        let mut events: Vec<_> = events.cloned().collect();
        events.sort_unstable_by_key(|event| event.number);
        events.truncate(limit as usize);
        events
    }

    /// Numbers an event and appends it to its owner's trail, which loses its oldest event if it is
    /// full.
    pub(super) fn add_event(&mut self, event: &AuditEvent) -> AuditEvent {
        self.last_number += 1;
        let event = AuditEvent {
            number: Some(self.last_number),
            ..event.clone()
        };
        let of_owner = self.events.entry(event.owner.clone()).or_default();
        if of_owner.len() == EVENTS_PER_OWNER {
            of_owner.pop_front();
        }
        of_owner.push_back(event.clone());
        event
    }

    /// Returns events of `owner` with a number below `before`, newest first.
    pub(super) fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Vec<AuditEvent> {
        let of_owner = self
            .events
            .get(owner)
            .into_iter()
            .flat_map(|events| events.iter().rev());
        let older =
            of_owner.filter(|event| before.is_none_or(|before| event.number < Some(before)));
        older.take(limit as usize).cloned().collect()
    }

    /// Erases a user: removes what is kept about their tokens, and replaces their id in the audit
    /// trail and in what they created with `pseudonym`.
    pub(super) fn erase(
        &mut self,
        user: &UserId,
        tokens: &HashSet<CredentialId>,
        pseudonym: &UserId,
    ) {
        let theirs =
            |kind: Kind, id: &CredentialId| kind == Kind::PersonalToken && tokens.contains(id);
        self.infos.retain(|(kind, id), _| !theirs(*kind, id));
        self.uses.retain(|(kind, id), _| !theirs(*kind, id));
        let owner = Owner::User(user.clone());
        self.issued.retain(|(of, _), _| *of != owner);
        if let Some(events) = self.events.remove(&owner) {
            self.events.insert(Owner::User(pseudonym.clone()), events);
        }
        for event in self.events.values_mut().flatten() {
            event.erase(user, pseudonym);
        }
        for info in self.infos.values_mut() {
            if let Some(creator) = &mut info.created_by {
                creator.erase(user, pseudonym);
            }
        }
    }

    /// Records a use. Returns the audit events that it is.
    pub(super) fn record_use(
        &mut self,
        used: &Usage,
        credential: CredentialInfo,
    ) -> Vec<AuditEvent> {
        let successor = credential.rotated_to.zip(credential.rotated_at);
        let name = (used.kind, used.id.clone());
        let kept = self.uses.get(&name);
        let decision = used.decide(LastUsage {
            owner: credential.owner,
            recorded: credential.last_used_at,
            first: credential.first_used_at,
            predecessor: credential.rotated_from,
            successor: successor
                .map(|(id, issued_at)| Successor::new(id, issued_at, credential.expires_at)),
            stage: kept.map_or(OverlapStage::Unused, |kept| kept.stage),
        });
        if decision.record {
            let kept = self.uses.entry(name).or_insert_with(|| Used {
                first: used.at,
                last: used.clone(),
                stage: OverlapStage::Unused,
            });
            kept.stage = decision.stage;
            kept.first = used.at.min(kept.first);
            if used.at >= kept.last.at {
                kept.last = used.clone();
            }
        }
        let events = decision.events.iter();
        events.map(|event| self.add_event(event)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasing_a_user_removes_what_is_kept_about_their_tokens_alone() {
        let alice = UserId::from("alice");
        // The key has the id of the token that goes.
        let infos = [
            ("t1", Owner::User(alice.clone())),
            ("t2", Owner::User("bob".into())),
            ("t1", Owner::Organization("org_1".into())),
        ]
        .map(|(id, owner)| CredentialInfo::new(id, owner, UnixMillis(0)));
        let name = |info: &CredentialInfo| (info.kind(), info.id.clone());
        let mut metadata = Metadata::default();
        for info in &infos {
            metadata.keep(info);
            metadata.remember_key(info, &Idempotency::new("once", [0; 32]));
            let used = Used {
                first: UnixMillis(1),
                last: Usage::new(info.kind(), info.id.clone(), UnixMillis(1)),
                stage: OverlapStage::Unused,
            };
            metadata.uses.insert(name(info), used);
        }
        let tokens = HashSet::from([CredentialId::from("t1")]);
        metadata.erase(&alice, &tokens, &"erased-1".into());
        for (info, kept) in infos.iter().zip([false, true, true]) {
            let found = [
                metadata.infos.contains_key(&name(info)),
                metadata.uses.contains_key(&name(info)),
                metadata.issued_under(&info.owner, "once").is_some(),
            ];
            assert_eq!(found, [kept; 3], "{info:?}");
        }
    }
}
