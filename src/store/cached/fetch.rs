//! The lookup itself. It goes on until the store has answered or the deadline has passed, whoever
//! waits for it.

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
    observe::counters,
    secret::Digest,
    store::{CredentialStore, Lookup, RawKey, Record, Status, StoreError, guard::caught, guarded},
};

/// Where those who wait for a lookup get its result.
#[derive(Default)]
pub(super) struct SharedResult {
    result: watch::Sender<Option<Answer>>,
    task: OnceLock<AbortHandle>,
}

impl SharedResult {
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
    /// The time of day, by which credentials expire.
    pub(super) wall: Arc<dyn Clock>,
    pub(super) monotonic: Arc<dyn MonotonicClock>,
    pub(super) timers_since: tokio::time::Instant,
}

impl Clocks {
    #[inline]
    pub(super) fn now(&self) -> Nanos {
        nanos(self.monotonic.elapsed())
    }

    pub(super) fn moment(&self) -> Moment {
        let timers = tokio::time::Instant::now().saturating_duration_since(self.timers_since);
        Moment {
            now: self.now(),
            timer: nanos(timers),
        }
    }

    pub(super) fn is_expired(&self, record: &Record) -> bool {
        record
            .expires_at()
            .is_some_and(|end| self.wall.now() >= end)
    }

    /// The time until a credential expires.
    fn left(&self, record: &Record) -> Nanos {
        record.expires_at().map_or(NEVER, |end| {
            let millis = end.0.saturating_sub(self.wall.now().0);
            u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
        })
    }
}

/// A lookup, and what is to be done with its answer.
struct Fetch {
    leader: Leader<SharedResult>,
    settings: Settings,
    clocks: Clocks,
    asked_at: Nanos,
}

impl<S: CredentialStore> Cached<S> {
    /// Asks the store on behalf of all who want the answer. Returns once the lookup has ended or
    /// has become a task of its own, which the caller's going away does not end.
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
    fn end(self, answer: Result<Option<Arc<Record>>, StoreError>) {
        let fill = match answer {
            Ok(record) => self.fill(record),
            Err(error) => Fill::failed(Arc::new(error)),
        };
        let grace = self.settings.grace.unwrap_or(0);
        if let Some(kind) = self.leader.finish(fill, self.clocks.moment(), grace) {
            counters::cache_eviction(kind == EntryKind::Accept);
        }
    }

    /// Decides where an answer is kept, and until when.
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
