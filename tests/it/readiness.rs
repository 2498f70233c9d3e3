//! Tower's contract, poll by poll: when services are called, whose readiness is used, and when it
//! is released.

use crate::support;

use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use http::{Request, Response};
use support::{
    KEY, bearer, key, memory, poll_once,
    remote_store::{Behaviour, RemoteStore},
};
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt as _, buffer::Buffer, limit::ConcurrencyLimit};
use tower_api_key::{
    AuthLayer, AuthService, CredentialStore, Rejection, async_trait,
    rejection::JsonResponder,
    store::{Lookup, MemoryStore, Peek, Record, StoreError},
};
use tower_test::mock::{self, Handle, Mock, Spawn};

type Req = Request<String>;
type Res = Response<String>;
type Limited = ConcurrencyLimit<Mock<Req, Res>>;
/// An auth service in front of a mock, with a [`RemoteStore`].
type SpawnedRemote = Spawned<Mock<Req, Res>, Arc<RemoteStore>>;
type Spawned<Inner, S> = Spawn<AuthService<Inner, S, JsonResponder>>;

const BAD: &str = "ak_testkey.test-wrong";

fn ready<T, S>(service: &mut Spawned<T, S>) -> Poll<Result<(), T::Error>>
where
    T: Service<Req, Response = Res> + Clone,
    S: CredentialStore,
{
    service.poll_ready::<Req>()
}

/// An auth service in front of a mock, and its store.
fn waiting(behaviour: Behaviour) -> (Arc<RemoteStore>, SpawnedRemote, Handle<Req, Res>) {
    let store = RemoteStore::new(memory(), behaviour);
    let (service, handle) = mock::spawn_layer(AuthLayer::new(Arc::clone(&store)));
    (store, service, handle)
}

/// Two clones of an auth service in front of a service that is ready for one of them at a time.
fn two_for_one<S: CredentialStore>(store: S) -> ([Spawned<Limited, S>; 2], Handle<Req, Res>) {
    let (mock, handle) = mock::pair();
    let service = AuthLayer::new(store).layer(ConcurrencyLimit::new(mock, 1));
    let other = Spawn::new(service.clone());
    ([Spawn::new(service), other], handle)
}

