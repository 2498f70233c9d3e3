//! Which change concerned a subject last.

use std::collections::{HashMap, VecDeque};

use super::{
    key::{EntryKey, Name},
    subject::Subject,
};
use crate::{
    credential::Kind,
    store::{Change, Record},
};

/// How many changes are remembered. A lookup that is older than all of them counts as outdated.
const REMEMBERED: usize = 4096;

/// The number of the last change that concerned each subject.
#[derive(Default)]
pub(super) struct Changes {
    last: HashMap<Subject, u64>,
    order: VecDeque<(u64, Subject)>,
    /// The last change that is not remembered any more.
    forgotten: u64,
    everything: u64,
    token: u64,
    user: u64,
    organization: u64,
}

impl Changes {
    pub(super) fn record(&mut self, change: &Change, epoch: u64) {
        match change {
            Change::Credential {
                kind: Kind::OrgKey, ..
            } => {}
            Change::Credential {
                kind: Kind::PersonalToken,
                ..
            } => self.token = epoch,
            Change::User(_) => self.user = epoch,
            Change::Organization(_) => self.organization = epoch,
            Change::Everything => self.everything = epoch,
        }
        if let Some(subject) = Subject::of(change) {
            self.forget_oldest();
            self.last.insert(subject.clone(), epoch);
            self.order.push_back((epoch, subject));
        }
    }

    fn forget_oldest(&mut self) {
        if self.order.len() < REMEMBERED {
            return;
        }
        let Some((epoch, subject)) = self.order.pop_front() else {
            return;
        };
        self.forgotten = epoch;
        if self.last.get(&subject) == Some(&epoch) {
            self.last.remove(&subject);
        }
    }

    /// Returns whether a change after `epoch` concerns this answer. Forgotten changes count as ones
    /// that do.
    pub(super) fn concern(&self, epoch: u64, key: &EntryKey, record: Option<&Record>) -> bool {
        self.everything.max(self.forgotten) > epoch
            || Subject::all(key, record).any(|subject| self.last_of(&subject) > epoch)
    }

    /// Returns the last change that may concern a lookup for `key` whose answer is not known yet.
    pub(super) fn may_concern(&self, key: &EntryKey) -> u64 {
        let named = Subject::all(key, None)
            .map(|subject| self.last_of(&subject))
            .max()
            .unwrap_or(0);
        let unnamed = match key.name {
            Name::Id(_) => self.organization,
            Name::Digest(_) => self.token.max(self.user),
        };
        named.max(unnamed).max(self.everything).max(self.forgotten)
    }

    /// Returns the last change that may end "there is none" for a credential of `kind` that it does
    /// not name.
    ///
    /// A token is asked for by its digest, which no change names, so that each change of a token
    /// may be its creation. A store may answer "there is none" while the organization or the person
    /// is gone.
    pub(super) fn may_create(&self, kind: Kind) -> u64 {
        match kind {
            Kind::OrgKey => self.organization,
            Kind::PersonalToken => self.token.max(self.user).max(self.organization),
        }
    }

    fn last_of(&self, subject: &Subject) -> u64 {
        self.last.get(subject).copied().unwrap_or(0)
    }
}
