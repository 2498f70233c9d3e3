//! The lookup itself. It runs until the store has answered or the deadline has passed, even if the
//! client that caused it disconnects.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use super::{
    Cached,
    core::Fill,
    entry::{Answer, Moment, NEVER, Nanos},
    in_flight::{Leader, ResultCell, Waiter},
    key::{EntryKey, Name},
    settings::Settings,
    time::{MonotonicClock, nanos},
    writer::EntryKind,
};
use crate::{
    clock::Clock,
    credential::Kind,
    observe::counters,
    secret::Digest,
    store::{
        CredentialStore, Lookup, RawKey, Record, Status, StoreError, StoreFault, guard::caught,
        guarded,
    },
};

/// The result of a lookup, for all callers that wait for it.
#[derive(Default)]
pub(super) struct SharedResult {
    result: watch::Sender<Option<Answer>>,
    /// The task of the lookup, if it needed one.
    task: OnceLock<AbortHandle>,
}

impl SharedResult {
    /// Waits for the result. If the lookup was aborted, that is a failure.
    pub(super) async fn wait(&self) -> Answer {
        let mut result = self.result.subscribe();
        let set = result.wait_for(Option::is_some).await;
        let aborted =
            || Answer::Failed(Arc::new(StoreError::unavailable("the lookup was aborted")));
        set.ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_else(aborted)
    }
}

impl ResultCell for SharedResult {
    fn set(&self, answer: Answer) {
        self.result.send_replace(Some(answer));
    }

    fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// The clocks of a cache.
#[derive(Clone)]
pub(super) struct Clocks {
    /// The time of day, which decides when credentials expire.
    pub(super) wall: Arc<dyn Clock>,
    /// Measures TTLs.
    pub(super) monotonic: Arc<dyn MonotonicClock>,
    /// The zero of the timers' clock, which measures deadlines.
    pub(super) timers_since: tokio::time::Instant,
}

impl Clocks {
    /// Returns the time on the cache's clock.
    #[inline]
    pub(super) fn now(&self) -> Nanos {
        nanos(self.monotonic.elapsed())
    }

    /// Returns the time on both clocks.
    pub(super) fn moment(&self) -> Moment {
        let timers = tokio::time::Instant::now().saturating_duration_since(self.timers_since);
        Moment {
            now: self.now(),
            timer: nanos(timers),
        }
    }

    /// Returns whether a credential has expired.
    pub(super) fn is_expired(&self, record: &Record) -> bool {
        record
            .expires_at()
            .is_some_and(|end| self.wall.now() >= end)
    }

    /// Returns the time until a credential expires.
    fn left(&self, record: &Record) -> Nanos {
        record.expires_at().map_or(NEVER, |end| {
            let millis = end.0.saturating_sub(self.wall.now().0);
            u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
        })
    }
}

/// A lookup, and what is needed to cache its answer.
struct Fetch {
    leader: Leader<SharedResult>,
    settings: Settings,
    clocks: Clocks,
    asked_at: Nanos,
}

impl<S: CredentialStore> Cached<S> {
    /// Looks the key up in the store for all callers that wait. Returns once the lookup has ended
    /// or runs in its own task, which continues if this caller is dropped.
    pub(super) async fn fetch(&self, leader: Leader<SharedResult>, waiter: &Waiter<SharedResult>) {
        let (settings, clocks, asked_at) = (self.settings, self.clocks.clone(), self.clocks.now());
        let answer = ask(Arc::clone(&self.store), leader.key().clone());
        let fetch = Fetch {
            leader,
            settings,
            clocks,
            asked_at,
        };
        let mut answer = caught(Box::pin(answer));
        // A store that answers from memory needs no task.
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut answer).poll(cx))).await;
        match (first, Handle::try_current()) {
            (Poll::Ready(answer), _) => fetch.end(answer),
            (Poll::Pending, Ok(runtime)) => {
                let deadline = Duration::from_nanos(settings.lookup_deadline);
                let task = runtime.spawn(async move { fetch.end(guarded(deadline, answer).await) });
                let _ = waiter.result().task.set(task.abort_handle());
            }
            (Poll::Pending, Err(missing)) => fetch.end(Err(StoreError::unavailable(missing))),
        }
    }
}