#[tokio::test]
async fn the_inner_service_is_not_called_before_the_verdict() {
    let (store, mut service, mut inner) = waiting(Behaviour::Held);
    assert!(ready(&mut service).is_ready());
    let mut response = pin!(service.call(bearer(KEY)));
    assert!(inner.poll_request().is_pending(), "not by `call`");
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(
        inner.poll_request().is_pending(),
        "not while the store is queried"
    );
    assert_eq!(store.calls(), 1);
    store.release();
    assert!(poll_once(response.as_mut()).is_pending());
    let Poll::Ready(Some((request, answer))) = inner.poll_request() else {
        panic!("called after the verdict")
    };
    assert_eq!(request.headers()["authorization"], format!("Bearer {KEY}"));
    answer.send_response(Response::new("answer".to_owned()));
    assert_eq!(response.await.unwrap().into_body(), "answer");
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn a_future_does_nothing_until_it_is_polled() {
    let (store, mut service, _inner) = waiting(Behaviour::Answers);
    assert!(ready(&mut service).is_ready());
    drop(service.call(bearer(KEY)));
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service() {
    let credentials = [
        BAD,
        "x",
        "pat_",
        "pat_test-token",
        "ak_unknown.test",
        "ak_deleted.test-secret",
    ];
    let (_store, mut waits, mut behind_waits) = waiting(Behaviour::Answers);
    let (mut at_once, mut behind_at_once) =
        mock::spawn_layer::<Req, Res, _>(AuthLayer::new(memory()));
    for credential in credentials {
        assert!(ready(&mut waits).is_ready() && ready(&mut at_once).is_ready());
        // Polled once and not awaited: a call of the mock would never be answered.
        for mut response in [
            Box::pin(waits.call(bearer(credential))),
            Box::pin(at_once.call(bearer(credential))),
        ] {
            let Poll::Ready(Ok(refusal)) = poll_once(response.as_mut()) else {
                panic!("{credential}: no refusal")
            };
            assert!(
                refusal.extensions().get::<Rejection>().is_some(),
                "{credential}"
            );
        }
        assert!(behind_waits.poll_request().is_pending(), "{credential}");
        assert!(behind_at_once.poll_request().is_pending(), "{credential}");
    }
}

#[tokio::test]
async fn readiness_is_released_while_the_store_is_queried() {
    for behaviour in [Behaviour::Held, Behaviour::Hangs] {
        let ([mut one, mut other], mut inner) = two_for_one(RemoteStore::new(memory(), behaviour));
        assert!(ready(&mut one).is_ready());
        assert!(ready(&mut other).is_pending());
        let mut response = Box::pin(one.call(bearer(KEY)));
        assert!(other.is_woken(), "{behaviour:?}: released by `call`");
        assert!(ready(&mut other).is_ready(), "{behaviour:?}");
        assert!(
            ready(&mut one).is_pending(),
            "{behaviour:?}: the remaining clone is not ready"
        );
        assert!(poll_once(response.as_mut()).is_pending());
        assert!(inner.poll_request().is_pending());
    }
}

#[tokio::test]
async fn an_accepted_request_waits_for_the_inner_service_to_be_ready_again() {
    let store = RemoteStore::new(memory(), Behaviour::Held);
    let ([mut one, mut other], mut inner) = two_for_one(Arc::clone(&store));
    assert!(ready(&mut one).is_ready());
    let mut response = Box::pin(one.call(bearer(KEY)));
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(
        ready(&mut other).is_ready(),
        "another caller takes the only permit"
    );
    store.release();
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(
        inner.poll_request().is_pending(),
        "accepted but not called: the mock would panic"
    );
    drop(other);
    assert!(poll_once(response.as_mut()).is_pending());
    let Poll::Ready(Some((_, answer))) = inner.poll_request() else {
        panic!("called once a permit is free")
    };
    answer.send_response(Response::default());
    assert!(matches!(poll_once(response.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(store.calls(), 1, "the store is not queried again");
    drop(response);
    assert!(ready(&mut one).is_ready());
}

#[tokio::test]
async fn a_cancelled_accepted_request_frees_its_permit() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let ([mut one, mut other], mut inner) = two_for_one(Arc::clone(&store));
    assert!(ready(&mut one).is_ready());
    let mut response = Box::pin(one.call(bearer(KEY)));
    assert!(ready(&mut other).is_ready());
    assert!(poll_once(response.as_mut()).is_pending());
    drop((response, other));
    assert!(ready(&mut one).is_ready());
    assert!(inner.poll_request().is_pending());
}

#[tokio::test]
async fn a_readiness_error_after_the_verdict_is_passed_on() {
    let store = RemoteStore::new(memory(), Behaviour::Held);
    let (mut service, mut inner) =
        mock::spawn_layer::<Req, Res, _>(AuthLayer::new(Arc::clone(&store)));
    assert!(ready(&mut service).is_ready());
    let mut response = Box::pin(service.call(bearer(KEY)));
    assert!(poll_once(response.as_mut()).is_pending());
    inner.send_error("test: service broke");
    assert!(
        poll_once(response.as_mut()).is_pending(),
        "the verdict comes first"
    );
    store.release();
    let Poll::Ready(Err(error)) = poll_once(response.as_mut()) else {
        panic!("the service is broken")
    };
    assert_eq!(error.to_string(), "test: service broke");
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_inner_service() {
    let store = RemoteStore::new(memory(), Behaviour::Held);
    let ([mut one, mut other], _inner) = two_for_one(Arc::clone(&store));
    assert!(ready(&mut one).is_ready());
    let mut refused = Box::pin(one.call(bearer(BAD)));
    assert!(poll_once(refused.as_mut()).is_pending());
    assert!(ready(&mut other).is_ready());
    store.release();
    let Poll::Ready(Ok(refusal)) = poll_once(refused.as_mut()) else {
        panic!("refused")
    };
    assert_eq!(refusal.status(), 401);
}

#[tokio::test]
async fn unauthenticated_requests_take_no_permits_from_accepted_ones() {
    let store = PartlyCached::default();
    let (mock, mut inner) = mock::pair::<Req, Res>();
    let service = AuthLayer::new(store).layer(ConcurrencyLimit::new(mock, 8));
    let mut unauthenticated = Vec::new();
    for _ in 0..100 {
        let mut service = Spawn::new(service.clone());
        assert!(ready(&mut service).is_ready());
        let mut response = Box::pin(service.call(bearer(key("unknown"))));
        assert!(poll_once(response.as_mut()).is_pending());
        unauthenticated.push(response);
    }
    let mut known = Vec::new();
    for _ in 0..8 {
        let mut service = Spawn::new(service.clone());
        assert!(ready(&mut service).is_ready());
        known.push(service.call(bearer(KEY)));
        assert!(inner.poll_request().is_ready());
    }
}

#[tokio::test]
async fn an_inner_buffer_is_reserved_for_accepted_requests() {
    let store = RemoteStore::new(memory(), Behaviour::Hangs);
    let (mock, mut inner) = mock::pair::<Req, Res>();
    let (buffer, worker) = Buffer::pair(mock, 1);
    let _worker = tokio::spawn(worker);
    let service = AuthLayer::new(Arc::clone(&store)).layer(buffer.clone());
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut service = Spawn::new(service.clone());
        assert!(ready(&mut service).is_ready());
        let mut response = Box::pin(service.call(bearer(KEY)));
        assert!(poll_once(response.as_mut()).is_pending());
        waiting.push(response);
    }
    let mut known = AuthLayer::new(memory()).layer(buffer);
    let response = tokio::spawn(known.ready().await.unwrap().call(bearer(KEY)));
    let (_, answer) = inner.next_request().await.unwrap();
    answer.send_response(Response::default());
    assert_eq!(response.await.unwrap().unwrap().status(), 200);
}

/// Knows [`KEY`] at once and never answers other lookups, like a cache in front of a hanging store.
#[derive(Debug)]
struct PartlyCached(MemoryStore);

impl Default for PartlyCached {
    fn default() -> Self {
        Self(memory())
    }
}

#[async_trait]
impl CredentialStore for PartlyCached {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        match self.0.peek(lookup) {
            Peek::NotFound => Peek::Unknown,
            known => known,
        }
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn an_immediate_refusal_releases_readiness_at_once() {
    let ([mut one, mut other], _inner) = two_for_one(memory());
    for credential in [BAD, "x", "pat_test-token"] {
        assert!(ready(&mut one).is_ready());
        assert!(ready(&mut other).is_pending());
        let refused = one.call(bearer(credential));
        assert!(
            other.is_woken(),
            "{credential}: released before the answer is delivered"
        );
        assert!(ready(&mut other).is_ready(), "{credential}");
        refused.await.unwrap();
        drop(other);
        other = one.clone();
    }
}

#[tokio::test]
async fn a_cancelled_request_drops_its_lookup() {
    let store = RemoteStore::new(memory(), Behaviour::Hangs);
    let ([mut one, mut other], mut inner) = two_for_one(Arc::clone(&store));
    assert!(ready(&mut one).is_ready());
    let mut response = Box::pin(one.call(bearer(KEY)));
    assert!(poll_once(response.as_mut()).is_pending());
    assert_eq!((store.calls(), store.abandoned()), (1, 0));
    drop(response);
    assert_eq!(store.abandoned(), 1, "the lookup is dropped");
    assert!(ready(&mut other).is_ready());
    assert!(inner.poll_request().is_pending());
}

#[tokio::test]
async fn an_immediate_accept_uses_the_polled_readiness() {
    let ([mut one, mut other], mut inner) = two_for_one(memory());
    assert!(ready(&mut one).is_ready());
    let mut response = Box::pin(one.call(bearer(KEY)));
    let Poll::Ready(Some((_, answer))) = inner.poll_request() else {
        panic!("called by `call` itself")
    };
    assert!(ready(&mut other).is_pending());
    answer.send_response(Response::default());
    assert!(poll_once(response.as_mut()).is_ready());
    drop(response);
    assert!(ready(&mut other).is_ready());
}

#[tokio::test]
async fn an_unready_inner_service_makes_callers_wait() {
    let (_store, mut service, mut inner) = waiting(Behaviour::Answers);
    inner.allow(0);
    assert!(ready(&mut service).is_pending());
    inner.allow(1);
    assert!(service.is_woken() && ready(&mut service).is_ready());
}

#[tokio::test]
async fn inner_service_errors_are_passed_on_unchanged() {
    let (_store, mut waits, mut behind_waits) = waiting(Behaviour::Answers);
    behind_waits.send_error("test: not ready");
    let Poll::Ready(Err(error)) = ready(&mut waits) else {
        panic!("an error while becoming ready")
    };
    assert_eq!(error.to_string(), "test: not ready");
    let (mut at_once, mut behind_at_once) =
        mock::spawn_layer::<Req, Res, _>(AuthLayer::new(memory()));
    assert!(ready(&mut waits).is_ready() && ready(&mut at_once).is_ready());
    let mut responses = [
        Box::pin(waits.call(bearer(KEY))),
        Box::pin(at_once.call(bearer(KEY))),
    ];
    for (response, inner) in responses
        .iter_mut()
        .zip([&mut behind_waits, &mut behind_at_once])
    {
        assert!(poll_once(response.as_mut()).is_pending());
        let Poll::Ready(Some((_, answer))) = inner.poll_request() else {
            panic!("called")
        };
        answer.send_error("test: broken");
        assert_eq!(response.await.unwrap_err().to_string(), "test: broken");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_is_an_outage_exactly_at_the_deadline() {
    for deadline in [
        Duration::from_secs(1),
        Duration::from_millis(30),
        Duration::from_secs(60),
    ] {
        let store = RemoteStore::new(memory(), Behaviour::Hangs);
        let (mut service, mut inner) = mock::spawn_layer::<Req, Res, _>(
            AuthLayer::new(Arc::clone(&store)).with_deadline(deadline),
        );
        assert!(ready(&mut service).is_ready());
        let started = Instant::now();
        let mut response = pin!(service.call(bearer(KEY)));
        assert!(poll_once(response.as_mut()).is_pending());
        advance(deadline - Duration::from_millis(1)).await;
        assert!(
            poll_once(response.as_mut()).is_pending(),
            "a millisecond before {deadline:?}"
        );
        advance(Duration::from_millis(1)).await;
        let Poll::Ready(Ok(response)) = poll_once(response.as_mut()) else {
            panic!("after {deadline:?}")
        };
        assert_eq!(started.elapsed(), deadline);
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["retry-after"]
            ),
            (503, &"1".parse().unwrap())
        );
        assert_eq!(store.abandoned(), 1, "the lookup is dropped");
        assert!(inner.poll_request().is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_deadline_is_one_second() {
    let (_store, mut service, _inner) = waiting(Behaviour::Hangs);
    assert!(ready(&mut service).is_ready());
    let started = Instant::now();
    assert_eq!(service.call(bearer(KEY)).await.unwrap().status(), 503);
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn a_service_keeps_working_after_a_store_panic() {
    let (store, mut service, mut inner) = waiting(Behaviour::Panics);
    assert!(ready(&mut service).is_ready());
    assert_eq!(service.call(bearer(KEY)).await.unwrap().status(), 503);
    store.set_behaviour(Behaviour::Answers);
    assert!(ready(&mut service).is_ready());
    let mut response = pin!(service.call(bearer(KEY)));
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(inner.poll_request().is_ready());
}

#[tokio::test]
async fn interleaved_requests_get_their_own_verdicts() {
    let (store, mut service, mut inner) = waiting(Behaviour::Held);
    let mut call = |token: &str| {
        assert!(ready(&mut service).is_ready());
        Box::pin(service.call(bearer(token)))
    };
    let (mut good, mut bad) = (call(KEY), call(&key("unknown")));
    assert!(poll_once(good.as_mut()).is_pending());
    assert!(poll_once(bad.as_mut()).is_pending());
    store.release();
    assert!(poll_once(good.as_mut()).is_pending());
    assert!(inner.poll_request().is_ready());
    store.release();
    let Poll::Ready(Ok(refusal)) = poll_once(bad.as_mut()) else {
        panic!("decided")
    };
    assert_eq!(refusal.status(), 401);
    assert!(inner.poll_request().is_pending());
}
