//! A store that reports success and ends nothing, as one whose database skips the statement: no
//! revocation is reported as made.

use crate::support::forward::forward_manage_store;
use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, ManageError, Manager, NewKey},
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, CredentialStore, Directory, Lookup, ManageStore, MemoryStore,
        Owner, Record, Status, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;

/// Does nothing in so many calls of `end`.
#[derive(Clone)]
struct SkippingStore {
    memory: MemoryStore,
    skips: Arc<AtomicUsize>,
}

impl SkippingStore {
    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        work.await
    }

    async fn write<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        work.await
    }

    async fn end_credentials(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let less = |left: usize| left.checked_sub(1);
        match self.skips.fetch_update(SeqCst, SeqCst, less) {
            Ok(_) => Ok(Vec::new()),
            Err(_) => self.memory.end(ending).await,
        }
    }
}

#[async_trait]
impl CredentialStore for SkippingStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.memory.find(lookup).await
    }
}

forward_manage_store!(SkippingStore);

struct Fixture {
    store: SkippingStore,
    manager: Manager<SkippingStore>,
    id: CredentialId,
    token: String,
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

impl Fixture {
    /// Issues a key in a store that then does nothing in so many calls.
    async fn skipping(skips: usize) -> Self {
        let store = SkippingStore {
            memory: MemoryStore::new(),
            skips: Arc::default(),
        };
        let organization = store.memory.create_organization("org_test", None);
        organization.await.unwrap();
        let manager = Manager::new(store.clone());
        let key = NewKey::named("key").with_role("viewer");
        let (key, secret) = manager.issue_key(&org(), key).await.unwrap().into_parts();
        store.skips.store(skips, SeqCst);
        Self {
            store,
            manager,
            id: key.id,
            token: secret.unwrap().expose_secret().to_owned(),
        }
    }

    /// Makes a call, and returns whether it reported that something was ended.
    async fn call(&self, name: &str) -> Result<bool, ManageError> {
        let (manager, id) = (&self.manager, self.id.as_str());
        let is_ended = |info: CredentialInfo| info.status != Status::Active;
        match name {
            "delete" => manager.delete(&org(), Kind::OrgKey, id).await.map(is_ended),
            "disable" => manager
                .disable(&org(), Kind::OrgKey, id)
                .await
                .map(is_ended),
            "revoke_presented" => manager
                .revoke_presented(&self.token, None)
                .await
                .map(is_ended),
            _ => manager
                .revoke_all(&org(), Kind::OrgKey)
                .await
                .map(|ended| ended.len() == 1),
        }
    }

    async fn status(&self) -> Status {
        let owner = Owner::Organization("org_test".into());
        let found = self.store.memory.credential(&owner, self.id.as_str()).await;
        found.unwrap().unwrap().status
    }
}

const CALLS: [&str; 4] = ["delete", "disable", "revoke_presented", "revoke_all"];

#[tokio::test]
async fn an_ending_that_the_store_skips_is_an_error() {
    for name in CALLS {
        let fixture = Fixture::skipping(usize::MAX).await;
        let error = fixture.call(name).await.unwrap_err();
        assert!(
            matches!(error, ManageError::Unavailable(_)),
            "{name}: {error:?}"
        );
        assert_eq!(error.code(), "store_ended_nothing", "{name}");
        assert_eq!(fixture.status().await, Status::Active, "{name}");
    }
}

/// A store that ends nothing once may be right: others disabled and enabled the credential, or
/// issued it, in the meantime.
#[tokio::test]
async fn an_ending_that_the_store_skips_once_is_made() {
    for name in CALLS {
        let fixture = Fixture::skipping(1).await;
        assert!(fixture.call(name).await.unwrap(), "{name}");
        assert_ne!(fixture.status().await, Status::Active, "{name}");
    }
}

#[tokio::test]
async fn what_has_ended_before_is_not_an_error() {
    let fixture = Fixture::skipping(0).await;
    assert!(fixture.call("disable").await.unwrap());
    assert!(fixture.call("disable").await.unwrap());
    assert!(fixture.call("revoke_all").await.unwrap());
    for name in ["disable", "delete", "revoke_presented"] {
        let refused = fixture.call(name).await;
        assert!(
            matches!(refused, Err(ManageError::Deleted)),
            "{name}: {refused:?}"
        );
    }
    let again = fixture.manager.revoke_all(&org(), Kind::OrgKey).await;
    assert_eq!(again.unwrap(), []);
}
