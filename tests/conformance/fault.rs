//! A store that counts its lookups and fails as a case requires.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tower_api_key::store::{
    CredentialStore, Lookup, LookupKey, MemoryStore, Peek, Record, StoreError,
};

/// The fault of the store.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Nothing,
    /// Every lookup fails, with this text for the operator.
    Error(String),
    /// A lookup that needs a membership fails.
    ErrorOnMembership,
    /// No answer until the fault changes.
    Hang,
    Panic,
    Delay(Duration),
    /// At most this many lookups at a time; the others wait.
    Concurrency(Arc<Semaphore>),
    /// Lookups of one key return the record of another.
    Swap {
        asked: String,
        answered: String,
    },
}

/// A [`MemoryStore`] with a configurable fault.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    records: MemoryStore,
    /// Keys whose record cannot be read, by id.
    unreadable: HashSet<String>,
    fault: watch::Sender<Fault>,
    lookups: AtomicUsize,
    waiting: watch::Sender<usize>,
}

impl Fault {
    /// Reads a fault as the corpus writes it; an unknown form is an error.
    pub(crate) fn read(text: &str, fixtures: &Value) -> Result<Self, String> {
        let unknown = || format!("unknown store fault: {text}");
        let id = |name: &str| {
            Some(
                fixtures
                    .get("keys")?
                    .get(name)?
                    .get("id")?
                    .as_str()?
                    .to_owned(),
            )
        };
        Ok(match text {
            "ok" => Self::Nothing,
            // The role and the scopes are part of the record, so they cannot fail without it.
            "error" | "error on scopes" => Self::Error("the store is down".to_owned()),
            "error on membership" => Self::ErrorOnMembership,
            "hang" => Self::Hang,
            "panic" => Self::Panic,
            _ => match text.split(' ').collect::<Vec<_>>().as_slice() {
                ["delay", millis, "ms"] => Self::Delay(Duration::from_millis(
                    millis.parse().map_err(|_| unknown())?,
                )),
                ["concurrency", most] => Self::Concurrency(Arc::new(Semaphore::new(
                    most.parse().map_err(|_| unknown())?,
                ))),
                ["returns", answered, "record", "for", asked, "id"] => Self::Swap {
                    asked: id(asked).ok_or_else(unknown)?,
                    answered: id(answered).ok_or_else(unknown)?,
                },
                ["error", "with", "text", ..] => Self::Error(
                    text.split_once("text ")
                        .ok_or_else(unknown)?
                        .1
                        .trim_matches('\'')
                        .to_owned(),
                ),
                _ => return Err(unknown()),
            },
        })
    }
}

impl FaultyStore {
    pub(crate) fn new(records: MemoryStore, unreadable: HashSet<String>, fault: Fault) -> Self {
        let (fault, waiting) = (watch::Sender::new(fault), watch::Sender::new(0));
        Self {
            records,
            unreadable,
            fault,
            lookups: AtomicUsize::new(0),
            waiting,
        }
    }

    /// Changes the fault; hanging lookups continue with the new one.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Takes the number of lookups since the last call.
    pub(crate) fn take_lookups(&self) -> usize {
        self.lookups.swap(0, Ordering::SeqCst)
    }

    /// Waits until this many lookups hang.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let _ = self
            .waiting
            .subscribe()
            .wait_for(|waiting| *waiting == count)
            .await;
    }

    fn unreadable(&self, lookup: &Lookup<'_>) -> bool {
        matches!(lookup.key(), LookupKey::OrgKey { id } if self.unreadable.contains(id))
    }

    /// Waits while the store hangs and returns the fault that follows.
    async fn fault_after_hanging(&self) -> Fault {
        let mut faults = self.fault.subscribe();
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _waits = Waits(&self.waiting);
        let after = faults.wait_for(|fault| !matches!(fault, Fault::Hang)).await;
        after.map_or(Fault::Nothing, |fault| fault.clone())
    }
}

/// Decrements the count of waiting lookups, even if the caller is cancelled.
struct Waits<'a>(&'a watch::Sender<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[async_trait]
impl CredentialStore for FaultyStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        if !matches!(*self.fault.borrow(), Fault::Nothing) || self.unreadable(lookup) {
            return Peek::Unknown;
        }
        let peeked = self.records.peek(lookup);
        if !matches!(peeked, Peek::Unknown) {
            self.lookups.fetch_add(1, Ordering::SeqCst);
        }
        peeked
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault_after_hanging().await;
        match fault {
            _ if self.unreadable(lookup) => {
                return Err(StoreError::corrupt("the stored hash is not a digest"));
            }
            Fault::Nothing | Fault::Hang => {}
            Fault::Error(text) => return Err(StoreError::unavailable(text)),
            Fault::ErrorOnMembership => {
                if matches!(lookup.key(), LookupKey::PersonalToken { .. })
                    && lookup.organization().is_some()
                {
                    return Err(StoreError::unavailable("the memberships are down"));
                }
            }
            #[allow(clippy::panic, reason = "the case requires a store that panics")]
            Fault::Panic => panic!("the store panics, as the case requires"),
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Concurrency(most) => {
                let _permit = most.acquire().await.map_err(StoreError::unavailable)?;
                tokio::task::yield_now().await;
                return self.records.find(lookup).await;
            }
            Fault::Swap { asked, answered } => {
                if matches!(lookup.key(), LookupKey::OrgKey { id } if id == asked) {
                    let other =
                        Lookup::new(LookupKey::OrgKey { id: &answered }, lookup.organization());
                    return self.records.find(&other).await;
                }
            }
        }
        self.records.find(lookup).await
    }
}
