//! A lookup in flight, shared by all who want its answer.

use std::{collections::HashMap, sync::Arc};

use super::{
    core::{Core, Fill, Known},
    entry::{Answer, Attempts, Moment, Nanos},
    key::EntryKey,
    sync::lock,
    writer::EntryKind,
};
use crate::store::StoreError;

/// How many lookups go on that nobody waits for any more. It bounds what callers cost who ask and
/// go away at once.
pub(super) const MAX_ABANDONED: usize = 1024;

/// Where those who wait for a lookup get its result.
pub(super) trait ResultCell: Default {
    /// Sets the result, once.
    fn set(&self, answer: Answer);

    /// Ends the lookup, which drops its [`Leader`].
    fn abort(&self);
}

/// A lookup in flight.
pub(super) struct InFlight<W> {
    pub(super) key: EntryKey,
    /// The number of the last change before it began.
    pub(super) epoch: u64,
    pub(super) started: Moment,
    pub(super) attempts: Attempts,
    /// Whether it counts against the limit of misses.
    pub(super) limited: bool,
    pub(super) result: W,
}

/// The lookups in flight: at most two of one key, so that a change makes nobody wait for what it
/// has outdated, and many changes do not make many lookups.
pub(super) struct Lookups<W> {
    by_key: HashMap<EntryKey, Pair<W>>,
    abandoned: usize,
}

struct Pair<W> {
    newest: Shared<W>,
    older: Option<Shared<W>>,
}

/// A lookup, and how many wait for it.
struct Shared<W> {
    lookup: Arc<InFlight<W>>,
    waiters: usize,
}

/// What a caller gets who asks for a key.
pub(super) enum Joined<W: ResultCell> {
    /// The answer is in the cache.
    Known(Known),
    /// The store has failed a moment ago.
    Failed(Arc<StoreError>),
    /// The limit of misses is reached.
    Limited,
    /// A lookup is in flight.
    Waiting(Waiter<W>),
    /// There was none: the caller has to make it.
    Leading(Leader<W>, Waiter<W>),
}

/// A caller that waits for a lookup.
pub(super) struct Waiter<W: ResultCell> {
    core: Arc<Core<W>>,
    lookup: Arc<InFlight<W>>,
    /// The number of the last change before the caller asked.
    arrived: u64,
}

/// The duty to end a lookup. Ends it as failed when it is dropped, which counts as a call of the store like any other.
pub(super) struct Leader<W: ResultCell> {
    core: Arc<Core<W>>,
    lookup: Arc<InFlight<W>>,
    ended: bool,
}

impl<W> Lookups<W> {
    pub(super) fn newest(&self, key: &EntryKey) -> Option<&Arc<InFlight<W>>> {
        self.by_key.get(key).map(|pair| &pair.newest.lookup)
    }

    /// Whether no further lookup of `key` may begin.
    pub(super) fn are_many(&self, key: &EntryKey) -> bool {
        self.by_key
            .get(key)
            .is_some_and(|pair| pair.older.is_some())
    }

    /// Adds a lookup with one waiter.
    pub(super) fn begin(&mut self, lookup: Arc<InFlight<W>>) {
        let before = self.by_key.remove(&lookup.key);
        if let Some(Pair {
            older: Some(older), ..
        }) = &before
        {
            self.abandoned -= usize::from(older.is_abandoned());
        }
        let older = before.map(|pair| pair.newest);
        self.by_key.insert(
            lookup.key.clone(),
            Pair {
                newest: Shared { lookup, waiters: 1 },
                older,
            },
        );
    }

    /// Adds a waiter.
    pub(super) fn join(&mut self, lookup: &Arc<InFlight<W>>) {
        if let Some(shared) = self.get_mut(lookup) {
            let was_abandoned = shared.is_abandoned();
            shared.waiters += 1;
            self.abandoned -= usize::from(was_abandoned);
        }
    }

