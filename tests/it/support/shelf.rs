//! A store that counts its lookups and can be held, broken and made to panic, and a clock moved by hand.

use crate::support::now;
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tower_api_key::{
    async_trait,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditEvent, Cached, CredentialInfo, CredentialStore, Directory, Lookup, LookupKey,
        ManageStore, MemoryStore, MonotonicClock, Owner, Peek, Record, StoreError, Usage,
        WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

use tokio::sync::{Notify, Semaphore};

/// What a lookup does once it has read its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Waits, with the answer in hand, until it is let go.
    Held,
    Broken,
    /// Waits as if held, and then fails.
    Failing,
    /// Waits as if held, and then panics.
    Doomed,
}

/// A memory store that has to be waited for.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) memory: MemoryStore,
    me: Weak<Self>,
    mood: Mutex<Mood>,
    looked_up: AtomicUsize,
    read: Notify,
    gate: Semaphore,
    /// Says of each write that its outcome is unknown, after having done it.
    pub(crate) writes_fail: AtomicBool,
    /// Deletions are made by another task, whoever waits for them, and wait for this.
    pub(crate) late: Mutex<Option<Arc<Notify>>>,
}

impl Shelf {
    pub(crate) fn new() -> Arc<Self> {
        let memory = MemoryStore::new();
        for organization in ["org_1", "org_2"] {
            now(memory.create_organization(organization, None)).unwrap();
        }
        now(memory.create_user("alice")).unwrap();
        now(memory.set_member("alice", "org_1", "viewer")).unwrap();
        now(memory.insert(key("k1"))).unwrap();
        now(memory.insert(Record::personal_token("t1", token_digest("t1"), "alice"))).unwrap();
        Arc::new_cyclic(|me| Self {
            memory,
            me: Weak::clone(me),
            mood: Mutex::new(Mood::Well),
            looked_up: AtomicUsize::new(0),
            read: Notify::new(),
            gate: Semaphore::new(0),
            writes_fail: AtomicBool::new(false),
            late: Mutex::default(),
        })
    }

    pub(crate) fn become_(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn look_ups(&self) -> usize {
        self.looked_up.load(Ordering::SeqCst)
    }

    /// Waits until a lookup has its answer in hand.
    pub(crate) async fn has_read(&self) {
        self.read.notified().await;
    }

    /// Lets the held lookups go, these and those to come.
    pub(crate) fn let_go(&self) {
        self.become_(Mood::Well);
        self.gate.add_permits(1 << 20);
    }

    fn outcome(&self) -> Result<(), WriteError> {
        match self.writes_fail.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("lost during the commit").into()),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl CredentialStore for Shelf {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        let answer = self.memory.find(lookup).await;
        match mood {
            Mood::Well => answer,
            Mood::Held | Mood::Failing | Mood::Doomed => {
                self.read.notify_one();
                let _passed = self.gate.acquire().await;
                assert!(mood != Mood::Doomed, "test panic");
                if mood == Mood::Failing {
                    Err(StoreError::corrupt("test damage"))
                } else {
                    answer
                }
            }
            Mood::Broken => Err(StoreError::unavailable("test outage")),
        }
    }
}

#[async_trait]
impl Directory for Shelf {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.memory.is_descendant_of(organization, ancestor).await
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        self.memory.create_organization(id, parent).await?;
        self.outcome()
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.memory.delete_organization(id).await?;
        self.outcome()
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        self.memory.create_user(id).await?;
        self.outcome()
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.memory.set_user_enabled(id, enabled).await?;
        self.outcome()
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        self.memory.delete_user(id).await?;
        self.outcome()
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        self.memory.set_member(user, organization, role).await?;
        self.outcome()
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.memory.remove_member(user, organization).await?;
        self.outcome()
    }
}

