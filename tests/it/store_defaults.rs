//! A store that implements only the methods that its traits require: what it leaves out is empty or
//! refused, and managing works without it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tower_api_key::{
    AuthLayer, LastUse, async_trait,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey, NewToken},
    scope::Catalogue,
    secret::Digest,
    store::{
        Cached, CredentialInfo, CredentialStore, Directory, Lookup, ManageStore, MemoryStore,
        Owner, Record, StoreError, WriteError,
        backend::{Commit, Ending, ListQuery},
    },
};

use crate::support::{ORG, USER, ask, bearer, memory};

/// A store without idempotency keys, an audit trail, last uses and peppers, beside tables of users
/// and organizations that it does not write to.
struct Minimal(MemoryStore);

#[async_trait]
impl CredentialStore for Minimal {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.find(lookup).await
    }
}

#[async_trait]
impl ManageStore for Minimal {
    fn catalogue(&self) -> &Catalogue {
        self.0.catalogue()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.0.credential(owner, id).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.0.credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        match commit.insert.iter().any(|new| new.idempotency.is_some()) {
            true => Err(WriteError::Unsupported),
            false => self.0.commit(commit).await,
        }
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.0.end(ending).await
    }
}

#[async_trait]
impl Directory for Minimal {
    async fn is_descendant_of(&self, id: &str, ancestor: &str) -> Result<bool, StoreError> {
        self.0.is_descendant_of(id, ancestor).await
    }
}

#[tokio::test]
async fn keys_are_managed_without_a_trail_and_last_uses() {
    let (store, told) = (Arc::new(Minimal(memory())), Arc::new(AtomicUsize::new(0)));
    let hook = Arc::clone(&told);
    let manager = Manager::new(Arc::clone(&store)).on_event(move |_| {
        hook.fetch_add(1, Relaxed);
    });
    let actor = Actor::operator("test", Owner::Organization(ORG.into()));
    let issued = manager.issue_key(&actor, NewKey::named("key")).await;
    let (info, secret) = issued.unwrap().into_parts();
    let id = info.id.as_str();

    let uses = LastUse::new();
    let auth = AuthLayer::new(store).with_last_use(uses.clone());
    let sent = bearer(secret.unwrap().expose_secret());
    assert_eq!(ask(&auth, sent).await.status, 200);
    assert_eq!(manager.record_uses(&uses).await.unwrap(), 1);
    assert_eq!(uses.unwritten(), [], "they do not pile up");
    let read = manager.get(&actor, Kind::OrgKey, id).await.unwrap();
    assert_eq!(read.last_used_at, None);

    manager.delete(&actor, Kind::OrgKey, id).await.unwrap();
    let trail = manager.events(&actor, Kind::OrgKey, None, 10).await;
    assert_eq!(trail.unwrap(), []);
    assert_eq!(told.load(Relaxed), 2, "issued and deleted");
}

#[tokio::test]
async fn no_key_is_issued_under_an_idempotency_key() {
    let manager = Manager::new(Minimal(memory()));
    let owner = Owner::Organization(ORG.into());
    let actor = Actor::operator("test", owner.clone());
    let new = NewKey::named("key").with_idempotency_key("once");
    let refused = manager.issue_key(&actor, new).await.err().unwrap();
    assert_eq!(refused.code(), "store_unavailable");
    let earlier = manager.store().issued_under(&owner, "once").await.unwrap();
    assert!(earlier.is_none());
}

#[tokio::test]
async fn nothing_is_rehashed_without_peppers() {
    let (store, presented) = (Minimal(memory()), Digest::of(b"test"));
    assert!(store.decoy_pepper().is_none() && store.salted_digests().is_none());
    let rehashed = store.rehash(Kind::OrgKey, "testkey", &presented).await;
    assert!(!rehashed.unwrap());
}

#[tokio::test]
async fn users_and_organizations_are_not_written() {
    let store = Minimal(memory());
    for (number, written) in [
        store.create_organization("org_new", None).await,
        store.delete_organization(ORG).await,
        store.create_user("alice").await,
        store.set_user_enabled("alice", false).await,
        store.delete_user("alice").await,
        store.set_member("alice", ORG, "viewer").await,
        store.remove_member("alice", ORG).await,
    ]
    .into_iter()
    .enumerate()
    {
        assert!(
            matches!(written, Err(WriteError::Unsupported)),
            "{number}: {written:?}"
        );
    }
}

#[tokio::test]
async fn a_store_that_does_not_know_restrictions_issues_no_restricted_token() {
    issues_no_restricted_token(Minimal(memory())).await;
    issues_no_restricted_token(Arc::new(Minimal(memory()))).await;
    issues_no_restricted_token(Cached::new(Minimal(memory()))).await;
}

async fn issues_no_restricted_token(store: impl ManageStore) {
    let manager = Manager::new(store);
    let actor = Actor::operator("test", Owner::of(Kind::PersonalToken, USER));
    for new in [
        NewToken::named("restricted").with_scopes(["agents:read"]),
        NewToken::named("restricted").with_scopes([""; 0]),
        NewToken::named("restricted").with_organizations([ORG]),
    ] {
        let refused = manager.issue_token(&actor, new).await.err().unwrap();
        assert_eq!(refused.code(), "restrictions_unsupported");
    }
    let plain = NewToken::named("not restricted");
    manager.issue_token(&actor, plain).await.unwrap();
}
