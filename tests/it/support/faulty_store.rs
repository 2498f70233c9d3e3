//! A memory store whose management calls can fail, hang or panic, before or after the work is done.

use crate::support::forward::forward_manage_store;
use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, CredentialStore, Lookup, ManageStore, MemoryStore, Owner,
        Record, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

use async_trait::async_trait;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Works,
    Fails,
    Hangs,
    Panics,
    /// Does the work, but never returns.
    HangsWhenDone,
    /// Does the work and returns an error, as after a lost connection.
    FailsWhenDone,
    /// Makes changes, but cannot read.
    ReadsFail,
    /// Works after a while.
    WorksAfter(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct FaultyStore {
    pub(crate) memory: MemoryStore,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour::Works));
        Self {
            memory: MemoryStore::new(),
            behaviour,
        }
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::HangsWhenDone | Behaviour::FailsWhenDone => work.await,
            Behaviour::ReadsFail => Err(StoreError::unavailable("test outage")),
            _ => self.write(work).await,
        }
    }

    async fn write<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let behaviour = *self.behaviour.lock().unwrap();
        let outage = || E::from(StoreError::unavailable("test outage"));
        match behaviour {
            Behaviour::Works | Behaviour::ReadsFail => work.await,
            Behaviour::Fails => Err(outage()),
            Behaviour::Hangs => pending().await,
            Behaviour::WorksAfter(time) => {
                tokio::time::sleep(time).await;
                work.await
            }
            Behaviour::Panics => panic!("test panic of the store"),
            Behaviour::HangsWhenDone => {
                let _ = work.await;
                pending().await
            }
            Behaviour::FailsWhenDone => {
                let _ = work.await;
                Err(outage())
            }
        }
    }

    async fn end_credentials(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.write(self.memory.end(ending)).await
    }
}

#[async_trait]
impl CredentialStore for FaultyStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.read(self.memory.find(lookup)).await
    }
}

forward_manage_store!(FaultyStore);
