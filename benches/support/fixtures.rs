//! A small store of test credentials, and requests that present them.

use std::sync::{Arc, OnceLock};
use tower_api_key::{
    RequireScopesLayer,
    clock::UnixMillis,
    rejection::RefusalBody,
    scope::ScopeSet,
    secret::{Digest, Pepper, Peppers},
    store::{
        CredentialStore, Directory, Lookup, ManageStore, MemoryStore, Peek, Record, Status,
        StoreError,
    },
};

use super::now::now;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::Full;

pub(crate) const ORGANIZATION: &str = "org_test";
pub(crate) const ORGANIZATION_HEADER: HeaderName = HeaderName::from_static("x-anyreach-org");

/// The body of requests and responses where no framework chooses one: that of a hyper service,
/// without a feature of this crate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(Full<Bytes>);

impl RefusalBody for Body {
    fn from_text(text: String) -> Self {
        Self(text.into())
    }
}

/// A key of the length of minted ones (55 bytes): its id is `id`, padded to 11 characters.
pub(crate) fn key(id: &str) -> String {
    key_with_secret(id, &format!("{:x<40}", "testsecret"))
}

pub(crate) fn key_with_secret(id: &str, secret: &str) -> String {
    format!("ak_{}.{secret}", key_id(id))
}

pub(crate) fn key_id(id: &str) -> String {
    format!("{id:0>11}")
}

/// A personal token of the length of minted ones.
pub(crate) fn token(name: &str) -> String {
    format!("pat_{:x<51}", format!("testtoken{name}"))
}

/// Returns the store that all benches query: one organization, one user, a key in each status.
pub(crate) fn store() -> MemoryStore {
    static STORE: OnceLock<MemoryStore> = OnceLock::new();
    STORE.get_or_init(filled).clone()
}

fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    now(store.create_organization(ORGANIZATION, None)).unwrap();
    now(store.create_user("user_test")).unwrap();
    now(store.set_member("user_test", ORGANIZATION, "viewer")).unwrap();
    let new_key =
        |id: &str| Record::org_key(key_id(id), Digest::of(key(id).as_bytes()), ORGANIZATION);
    let viewer = |record: Record| record.with_role("viewer", store.catalogue()).unwrap();
    for record in [
        viewer(new_key("live")),
        viewer(new_key("mortal")).expiring_at(UnixMillis(i64::MAX)),
        new_key("admin")
            .with_role("admin", store.catalogue())
            .unwrap(),
        new_key("powerless").with_scopes(ScopeSet::empty()),
        viewer(new_key("expired")).expiring_at(UnixMillis(0)),
        viewer(new_key("deleted")).with_status(Status::Deleted),
        viewer(new_key("disabled")).with_status(Status::Disabled),
        Record::personal_token(
            "test_token",
            Digest::of(token("live").as_bytes()),
            "user_test",
        ),
    ] {
        now(store.insert(record)).unwrap();
    }
    insert_what_is_gone_with_its_owner(&store);
    store
}

/// A key whose organization is deleted, and a token whose user is disabled.
fn insert_what_is_gone_with_its_owner(store: &MemoryStore) {
    let digest = |text: String| Digest::of(text.as_bytes());
    now(store.create_organization("org_gone", None)).unwrap();
    let orphan = Record::org_key(key_id("orggone"), digest(key("orggone")), "org_gone");
    now(store.insert(orphan)).unwrap();
    now(store.delete_organization("org_gone")).unwrap();
    now(store.create_user("user_gone")).unwrap();
    let ownerless = Record::personal_token("gone", digest(token("ownergone")), "user_gone");
    now(store.insert(ownerless)).unwrap();
    now(store.set_user_enabled("user_gone", false)).unwrap();
}

/// A requirement that the viewer behind `key("live")` meets.
pub(crate) fn reads() -> RequireScopesLayer {
    RequireScopesLayer::any(["agents:read", "agents:manage"]).unwrap()
}

/// A request as a small HTTP client sends it, plus `headers`.
pub(crate) fn request<B: Default>(headers: &[(HeaderName, &str)]) -> Request<B> {
    let mut request = Request::new(B::default());
    let map = request.headers_mut();
    map.insert(header::HOST, HeaderValue::from_static("api.example"));
    map.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
    map.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

pub(crate) fn bearing<B: Default>(token: &str) -> Request<B> {
    request(&[(header::AUTHORIZATION, &format!("Bearer {token}"))])
}

pub(crate) fn bearing_for_organization<B: Default>(token: &str) -> Request<B> {
    request(&[
        (header::AUTHORIZATION, &format!("Bearer {token}")),
        (ORGANIZATION_HEADER, ORGANIZATION),
    ])
}

/// A store that answers in `find` and never in `peek`, though at the first poll.
#[derive(Debug)]
pub(crate) struct AsyncStore(pub(crate) MemoryStore);

#[async_trait]
impl CredentialStore for AsyncStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.find(lookup).await
    }
}

/// A store that is down.
#[derive(Debug)]
pub(crate) struct FailingStore;

#[async_trait]
impl CredentialStore for FailingStore {
    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Err(StoreError::unavailable("down"))
    }
}

/// A store without credentials.
#[derive(Debug)]
pub(crate) struct EmptyStore;

#[async_trait]
impl CredentialStore for EmptyStore {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        Peek::NotFound
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(None)
    }
}

/// A store with a pepper, and at most one record.
#[derive(Debug)]
pub(crate) struct PepperedStore(pub(crate) Peppers, pub(crate) Option<Arc<Record>>);

#[async_trait]
impl CredentialStore for PepperedStore {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        self.1
            .as_ref()
            .map_or(Peek::NotFound, |record| Peek::Found(Arc::clone(record)))
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        Some(self.0.current())
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.1.clone())
    }
}

/// A store that returns the same record for every lookup, so that no randomly seeded map affects a
/// count.
#[derive(Debug)]
pub(crate) struct SingleRecordStore(pub(crate) Arc<Record>);

#[async_trait]
impl CredentialStore for SingleRecordStore {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        Peek::Found(Arc::clone(&self.0))
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(Some(Arc::clone(&self.0)))
    }
}
