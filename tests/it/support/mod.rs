//! Shared by the behaviour tests: a filled store, stores that fail or wait, an inner service that
//! records requests, and request builders.

pub(crate) mod clocks;
#[cfg(feature = "testing")]
pub(crate) mod faulty_store;
pub(crate) mod forward;
pub(crate) mod held_store;
#[cfg(feature = "tracing")]
pub(crate) mod logs;
mod now;
pub(crate) mod own_process;
#[cfg(feature = "testing")]
#[path = "../../../crates/sqlx/tests/it/support/pg.rs"]
pub(crate) mod pg;
pub(crate) mod public_futures;
#[cfg(feature = "metrics")]
pub(crate) mod recorder;
pub(crate) mod remote_store;
pub(crate) mod world;
pub(crate) mod yielding_store;

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};
use tower_api_key::credential::Kind;
use tower_api_key::store::Owner;
use tower_api_key::{
    Principal, Reason, Rejection,
    clock::UnixMillis,
    secret::Digest,
    store::{
        Attributes, Conditions, Directory, ManageStore, MemoryStore, Record, Restrictions, Status,
    },
};

pub(crate) use now::now;

use http::{HeaderName, HeaderValue, Method, Request, Response, Version, request::Parts};
use tower::{Layer, Service, ServiceExt as _};

pub(crate) const ORG_HEADER: &str = "x-anyreach-org";
pub(crate) const ORG: &str = "org_test";
pub(crate) const OTHER_ORG: &str = "org_other";
pub(crate) const DELETED_ORG: &str = "org_deleted";
pub(crate) const USER: &str = "user_test";
/// A key of [`ORG`] with the role `admin`.
pub(crate) const KEY: &str = "ak_testkey.test-secret";
/// A token of [`USER`], who is `admin` in [`ORG`] and `viewer` in [`OTHER_ORG`].
pub(crate) const TOKEN: &str = "pat_test-token";

/// The key for an id of [`memory`].
pub(crate) fn key(id: &str) -> String {
    format!("ak_{id}.test-secret")
}

/// The personal token for an id of [`memory`].
pub(crate) fn pat(id: &str) -> String {
    format!("pat_test-{id}")
}

pub(crate) fn key_record(id: &str, organization: &str) -> Record {
    Record::org_key(id, Digest::of(key(id).as_bytes()), organization)
}

pub(crate) fn pat_record(id: &str, user: &str) -> Record {
    Record::personal_token(id, Digest::of(pat(id).as_bytes()), user)
}

/// A store with one valid credential of each kind, and one for each way to be invalid, named after
/// it.
pub(crate) fn memory() -> MemoryStore {
    let store = MemoryStore::new();
    for organization in [ORG, OTHER_ORG, DELETED_ORG] {
        now(store.create_organization(organization, None)).unwrap();
    }
    for user in [USER, "user_gone"] {
        now(store.create_user(user)).unwrap();
        now(store.set_member(user, ORG, "admin")).unwrap();
    }
    now(store.set_member(USER, OTHER_ORG, "viewer")).unwrap();
    now(store.set_member(USER, DELETED_ORG, "viewer")).unwrap();
    let past = UnixMillis(1);
    let keys = [
        key_record("testkey", ORG),
        key_record("deleted", ORG),
        key_record("expired", ORG).expiring_at(past),
        key_record("disabled", ORG).with_status(Status::Disabled),
        key_record("orphan", DELETED_ORG),
        key_record("office", ORG).with_attributes(under(from("10.0.0.0/8"))),
        key_record("staging", ORG)
            .with_attributes(under(Conditions::default().with_environment("staging"))),
    ];
    for record in keys {
        now(store.insert(record.with_role("admin", store.catalogue()).unwrap())).unwrap();
    }
    let elsewhere = Restrictions::default().with_organizations([OTHER_ORG]);
    let tokens = [
        pat_record("token", USER),
        pat_record("deleted", USER),
        pat_record("expired", USER).expiring_at(past),
        pat_record("disabled", USER).with_status(Status::Disabled),
        pat_record("ownerless", "user_gone"),
        pat_record("elsewhere", USER).restricted_to(elsewhere),
    ];
    for record in tokens {
        now(store.insert(record)).unwrap();
    }
    now(store.delete(&Owner::of(Kind::OrgKey, ORG), "deleted")).unwrap();
    now(store.delete(&Owner::of(Kind::PersonalToken, USER), "deleted")).unwrap();
    now(store.set_user_enabled("user_gone", false)).unwrap();
    now(store.delete_organization(DELETED_ORG)).unwrap();
    store
}