/// Calls the store with an owned key, so that the future does not borrow from a request.
async fn ask<S: CredentialStore>(
    store: Arc<S>,
    key: EntryKey,
) -> Result<Option<Arc<Record>>, StoreError> {
    let organization = key.organization.as_ref().map(|id| id.as_str());
    match &key.name {
        Name::Id(id) => {
            store
                .find(&Lookup::by(
                    RawKey::Id(id.as_str().as_bytes()),
                    organization,
                ))
                .await
        }
        Name::Digest(words) => {
            let digest = Digest::from_words(*words);
            store
                .find(&Lookup::by(RawKey::Digest(&digest), organization))
                .await
        }
    }
}

impl Fetch {
    /// Caches the answer and passes it to the waiting callers.
    fn end(self, answer: Result<Option<Arc<Record>>, StoreError>) {
        let key = self.leader.key();
        let fill = match answer {
            Ok(Some(record)) if !answers(&record, key) => {
                Fill::failed(Arc::new(StoreFault::mismatched().into()))
            }
            Ok(record) => self.fill(record),
            Err(error) => Fill::failed(Arc::new(error)),
        };
        let grace = self.settings.grace.unwrap_or(0);
        if let Some(kind) = self.leader.finish(fill, self.clocks.moment(), grace) {
            counters::cache_eviction(kind == EntryKind::Accept);
        }
    }

    /// Decides in which table an answer is cached, and until when.
    fn fill(&self, record: Option<Arc<Record>>) -> Fill {
        let seen_from = self.leader.key().organization.as_ref();
        let acceptable = |record: &&Arc<Record>| {
            record.status() == Status::Active
                && !self.clocks.is_expired(record)
                && (seen_from.is_none() || record.organization() == seen_from)
        };
        let left = record
            .as_deref()
            .map_or(NEVER, |record| self.clocks.left(record));
        let (kind, life) = match record.as_ref().filter(acceptable) {
            Some(_) => (EntryKind::Accept, self.settings.time_to_live.min(left)),
            None => (EntryKind::Refusal, self.settings.negative_time_to_live),
        };
        let answer = record.map_or(Answer::Unknown, Answer::Found);
        let after = |life| self.asked_at.saturating_add(life);
        Fill {
            kind,
            answer,
            valid_until: after(life),
            expires: after(left),
        }
    }
}

/// Returns whether the record is what was asked for. If it is another, the store is broken, and its
/// answer must not be cached.
///
/// A digest with a pepper or a salt cannot be compared here; the layer compares it.
fn answers(record: &Record, key: &EntryKey) -> bool {
    let named = match &key.name {
        Name::Id(id) => record.id() == id.as_str(),
        Name::Digest(words) => {
            !record.digest_form().is_plain() || record.digest().words() == *words
        }
    };
    let elsewhere = key.kind() == Kind::PersonalToken
        && key.organization.is_some()
        && record.organization().is_some()
        && record.organization() != key.organization.as_ref();
    named && record.kind() == key.kind() && !elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_answers_for_the_credential_and_the_organization_that_were_asked_for() {
        let digest = Digest::of(b"pat_test");
        let key = |id: &str| Record::org_key(id, digest.clone(), "org_1");
        let token = || Record::personal_token("t1", digest.clone(), "alice");
        let here = || token().in_organization("org_1");
        let other = Record::personal_token("t1", Digest::of(b"pat_other"), "alice");
        let like_k1 = Record::personal_token("k1", digest.clone(), "alice");
        let k1 = Name::Id("k1".into());
        let t1 = Name::Digest(digest.words());
        for (name, record, asked, organization, expected) in [
            ("a key", key("k1"), &k1, None, true),
            ("a key elsewhere", key("k1"), &k1, Some("org_2"), true),
            ("another key", key("k2"), &k1, None, false),
            ("a token with a key's id", like_k1, &k1, None, false),
            ("a token", token(), &t1, None, true),
            ("no members token", token(), &t1, Some("org_1"), true),
            ("a member's token", here(), &t1, Some("org_1"), true),
            ("a token elsewhere", here(), &t1, Some("org_2"), false),
            ("a token with a place", here(), &t1, None, true),
            ("another token", other, &t1, None, false),
            ("a key with a token's digest", key("k1"), &t1, None, false),
        ] {
            let asked = EntryKey {
                name: asked.clone(),
                organization: organization.map(Into::into),
            };
            assert_eq!(answers(&record, &asked), expected, "{name}");
        }
    }
}
