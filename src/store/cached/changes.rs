//! Remembers which change last concerned each subject.
//!
//! A lookup that was in flight while something changed may have read the old state. When it ends,
//! these tables decide whether its answer is still valid, without keeping every change: they hold
//! the number of the last change of each subject, and forget the oldest.

use std::collections::{HashMap, VecDeque};

use super::{
    key::{EntryKey, Name},
    subject::Subject,
};
use crate::{
    credential::Kind,
    store::{Change, Record},
};

/// How many changes are remembered. A lookup that began before the oldest of them counts as
/// outdated.
const REMEMBERED: usize = 4096;

/// The number (epoch) of the last change that concerned each subject.
#[derive(Default)]
pub(super) struct Changes {
    last: HashMap<Subject, u64>,
    /// The remembered changes, oldest first.
    order: VecDeque<(u64, Subject)>,
    /// The newest change that has been forgotten.
    forgotten: u64,
    /// The last [`Change::Everything`].
    everything: u64,
    /// The last change of any personal token.
    token: u64,
    /// The last change of any user.
    user: u64,
    /// The last change of any organization.
    organization: u64,
}

impl Changes {
    /// Remembers `change` under its number.
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

    /// Makes room for one more change. The subject is forgotten too, unless it has changed again
    /// since.
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

    /// Returns whether a change after `epoch` concerns this answer. A forgotten change counts as
    /// one that does.
    pub(super) fn concern(&self, epoch: u64, key: &EntryKey, record: Option<&Record>) -> bool {
        self.everything.max(self.forgotten) > epoch
            || Subject::all(key, record).any(|subject| self.last_of(&subject) > epoch)
    }

    /// Returns the last change that may concern a lookup of `key` whose answer is not known yet.
    ///
    /// The record may name a user or an organization that the key does not, so any change of one
    /// counts.
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

    /// Returns the last change that may have created a credential of `kind` without naming it, and
    /// so ends the answer "there is none".
    ///
    /// A token is looked up by its digest, which no change names, so any change of a token may be
    /// its creation. And since a store may answer "there is none" while the organization or the
    /// user is gone, the return of either counts as well.
    pub(super) fn may_create(&self, kind: Kind) -> u64 {
        match kind {
            Kind::OrgKey => self.organization,
            Kind::PersonalToken => self.token.max(self.user).max(self.organization),
        }
    }

    /// Returns the last remembered change of `subject`; 0 if there is none.
    fn last_of(&self, subject: &Subject) -> u64 {
        self.last.get(subject).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> EntryKey {
        EntryKey {
            name: Name::Id(id.into()),
            organization: None,
        }
    }

    fn record(changes: &mut Changes, id: &str, epoch: u64) {
        let (kind, id) = (Kind::OrgKey, id.into());
        changes.record(&Change::Credential { kind, id }, epoch);
    }

    #[test]
    fn the_newest_4096_changes_are_remembered_and_no_more() {
        let mut changes = Changes::default();
        for epoch in (1..).take(REMEMBERED + 10) {
            record(&mut changes, &epoch.to_string(), epoch);
        }
        assert_eq!(
            (changes.order.len(), changes.last.len()),
            (REMEMBERED, REMEMBERED)
        );
        let concern = |epoch, id| changes.concern(epoch, &key(id), None);
        assert!(concern(9, "unchanged"), "the tenth was forgotten");
        assert!(!concern(10, "unchanged"));
        assert!(concern(10, "11"), "the oldest that is remembered");
        assert!(!concern(11, "11"));
    }

    #[test]
    fn a_later_change_of_a_subject_is_remembered_when_an_earlier_one_is_forgotten() {
        let mut changes = Changes::default();
        record(&mut changes, "k1", 1);
        record(&mut changes, "k1", 2);
        for epoch in (3..).take(REMEMBERED - 1) {
            record(&mut changes, &epoch.to_string(), epoch);
        }
        assert_eq!(changes.forgotten, 1);
        assert!(changes.concern(1, &key("k1"), None));
    }
}
