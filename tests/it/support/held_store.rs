//! A store that counts its lookups and can hold, fail or panic in them.

use crate::support::{
    forward::{forward_directory, forward_manage_store},
    now,
};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tower_api_key::{
    async_trait,
    credential::Kind,
    id::CredentialId,
    secret::Digest,
    store::{
        AuditEvent, Cached, CredentialInfo, CredentialStore, Directory as _, Lookup, LookupKey,
        ManageStore, MemoryStore, Owner, Peek, Record, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

use tokio::sync::{Notify, Semaphore};

/// What a lookup does once it has read its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Answers,
    /// Waits, holding its answer, until it is released.
    Held,
    Fails,
    /// Cannot read the record.
    IsDamaged,
    /// Waits as if held, then fails.
    HeldThenFails,
    /// Waits as if held, then panics.
    HeldThenPanics,
}

/// A memory store whose lookups can be held.
#[derive(Debug)]
pub(crate) struct HeldStore {
    pub(crate) memory: MemoryStore,
    me: Weak<Self>,
    behaviour: Mutex<Behaviour>,
    lookups: AtomicUsize,
    read: Notify,
    gate: Semaphore,
    /// Makes each write report an unknown outcome after it was done.
    pub(crate) writes_fail: AtomicBool,
    /// Moves deletions to another task, which waits for this signal even if its caller is gone.
    pub(crate) deletion_gate: Mutex<Option<Arc<Notify>>>,
}

impl HeldStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            memory: filled_memory(),
            me: Weak::clone(me),
            behaviour: Mutex::new(Behaviour::Answers),
            lookups: AtomicUsize::new(0),
            read: Notify::new(),
            gate: Semaphore::new(0),
            writes_fail: AtomicBool::new(false),
            deletion_gate: Mutex::default(),
        })
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    /// Waits until a lookup holds its answer.
    pub(crate) async fn wait_until_read(&self) {
        self.read.notified().await;
    }

    /// Releases the held lookups, now and in future.
    pub(crate) fn release(&self) {
        self.set_behaviour(Behaviour::Answers);
        self.gate.add_permits(1 << 20);
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        work.await
    }

    async fn write<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let done = work.await?;
        match self.writes_fail.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("lost during the commit").into()),
            false => Ok(done),
        }
    }

    async fn end_credentials(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let gate = self.deletion_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            let (store, ending) = (self.me.upgrade().unwrap(), ending.clone());
            let deletion = tokio::spawn(async move {
                gate.notified().await;
                store.memory.end(&ending).await
            });
            return deletion.await.unwrap();
        }
        let work = async {
            let ended = self.memory.end(ending).await?;
            // Lets a caller be cancelled between the change and the answer.
            tokio::task::yield_now().await;
            Ok(ended)
        };
        self.write(work).await
    }
}

#[async_trait]
impl CredentialStore for HeldStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let behaviour = *self.behaviour.lock().unwrap();
        let answer = self.memory.find(lookup).await;
        match behaviour {
            Behaviour::Answers => answer,
            Behaviour::Held | Behaviour::HeldThenFails | Behaviour::HeldThenPanics => {
                self.read.notify_one();
                let _passed = self.gate.acquire().await;
                assert!(behaviour != Behaviour::HeldThenPanics, "test panic");
                if behaviour == Behaviour::HeldThenFails {
                    Err(StoreError::corrupt("test damage"))
                } else {
                    answer
                }
            }
            Behaviour::Fails => Err(StoreError::unavailable("test outage")),
            Behaviour::IsDamaged => Err(StoreError::corrupt("test damage")),
        }
    }
}

forward_directory!(HeldStore);
forward_manage_store!(HeldStore);

/// How long a first failure is kept.
pub(crate) const FAILURE_LIFE: Duration = Duration::from_millis(20);

pub(crate) type Cache = Cached<Arc<HeldStore>>;

/// A cache whose entries never expire.
pub(crate) fn cache_without_expiry(store: &Arc<HeldStore>) -> Cache {
    Cached::new(Arc::clone(store))
        .with_ttl(Duration::MAX)
        .with_negative_ttl(Duration::MAX)
}

/// A store with two organizations, the key `k1`, and the token `t1` of a member of the first.
pub(crate) fn filled_memory() -> MemoryStore {
    let memory = MemoryStore::new();
    for organization in ["org_1", "org_2"] {
        now(memory.create_organization(organization, None)).unwrap();
    }
    now(memory.create_user("alice")).unwrap();
    now(memory.set_member("alice", "org_1", "viewer")).unwrap();
    now(memory.insert(key("k1"))).unwrap();
    now(memory.insert(Record::personal_token("t1", token_digest("t1"), "alice"))).unwrap();
    memory
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

/// An owned lookup.
#[derive(Clone, Debug)]
pub(crate) enum TestLookup {
    Key(String),
    Token(Digest, Option<&'static str>),
}

impl TestLookup {
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

    /// Looks up as the layer does and returns whether the answer can be accepted.
    pub(crate) async fn ask(&self, cache: &impl CredentialStore) -> Result<bool, StoreError> {
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

    pub(crate) async fn is_accepted(&self, cache: &impl CredentialStore) -> bool {
        self.ask(cache).await.unwrap()
    }

    /// Returns whether the lookup is answered without waiting.
    pub(crate) fn is_cached(&self, cache: &impl CredentialStore) -> bool {
        !matches!(cache.peek(&self.lookup()), Peek::Unknown)
    }
}

/// Polls a future once, with the waker of the current task.
pub(crate) async fn poll_within_task<F: Future + ?Sized>(
    mut future: Pin<&mut F>,
) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