#[async_trait]
impl ManageStore for Shelf {
    fn catalogue(&self) -> &Catalogue {
        self.memory.catalogue()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.memory.credential(owner, id).await
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        self.memory.issued_under(owner, key).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.memory.credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.memory.commit(commit).await?;
        self.outcome()
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let late = self.late.lock().unwrap().clone();
        if let Some(late) = late {
            let (shelf, ending) = (self.me.upgrade().unwrap(), ending.clone());
            let deletion = tokio::spawn(async move {
                late.notified().await;
                shelf.memory.end(&ending).await
            });
            return deletion.await.unwrap();
        }
        let ended = self.memory.end(ending).await?;
        tokio::task::yield_now().await; // so that a caller can go away between the change and the answer
        self.outcome()?;
        Ok(ended)
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.memory.events(owner, before, limit).await
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        self.memory.record_uses(uses).await
    }
}

/// A monotonic clock that stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl MonotonicClock for Hand {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A monotonic clock in step with tokio's timers, which a test with a paused clock advances.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    since: tokio::time::Instant,
    slept: Hand,
}

impl Timers {
    pub(crate) fn start() -> Self {
        Self {
            since: tokio::time::Instant::now(),
            slept: Hand::default(),
        }
    }

    /// Suspends the machine: this clock goes on, and the timers do not.
    pub(crate) fn suspend(&self, time: Duration) {
        self.slept.advance(time);
    }
}

impl MonotonicClock for Timers {
    fn elapsed(&self) -> Duration {
        self.since.elapsed() + self.slept.elapsed()
    }
}

/// For how long a first failure is kept.
pub(crate) const FAILURE_LIFE: Duration = Duration::from_millis(20);

pub(crate) type Cache = Cached<Arc<Shelf>>;

/// A cache that keeps what it is told for ever.
pub(crate) fn for_ever(shelf: &Arc<Shelf>) -> Cache {
    Cached::new(Arc::clone(shelf))
        .with_ttl(Duration::MAX)
        .with_negative_ttl(Duration::MAX)
}

pub(crate) fn key(id: &str) -> Record {
    let memory = MemoryStore::new();
    Record::org_key(id, Digest::of(id.as_bytes()), "org_1")
        .with_role("viewer", memory.catalogue())
        .unwrap()
}

pub(crate) fn token_digest(id: &str) -> Digest {
    Digest::of(format!("pat_test_{id}").as_bytes())
}

/// A question, owned.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Key(String),
    Token(Digest, Option<&'static str>),
}

impl Question {
    pub(crate) fn key(id: &str) -> Self {
        Self::Key(id.to_owned())
    }

    pub(crate) fn token(id: &str, organization: Option<&'static str>) -> Self {
        Self::Token(token_digest(id), organization)
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::Key(id) => Lookup::new(LookupKey::OrgKey { id }, None),
            Self::Token(digest, organization) => {
                Lookup::new(LookupKey::PersonalToken { digest }, *organization)
            }
        }
    }

    /// Asks as the layer does, and says whether the answer could be accepted.
    pub(crate) async fn asked(&self, cache: &impl CredentialStore) -> Result<bool, StoreError> {
        let lookup = self.lookup();
        let found = match cache.peek(&lookup) {
            Peek::Found(record) => Some(record),
            Peek::NotFound => None,
            Peek::Unknown => cache.find(&lookup).await?,
        };
        let wanted = lookup.organization();
        Ok(found.is_some_and(|record| {
            record.status() == tower_api_key::store::Status::Active
                && (wanted.is_none() || record.organization().map(|own| own.as_str()) == wanted)
        }))
    }

    pub(crate) async fn accepted(&self, cache: &impl CredentialStore) -> bool {
        self.asked(cache).await.unwrap()
    }

    /// Whether it is answered without waiting.
    pub(crate) fn is_cached(&self, cache: &impl CredentialStore) -> bool {
        !matches!(cache.peek(&self.lookup()), Peek::Unknown)
    }
}

/// Polls a future once.
pub(crate) async fn polled_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
