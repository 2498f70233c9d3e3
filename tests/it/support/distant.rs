//! A store that has to be waited for, and that can be told how to fail.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;
use tower_api_key::store::{CredentialStore, Directory, Lookup, MemoryStore, Record, StoreError};

/// What the store does when it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Answers,
    Fails,
    Hangs,
    Panics,
    /// Answers once [`Distant::open`] is called, one lookup per call.
    Waits,
}

/// What a failing store says; nobody but the operator may read it.
pub(crate) const OUTAGE: &str = "test outage of the store";

/// Asks a [`MemoryStore`], but never at once.
#[derive(Debug)]
pub(crate) struct Distant {
    memory: MemoryStore,
    mood: Mutex<Mood>,
    gate: Notify,
    calls: AtomicUsize,
    given_up: AtomicUsize,
}

impl Distant {
    pub(crate) fn new(memory: MemoryStore, mood: Mood) -> Arc<Self> {
        let (calls, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            memory,
            mood: Mutex::new(mood),
            gate: Notify::new(),
            calls,
            given_up,
        })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn open(&self) {
        self.gate.notify_one();
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// How many lookups were dropped before they had an answer.
    pub(crate) fn given_up(&self) -> usize {
        self.given_up.load(SeqCst)
    }

    async fn arrive(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers => Ok(()),
            Mood::Fails => Err(StoreError::unavailable(OUTAGE)),
            Mood::Panics => panic!("a panic that the test asked for"),
            Mood::Hangs | Mood::Waits => {
                let unanswered = Unanswered(&self.given_up);
                if let Mood::Hangs = mood {
                    pending::<()>().await;
                }
                self.gate.notified().await;
                std::mem::forget(unanswered);
                Ok(())
            }
        }
    }
}

/// Counts itself when it is dropped with its lookup.
struct Unanswered<'a>(&'a AtomicUsize);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[async_trait]
impl CredentialStore for Distant {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.arrive().await?;
        self.memory.find(lookup).await
    }
}

#[async_trait]
impl Directory for Distant {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.arrive().await?;
        self.memory.is_descendant_of(organization, ancestor).await
    }
}
