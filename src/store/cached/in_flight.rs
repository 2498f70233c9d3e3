//! Single flight: a lookup that is under way, shared by all callers that need its answer.

use std::{collections::HashMap, sync::Arc};

use super::{
    core::{Core, Fill, Known},
    entry::{Answer, Attempts, Moment, Nanos},
    key::EntryKey,
    writer::EntryKind,
};
use crate::{store::StoreError, sync::lock};

/// How many lookups may continue after all their callers have disconnected. Bounds the cost of
/// clients that send requests and disconnect at once.
pub(super) const MAX_ABANDONED: usize = 1024;

/// The cell in which callers wait for the result of a lookup.
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
    /// Whether it counts against the miss rate limit.
    pub(super) limited: bool,
    pub(super) result: W,
}

/// The lookups in flight, at most two per key: the second is for callers that arrive after a change
/// may have outdated the first. More changes do not cause more lookups.
pub(super) struct Lookups<W> {
    by_key: HashMap<EntryKey, Pair<W>>,
    /// How many of them have no waiter.
    abandoned: usize,
}

/// The one or two lookups of one key.
struct Pair<W> {
    newest: Shared<W>,
    older: Option<Shared<W>>,
}

/// A lookup and the number of callers that wait for it.
struct Shared<W> {
    lookup: Arc<InFlight<W>>,
    waiters: usize,
}

/// What a caller gets for a key.
pub(super) enum Joined<W: ResultCell> {
    /// The answer is in the cache.
    Known(Known),
    /// The store failed a moment ago.
    Failed(Arc<StoreError>),
    /// The miss rate limit is reached.
    Limited,
    /// A lookup is in flight; wait for it.
    Waiting(Waiter<W>),
    /// No lookup is in flight: this caller has to make it.
    Leading(Leader<W>, Waiter<W>),
}

/// A caller that waits for a lookup.
pub(super) struct Waiter<W: ResultCell> {
    core: Arc<Core<W>>,
    lookup: Arc<InFlight<W>>,
    /// The number of the last change before the caller arrived.
    arrived: u64,
}

/// The obligation to end a lookup. Dropping it ends the lookup as failed, which counts as a call of
/// the store like any other.
pub(super) struct Leader<W: ResultCell> {
    core: Arc<Core<W>>,
    lookup: Arc<InFlight<W>>,
    ended: bool,
}

impl<W> Lookups<W> {
    /// Returns the newest lookup of `key`.
    pub(super) fn newest(&self, key: &EntryKey) -> Option<&Arc<InFlight<W>>> {
        self.by_key.get(key).map(|pair| &pair.newest.lookup)
    }

    /// Returns whether two lookups of `key` are in flight, so that no further one may begin.
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

    /// Removes a waiter. Returns whether to abort the lookup, because it has no waiter left and too
    /// many continue without one.
    fn leave(&mut self, lookup: &Arc<InFlight<W>>) -> bool {
        let Some(shared) = self.get_mut(lookup) else {
            return false;
        };
        shared.waiters -= 1;
        let is_abandoned = shared.is_abandoned();
        self.abandoned += usize::from(is_abandoned);
        is_abandoned && self.abandoned > MAX_ABANDONED
    }

    /// Removes a lookup that has ended.
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

    /// Returns the entry of exactly this lookup, not of another one with the same key.
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

