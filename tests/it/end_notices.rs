//! Headers that tell callers when their credential ends.

use std::{convert::Infallible, time::Duration};

use http::{HeaderName, Request, Response};
use tower::{Layer, ServiceExt as _};
use tower_api_key::{
    AuthLayer, RequireScopesLayer,
    clock::{Clock, UnixMillis},
    credential::Kind,
    manage::{Actor, Manager, NewKey, Rotation},
    store::{Directory as _, ManageStore as _, MemoryStore, Owner},
    testing::ManualClock,
};

use crate::support::{
    KEY, ORG, ask, bearer, key, key_record, memory, now,
    remote_store::{Behaviour, RemoteStore},
    request,
};

/// 2026-01-01.
const END: i64 = 1_767_225_600_000;
const DAY: i64 = 24 * 60 * 60 * 1000;
const EXPIRES: &str = "acme-key-expires";
const REPLACED: &str = "acme-key-replaced";

/// Tells what can be told, within a day before the end.
fn telling<S>(store: S, clock: impl Clock) -> AuthLayer<S> {
    let day = Duration::from_millis(DAY.unsigned_abs());
    AuthLayer::new(store)
        .with_clock(clock)
        .with_expiry_header(HeaderName::from_static(EXPIRES), day)
        .with_rotation_header(HeaderName::from_static(REPLACED))
}

/// A store with the key `ending`, which expires at [`END`].
fn store() -> MemoryStore {
    let store = memory();
    let record = key_record("ending", ORG).expiring_at(UnixMillis(END));
    now(store.insert(record)).unwrap();
    store
}

const DATE: Option<&str> = Some("@1767225600");

#[tokio::test]
async fn a_caller_is_told_in_time_whether_the_store_answers_at_once_or_later() {
    let clock = ManualClock::at(UnixMillis(0));
    let at_once = telling(store(), clock.clone());
    let later = telling(RemoteStore::new(store(), Behaviour::Answers), clock.clone());
    for (at, told) in [(END - DAY - 1, None), (END - DAY, DATE), (END - 1, DATE)] {
        clock.advance_millis(at - clock.now().0);
        for answer in [
            ask(&at_once, bearer(key("ending"))).await,
            ask(&later, bearer(key("ending"))).await,
        ] {
            assert_eq!((answer.status, answer.header(EXPIRES)), (200, told), "{at}");
            assert_eq!(answer.header(REPLACED), None);
        }
    }
    let unlimited = ask(&at_once, bearer(KEY)).await;
    assert_eq!((unlimited.status, unlimited.header(EXPIRES)), (200, None));
}

#[tokio::test]
async fn nothing_is_told_to_a_caller_that_is_refused() {
    let clock = ManualClock::at(UnixMillis(END));
    let auth = telling(store(), clock.clone());
    let plain = AuthLayer::new(store()).with_clock(clock);
    for request in [
        || request(),
        || bearer(key("ending")), // it has expired
        || bearer(key("unknown")),
    ] {
        let answer = ask(&auth, request()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.wire(), ask(&plain, request()).await.wire());
    }
}

#[tokio::test]
async fn by_default_no_caller_is_told() {
    let auth = AuthLayer::new(store()).with_clock(ManualClock::at(UnixMillis(END - 1)));
    let answer = ask(&auth, bearer(key("ending"))).await;
    assert_eq!((answer.status, &answer.headers[..]), (200, &[][..]));
}

/// The inner layer's 403 is a response to an accepted request; an inner field of the same name
/// gives way, and what else is added stays.
#[tokio::test]
async fn every_response_to_an_accepted_request_tells() {
    let inner = tower::service_fn(async |_: Request<String>| {
        let response = Response::builder().header(EXPIRES, "never");
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    let auth = telling(store(), ManualClock::at(UnixMillis(END - 1))).optional();
    let response = auth
        .layer(inner)
        .oneshot(bearer(key("ending")))
        .await
        .unwrap();
    let values: Vec<_> = response.headers().get_all(EXPIRES).iter().collect();
    assert_eq!(values, [DATE.unwrap()]);
    assert_eq!(response.headers()["vary"], "Authorization, X-Anyreach-Org");

    let scoped = RequireScopesLayer::any(["agents:manage"]).unwrap();
    let response = auth
        .layer(scoped.layer(inner))
        .oneshot(bearer(key("ending")))
        .await
        .unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()[EXPIRES], DATE.unwrap());
}

#[tokio::test]
async fn whoever_uses_a_rotated_key_is_told_the_end_of_the_overlap() {
    let store = MemoryStore::new();
    store.create_organization(ORG, None).await.unwrap();
    let clock = ManualClock::at(UnixMillis(END - 3 * DAY));
    let manager = Manager::new(store.clone()).with_clock(clock.clone());
    let operator = Actor::operator("test", Owner::of(Kind::OrgKey, ORG));
    let new = NewKey::named("ci").with_role("viewer");
    let old = manager.issue_key(&operator, new).await.unwrap();
    let id = old.info().id.clone();
    let old = old.into_secret().unwrap().expose_secret().to_owned();
    let auth = telling(store, clock.clone());
    let answer = ask(&auth, bearer(&old)).await;
    assert_eq!((answer.status, answer.header(REPLACED)), (200, None));

    let three_days = Rotation::default().with_overlap(Duration::from_millis(3 * 86_400_000));
    let new = manager
        .rotate(&operator, Kind::OrgKey, id.as_str(), three_days)
        .await
        .unwrap();
    let new = new.into_secret().unwrap().expose_secret().to_owned();
    let answer = ask(&auth, bearer(&old)).await;
    assert_eq!((answer.status, answer.header(REPLACED)), (200, DATE));
    assert_eq!(answer.header(EXPIRES), None, "three days are left");
    clock.advance_millis(2 * DAY);
    let answer = ask(&auth, bearer(&old)).await;
    assert_eq!(answer.header(EXPIRES), DATE);
    let answer = ask(&auth, bearer(&new)).await;
    assert_eq!((answer.status, answer.header(REPLACED)), (200, None));
}
