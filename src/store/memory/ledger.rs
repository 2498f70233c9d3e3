//! What management keeps beside the records: names, lineage, idempotency keys, the audit trail, last uses.

use std::collections::{HashMap, VecDeque};

use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{CredentialInfo, Event, Owner},
    principal::CredentialId,
    store::{Use, managed::Used},
};

/// How many events are kept. Memory is no place for an audit trail that has to last.
const EVENTS: usize = 10_000;

#[derive(Default)]
pub(super) struct Ledger {
    /// What was known of a credential when it was last committed. The record is newer in what it says too.
    infos: HashMap<(Kind, CredentialId), CredentialInfo>,
    issued: HashMap<(Owner, Box<str>), (CredentialId, [u8; 32])>,
    uses: HashMap<(Kind, CredentialId), UnixMillis>,
    events: VecDeque<Event>,
    last_number: i64,
}

impl Ledger {
    /// Adds what is kept here to what the record says.
    pub(super) fn complete(&self, said: CredentialInfo) -> CredentialInfo {
        let name = (said.kind(), said.id.clone());
        let last_used_at = self.uses.get(&name).copied();
        match self.infos.get(&name) {
            Some(kept) => {
                let (standing, expires_at) = (said.standing, said.expires_at);
                CredentialInfo { standing, expires_at, last_used_at, ..kept.clone() }
            }
            None => CredentialInfo { last_used_at, ..said },
        }
    }

    pub(super) fn keep(&mut self, info: &CredentialInfo) {
        self.infos.insert((info.kind(), info.id.clone()), info.clone());
    }

    pub(super) fn issued_under(&self, owner: &Owner, key: &str) -> Option<&(CredentialId, [u8; 32])> {
        self.issued.get(&(owner.clone(), key.into()))
    }

    pub(super) fn remember_key(&mut self, owner: &Owner, key: &str, id: &CredentialId, request: [u8; 32]) {
        self.issued.insert((owner.clone(), key.into()), (id.clone(), request));
    }

    pub(super) fn tell(&mut self, event: &Event) -> Event {
        self.last_number += 1;
        let event = Event { number: self.last_number, ..event.clone() };
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        event
    }

    pub(super) fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Vec<Event> {
        let of_owner = self.events.iter().rev().filter(|event| event.owner == *owner);
        let older = of_owner.filter(|event| before.is_none_or(|before| event.number < before));
        older.take(limit as usize).cloned().collect()
    }

    /// Records a use; returns the event that it is, if it is one.
    pub(super) fn record_use(&mut self, used: &Use, credential: CredentialInfo) -> Option<Event> {
        let (recorded, rotated) = (credential.last_used_at, credential.rotated_to.zip(credential.rotated_at));
        let (due, event) = used.judge(Used { owner: credential.owner, recorded, rotated });
        if due {
            self.uses.insert((used.kind, used.id.clone()), used.at);
        }
        event.map(|event| self.tell(&event))
    }
}
