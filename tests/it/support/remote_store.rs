//! A store whose answers have to be awaited, with a configurable failure.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;
use tower_api_key::{
    secret::SaltedDigests,
    store::{CredentialStore, Directory, Lookup, MemoryStore, Record, StoreError},
};

/// What the store does with a lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    Answers,
    Fails,
    Hangs,
    Panics,
    /// Answers once [`RemoteStore::release`] is called, one lookup per call.
    Held,
}

/// The error text of a failing store; only the operator may see it.
pub(crate) const OUTAGE: &str = "test outage of the store";

/// Queries a [`MemoryStore`], but never answers in `peek`.
#[derive(Debug)]
pub(crate) struct RemoteStore {
    memory: MemoryStore,
    behaviour: Mutex<Behaviour>,
    gate: Notify,
    calls: AtomicUsize,
    abandoned: AtomicUsize,
}

impl RemoteStore {
    pub(crate) fn new(memory: MemoryStore, behaviour: Behaviour) -> Arc<Self> {
        let (calls, abandoned) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            memory,
            behaviour: Mutex::new(behaviour),
            gate: Notify::new(),
            calls,
            abandoned,
        })
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn release(&self) {
        self.gate.notify_one();
    }

    /// How often the store was queried.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// How many lookups were dropped before they had an answer.
    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.load(SeqCst)
    }

    async fn behave(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, SeqCst);
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Answers => Ok(()),
            Behaviour::Fails => Err(StoreError::unavailable(OUTAGE)),
            Behaviour::Panics => panic!("test panic of the store"),
            Behaviour::Hangs | Behaviour::Held => {
                let unanswered = Unanswered(&self.abandoned);
                if let Behaviour::Hangs = behaviour {
                    pending::<()>().await;
                }
                self.gate.notified().await;
                std::mem::forget(unanswered);
                Ok(())
            }
        }
    }
}

/// Counts a lookup that is dropped without an answer.
struct Unanswered<'a>(&'a AtomicUsize);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[async_trait]
impl CredentialStore for RemoteStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.behave().await?;
        self.memory.find(lookup).await
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.memory.salted_digests()
    }
}

#[async_trait]
impl Directory for RemoteStore {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.behave().await?;
        self.memory.is_descendant_of(organization, ancestor).await
    }
}