/// Attributes with these conditions.
pub(crate) fn under(conditions: Conditions) -> Attributes {
    Attributes::default().with_conditions(conditions)
}

/// The condition that a request comes from a network.
pub(crate) fn from(network: &str) -> Conditions {
    Conditions::default().with_networks([network.parse().unwrap()])
}

/// A store with the key `held`, which holds exactly `scopes`.
pub(crate) fn holding(scopes: &[&str]) -> MemoryStore {
    let store = memory();
    let record = key_record("held", ORG).with_scopes(scopes.iter().copied().collect());
    now(store.insert(record)).unwrap();
    store
}

/// A request without a credential.
pub(crate) fn request() -> Request<String> {
    Request::new(String::new())
}

/// Adds a header value to a request.
pub(crate) fn with(
    mut request: Request<String>,
    name: &str,
    value: impl AsRef<[u8]>,
) -> Request<String> {
    let name = HeaderName::try_from(name).unwrap();
    request
        .headers_mut()
        .append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
    request
}

pub(crate) fn authorization(value: impl AsRef<[u8]>) -> Request<String> {
    with(request(), "authorization", value)
}

pub(crate) fn bearer(token: impl AsRef<str>) -> Request<String> {
    authorization(format!("Bearer {}", token.as_ref()))
}

/// A request with a personal token in an organization.
pub(crate) fn bearer_in(token: impl AsRef<str>, organization: &str) -> Request<String> {
    with(bearer(token), ORG_HEADER, organization)
}

/// Turns the request into a gRPC call: `POST` over HTTP/2 with the content-type.
pub(crate) fn grpc_call(request: Request<String>, content_type: &str) -> Request<String> {
    let mut request = with(request, "content-type", content_type);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A service that records the requests that reach it and answers `reached`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inner(Arc<Mutex<Vec<Parts>>>);

impl Inner {
    /// Takes the requests since the last call.
    pub(crate) fn take(&self) -> Vec<Parts> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.lock().unwrap().push(request.into_parts().0);
        ready(Ok(Response::new("reached".to_owned())))
    }
}

/// The response, and the request that reached the inner service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
    /// The request as the inner service received it.
    pub(crate) reached: Option<Parts>,
}

impl Answer {
    /// Everything that a client sees.
    pub(crate) fn wire(&self) -> (u16, &[(String, String)], &str) {
        (self.status, &self.headers, &self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.rejection.as_ref().map(Rejection::reason)
    }

    /// The code of the private cause; `accepted` if there is none.
    pub(crate) fn cause(&self) -> &'static str {
        self.rejection
            .as_ref()
            .map_or("accepted", |rejection| rejection.cause().code())
    }

    /// The principal that the inner service received.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.reached
            .as_ref()
            .and_then(|parts| parts.extensions.get())
    }
}

/// Sends one request through `layer` and records both sides. A refusal that reaches the inner
/// service fails the test.
pub(crate) async fn ask<L>(layer: &L, request: Request<String>) -> Answer
where
    L: Layer<Inner>,
    L::Service: Service<Request<String>, Response = Response<String>, Error = Infallible>,
{
    let inner = Inner::default();
    let (parts, body) = layer
        .layer(inner.clone())
        .oneshot(request)
        .await
        .unwrap()
        .into_parts();
    let mut reached = inner.take();
    assert!(
        reached.len() <= 1,
        "one request must cause at most one call, got {}",
        reached.len()
    );
    assert!(
        reached.is_empty() || parts.extensions.get::<Rejection>().is_none(),
        "a request is refused or reaches the service, never both"
    );
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Answer {
        status: parts.status.as_u16(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
        rejection: parts.extensions.get().cloned(),
        reached: reached.pop(),
    }
}

/// Polls once, for tests that go poll by poll.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
