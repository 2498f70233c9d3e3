//! What an answer is about, and which change ends it.
//!
//! Every cached answer holds a [`Validity`] for each of its subjects, which all answers about that
//! subject share. A change clears it, so a single store to memory ends every answer about an
//! organization, however many there are.

use std::{collections::HashMap, sync::Arc};

use super::key::{EntryKey, Name};
use crate::{
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    store::{Change, Record},
    sync::{AtomicBool, AtomicU64, Ordering},
};

/// What a change can name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Credential(Kind, CredentialId),
    User(UserId),
    Organization(OrgId),
}

impl Subject {
    /// Returns what `change` names; `None` for everything.
    pub(super) fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Credential { kind, id } => Some(Self::Credential(*kind, id.clone())),
            Change::User(user) => Some(Self::User(user.clone())),
            Change::Organization(organization) => Some(Self::Organization(organization.clone())),
            Change::Everything => None,
        }
    }

    /// Returns what an answer is about: what was looked up, and what the record names.
    pub(super) fn all(key: &EntryKey, record: Option<&Record>) -> impl Iterator<Item = Self> {
        let asked = match &key.name {
            Name::Id(id) => Some(Self::Credential(Kind::OrgKey, id.clone())),
            Name::Digest(_) => None,
        };
        let credential = record.map(|record| Self::Credential(record.kind(), record.id().into()));
        let user = record
            .and_then(Record::user)
            .map(|user| Self::User(user.clone()));
        let owner = record
            .and_then(Record::organization)
            .map(|id| Self::Organization(id.clone()));
        let seen_from = key
            .organization
            .as_ref()
            .map(|id| Self::Organization(id.clone()));
        let credential = credential.filter(|credential| Some(credential) != asked.as_ref());
        let seen_from = seen_from.filter(|organization| Some(organization) != owner.as_ref());
        [asked, credential, user, owner, seen_from]
            .into_iter()
            .flatten()
    }
}

/// Whether answers about a subject are still valid. Every hit reads it; it is written once.
pub(super) struct Validity {
    subject: Subject,
    wiped: AtomicBool,
    holders: AtomicU64, // changed under the writer's lock alone
}

impl Validity {
    /// Returns whether no change has named the subject since the mark was created.
    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        !self.wiped.load(Ordering::Acquire)
    }
}

/// The valid marks, each for as long as an answer holds it.
#[derive(Default)]
pub(super) struct Validities(HashMap<Subject, Arc<Validity>>);

impl Validities {
    /// Returns the mark of `subject` for one more answer, creating it if there is none.
    pub(super) fn take(&mut self, subject: Subject) -> Arc<Validity> {
        let mark = self.0.entry(subject).or_insert_with_key(|subject| {
            let subject = subject.clone();
            Arc::new(Validity {
                subject,
                wiped: AtomicBool::new(false),
                holders: AtomicU64::new(0),
            })
        });
        mark.holders.fetch_add(1, Ordering::Relaxed);
        Arc::clone(mark)
    }

    /// Releases a mark that an answer held. An invalid mark has already left the table, where its
    /// subject may have a new one.
    pub(super) fn give_back(&mut self, mark: &Validity) {
        if mark.holders.fetch_sub(1, Ordering::Relaxed) == 1 && mark.is_valid() {
            self.0.remove(&mark.subject);
        }
    }

    /// Ends all answers about `subject` for good. Later answers about it get a new mark.
    pub(super) fn invalidate(&mut self, subject: &Subject) {
        if let Some(mark) = self.0.remove(subject) {
            mark.wiped.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            core::{Bounds, Core, Fill},
            entry::{Answer, Attempts, Moment, NEVER},
            in_flight::InFlight,
            writer::EntryKind,
        },
        *,
    };
    use crate::{secret::Digest, sync::lock};

    #[test]
    fn a_mark_is_kept_while_an_answer_holds_it() {
        let mut marks = Validities::default();
        let subject = || Subject::Organization("org_1".into());
        let (first, second) = (marks.take(subject()), marks.take(subject()));
        marks.give_back(&first);
        assert!(Arc::ptr_eq(&marks.take(subject()), &second));
        marks.give_back(&second);
        marks.give_back(&second);
        assert!(marks.0.is_empty());
    }

    #[test]
    fn an_entry_that_is_evicted_leaves_no_mark() {
        let core: Core<()> = Core::new(&Bounds {
            accepts: 4,
            refusals: 4,
            deadline: 1_000,
            miss_rate: None,
        });
        let at = Moment { now: 0, timer: 0 };
        for number in 0..10 {
            let id = format!("k{number}");
            let record = Record::org_key(id.as_str(), Digest::of(b"test"), "org_1");
            let lookup = Arc::new(InFlight {
                key: EntryKey {
                    name: Name::Id(id.as_str().into()),
                    organization: None,
                },
                epoch: 0,
                started: at,
                attempts: Attempts::again(None, 0),
                limited: false,
                result: (),
            });
            let fill = Fill {
                kind: EntryKind::Accept,
                answer: Answer::Found(Arc::new(record)),
                valid_until: NEVER,
                expires: NEVER,
            };
            core.finish(&lookup, fill, at, 0);
        }
        let marks = lock(&core.writer).marks.0.len();
        assert_eq!(marks, 5, "of four keys and their organization");
    }
}