    /// Returns whether the answer is valid for this caller: no change between the beginning of the
    /// lookup and the caller's arrival concerns it, and the catalogue was not replaced meanwhile. An
    /// outage is valid for every caller.
    pub(super) fn accepts(&self, answer: &Answer) -> bool {
        if !answer.is_current() {
            return false;
        }
        let (epoch, key) = (self.lookup.epoch, &self.lookup.key);
        if self.arrived == epoch || answer.is_outage() {
            return true;
        }
        let changes = &lock(&self.core.writer).changes;
        let created = match answer {
            Answer::Unknown => changes.may_create(key.kind()) > epoch,
            Answer::Found(_) | Answer::Failed(_) => false,
        };
        !created && !changes.concern(epoch, key, answer.record().map(|record| &**record))
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

    /// Ends the lookup with an answer, which is cached unless it is outdated. Returns the table in
    /// which a useful entry was evicted for it.
    ///
    /// `grace` is how long an entry stays useful after it has expired.
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

#[cfg(test)]
mod tests {
    use super::{
        super::{core::Bounds, key::Name},
        *,
    };
    use crate::{
        credential::Kind,
        secret::Digest,
        store::{Change, Record},
    };

    const DEADLINE: Nanos = 1_000;

    /// Nobody waits for a result.
    impl ResultCell for () {
        fn set(&self, _: Answer) {}

        fn abort(&self) {}
    }

    fn key(id: &str) -> EntryKey {
        EntryKey {
            name: Name::Id(id.into()),
            organization: None,
        }
    }

    fn at(timer: Nanos) -> Moment {
        Moment { now: timer, timer }
    }

    fn lookup(id: &str) -> Arc<InFlight<()>> {
        Arc::new(InFlight {
            key: key(id),
            epoch: 0,
            started: at(0),
            attempts: Attempts::again(None, 0),
            limited: false,
            result: (),
        })
    }

    fn core() -> Arc<Core<()>> {
        Arc::new(Core::new(&Bounds {
            accepts: 4,
            refusals: 4,
            deadline: DEADLINE,
            miss_rate: None,
        }))
    }

    #[test]
    fn lookups_without_a_waiter_are_counted() {
        enum Step {
            Begin,
            Join,
            Leave,
            End,
        }
        use Step::{Begin, End, Join, Leave};
        let (first, second, third) = (lookup("k1"), lookup("k1"), lookup("k1"));
        let mut lookups = Lookups::default();
        for (number, (step, lookup, abandoned)) in [
            (Begin, &first, 0),
            (Leave, &first, 1),
            (Join, &first, 0),
            (Join, &first, 0),
            (Leave, &first, 0),
            (Leave, &first, 1),
            (Begin, &second, 1),
            (Leave, &second, 2),
            (Begin, &third, 1), // replaces the first
            (Leave, &third, 2),
            (End, &first, 2),
            (End, &second, 1),
            (End, &third, 0),
        ]
        .into_iter()
        .enumerate()
        {
            match step {
                Begin => lookups.begin(Arc::clone(lookup)),
                Join => lookups.join(lookup),
                Leave => assert!(!lookups.leave(lookup)),
                End => lookups.end(lookup),
            }
            assert_eq!(lookups.abandoned, abandoned, "after step {number}");
        }
    }

    #[test]
    fn at_most_1024_lookups_continue_without_a_waiter() {
        let mut lookups = Lookups::default();
        for number in 0..MAX_ABANDONED + 2 {
            let lookup = lookup(&number.to_string());
            lookups.begin(Arc::clone(&lookup));
            assert_eq!(lookups.leave(&lookup), number >= MAX_ABANDONED, "{number}");
        }
    }

    #[test]
    fn when_one_of_two_lookups_ends_the_other_can_be_joined() {
        let (older, newer) = (lookup("k1"), lookup("k1"));
        for (ended, left) in [(&older, &newer), (&newer, &older)] {
            let mut lookups = Lookups::default();
            lookups.begin(Arc::clone(&older));
            lookups.begin(Arc::clone(&newer));
            assert!(lookups.are_many(&key("k1")));
            lookups.end(ended);
            assert!(!lookups.are_many(&key("k1")));
            assert!(Arc::ptr_eq(lookups.newest(&key("k1")).unwrap(), left));
            lookups.end(left);
            assert!(lookups.newest(&key("k1")).is_none());
        }
    }

    #[test]
    fn while_two_lookups_overrun_their_deadline_no_third_begins() {
        let (core, key) = (core(), key("k1"));
        let change = Change::Credential {
            kind: Kind::OrgKey,
            id: "k1".into(),
        };
        let first = core.join(&key, at(0));
        core.apply(&change);
        let second = core.join(&key, at(1));
        core.apply(&change);
        assert!(matches!(&first, Joined::Leading(..)));
        assert!(matches!(&second, Joined::Leading(..)));
        let third = core.join(&key, at(DEADLINE + 1));
        assert!(matches!(third, Joined::Waiting(_)));
    }

    #[test]
    fn a_lookup_that_never_ends_is_waited_for_until_ten_times_its_deadline() {
        let (core, key) = (core(), key("k1"));
        let lost = core.join(&key, at(0));
        assert!(matches!(&lost, Joined::Leading(..)));
        let waiting = core.join(&key, at(10 * DEADLINE - 1));
        assert!(matches!(waiting, Joined::Waiting(_)));
        let again = core.join(&key, at(10 * DEADLINE));
        assert!(matches!(again, Joined::Leading(..)));
    }

    /// The lookup began before the change, and the caller came after it.
    #[test]
    fn a_caller_accepts_no_answer_that_a_change_before_its_arrival_concerns() {
        let credential = |id: &str| Change::Credential {
            kind: Kind::OrgKey,
            id: id.into(),
        };
        let record = Record::org_key("k1", Digest::of(b"test"), "org_1");
        let found = Answer::Found(Arc::new(record));
        let failed = Answer::Failed(Arc::new(StoreError::unavailable("test")));
        for (change, accepts_found, accepts_unknown) in [
            (credential("k1"), false, false),
            (credential("k2"), true, true),
            (Change::Organization("org_1".into()), false, false),
            (Change::Organization("org_2".into()), true, false), // may have created it
            (Change::User("alice".into()), true, true),
            (Change::Everything, false, false),
        ] {
            let core = core();
            core.apply(&change);
            let arrived = |epoch| Waiter::new(Arc::clone(&core), lookup("k1"), epoch);
            for (answer, accepts) in [
                (&found, accepts_found),
                (&Answer::Unknown, accepts_unknown),
                (&failed, true),
            ] {
                assert!(arrived(0).accepts(answer), "{change:?}");
                assert_eq!(arrived(1).accepts(answer), accepts, "{change:?}");
            }
        }
    }
}