    /// Takes a waiter away. Returns whether the lookup has to end, since too many go on without
    /// one.
    fn leave(&mut self, lookup: &Arc<InFlight<W>>) -> bool {
        let Some(shared) = self.get_mut(lookup) else {
            return false;
        };
        shared.waiters -= 1;
        let is_abandoned = shared.is_abandoned();
        self.abandoned += usize::from(is_abandoned);
        is_abandoned && self.abandoned > MAX_ABANDONED
    }

    pub(super) fn end(&mut self, lookup: &Arc<InFlight<W>>) {
        let Some(ended) = self.get_mut(lookup) else {
            return;
        };
        let was_abandoned = ended.is_abandoned();
        self.abandoned -= usize::from(was_abandoned);
        let Some(pair) = self.by_key.get_mut(&lookup.key) else {
            return;
        };
        match pair.older.take() {
            Some(older) if Arc::ptr_eq(&pair.newest.lookup, lookup) => pair.newest = older,
            Some(_) => {}
            None => drop(self.by_key.remove(&lookup.key)),
        }
    }

    fn get_mut(&mut self, lookup: &Arc<InFlight<W>>) -> Option<&mut Shared<W>> {
        let pair = self.by_key.get_mut(&lookup.key)?;
        let both = std::iter::once(&mut pair.newest).chain(&mut pair.older);
        both.into_iter()
            .find(|shared| Arc::ptr_eq(&shared.lookup, lookup))
    }
}

impl<W> Shared<W> {
    fn is_abandoned(&self) -> bool {
        self.waiters == 0
    }
}

impl<W> Default for Lookups<W> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            abandoned: 0,
        }
    }
}

impl<W: ResultCell> Waiter<W> {
    pub(super) fn new(core: Arc<Core<W>>, lookup: Arc<InFlight<W>>, arrived: u64) -> Self {
        Self {
            core,
            lookup,
            arrived,
        }
    }

    pub(super) fn result(&self) -> &W {
        &self.lookup.result
    }

    /// Whether the answer counts for this caller: no change between the beginning of the lookup and
    /// the caller's question concerns it. A failure counts for everybody.
    pub(super) fn accepts(&self, answer: &Answer) -> bool {
        let (epoch, key) = (self.lookup.epoch, &self.lookup.key);
        if self.arrived == epoch {
            return true;
        }
        let changes = &lock(&self.core.writer).changes;
        match answer {
            Answer::Found(record) => !changes.concern(epoch, key, Some(record)),
            Answer::Unknown => {
                !changes.concern(epoch, key, None) && changes.may_create(key.kind()) <= epoch
            }
            Answer::Failed(_) => true,
        }
    }
}

impl<W: ResultCell> Leader<W> {
    pub(super) fn new(core: Arc<Core<W>>, lookup: Arc<InFlight<W>>) -> Self {
        Self {
            core,
            lookup,
            ended: false,
        }
    }

    pub(super) fn key(&self) -> &EntryKey {
        &self.lookup.key
    }

    /// Ends the lookup with an answer, which is kept unless it is outdated. Returns the table of an
    /// entry that had to go.
    ///
    /// `grace` is how long an entry is of use past its time.
    pub(super) fn finish(mut self, fill: Fill, at: Moment, grace: Nanos) -> Option<EntryKind> {
        self.ended = true;
        let answer = fill.answer.clone();
        let evicted = self.core.finish(&self.lookup, fill, at, grace);
        self.lookup.result.set(answer);
        evicted
    }
}

impl<W: ResultCell> Drop for Waiter<W> {
    fn drop(&mut self) {
        let abort = lock(&self.core.writer).lookups.leave(&self.lookup);
        if abort {
            self.lookup.result.abort();
        }
    }
}

impl<W: ResultCell> Drop for Leader<W> {
    fn drop(&mut self) {
        if !self.ended {
            let aborted = Arc::new(StoreError::unavailable("the lookup was aborted"));
            let (fill, at) = (Fill::failed(Arc::clone(&aborted)), self.lookup.started);
            let _evicted = self.core.finish(&self.lookup, fill, at, 0);
            self.lookup.result.set(Answer::Failed(aborted));
        }
    }
}
