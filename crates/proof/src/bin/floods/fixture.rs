//! A store with a few keys, requests, and the service behind the layer.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{HeaderValue, Request, Response};
use tower_api_key::{
    Rejection,
    secret::Digest,
    store::{Directory, ManageStore, MemoryStore, Record},
};

/// Returns the token of the key `id`, as long as a minted one if the id has 11 characters.
pub(crate) fn key(id: &str) -> String {
    format!("ak_{id}.{:x<40}", "testsecret")
}

/// Returns the ids of `count` keys of 11 characters.
pub(crate) fn ids(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("good{number:0>7}"))
        .collect()
}

/// Returns a store with these keys.
pub(crate) fn memory(ids: &[String]) -> MemoryStore {
    let store = MemoryStore::new();
    now(store.create_organization("org_test", None)).unwrap();
    for id in ids {
        let record = Record::org_key(id.as_str(), Digest::of(key(id).as_bytes()), "org_test");
        now(store.insert(record.with_role("viewer", store.catalogue()).unwrap())).unwrap();
    }
    store
}

/// Returns the output of a future that is ready at the first poll, like those of a memory store.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is pending"),
    }
}

/// A request with a credential, whose bytes must be legal in a header.
pub(crate) fn bearing(token: &[u8]) -> Request<String> {
    let mut request = Request::new(String::new());
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

/// The service that must not be reached without a credential.
pub(crate) fn reached(_: Request<String>) -> Ready<Result<Response<String>, Infallible>> {
    ready(Ok(Response::new("reached".to_owned())))
}

/// Returns the code of a refusal's cause; `accepted` if there is none.
pub(crate) fn cause<B>(response: &Response<B>) -> &'static str {
    let rejection = response.extensions().get::<Rejection>();
    rejection.map_or("accepted", |rejection| rejection.cause().code())
}
