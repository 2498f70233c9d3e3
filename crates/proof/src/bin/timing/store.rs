//! A store with one record, which the next sample chooses, and the service around it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use tower::{Layer, Service};
use tower_api_key::{
    AuthLayer, AuthService, async_trait,
    clock::UnixMillis,
    rejection::JsonResponder,
    secret::{Digest, Pepper},
    store::{CredentialStore, Lookup, Peek, Record, Status, StoreError},
};

/// The token that every sample presents, a test value of the length of a minted one.
pub(crate) const TOKEN: &str = "ak_timing.not-a-real-secret-not-a-real-secret-000000001";

/// What the store has for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The digest of another token, which differs in this byte alone.
    WrongIn(usize),
    /// Nothing.
    Nothing,
    /// The token, which is deleted.
    Deleted,
    /// The token, which has expired.
    Expired,
}

/// A store whose only record changes between samples. It is found without a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    record: Arc<Mutex<Option<Arc<Record>>>>,
    pepper: Option<Arc<Pepper>>,
}

/// Changes one byte, with the same instructions and accesses whichever it is: what prepares a
/// sample must not differ from class to class.
pub(crate) fn spoiled(mut bytes: [u8; 32], at: Option<usize>) -> [u8; 32] {
    let at = at.unwrap_or(bytes.len());
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte ^= u8::from(place == at).wrapping_neg();
    }
    bytes
}

impl Slot {
    /// Creates a store that keeps digests under a pepper.
    pub(crate) fn with_pepper(pepper: Arc<Pepper>) -> Self {
        Self {
            record: Arc::default(),
            pepper: Some(pepper),
        }
    }

    /// Replaces the record. The new one takes the memory of the old one, so that no class has a
    /// place of its own.
    pub(crate) fn put(&self, stored: Stored) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        *record = None;
        *record = self.build(stored).map(Arc::new);
    }

    fn build(&self, stored: Stored) -> Option<Record> {
        let plain = Digest::of(TOKEN.as_bytes());
        let kept = self.pepper.as_ref().map(|pepper| pepper.digest(&plain));
        let at = match stored {
            Stored::WrongIn(at) => Some(at),
            Stored::Nothing | Stored::Deleted | Stored::Expired => None,
        };
        let bytes = spoiled(kept.unwrap_or(plain).to_bytes(), at);
        let record = Record::org_key("timing", Digest::from_bytes(bytes), "org_1")
            .with_pepper(self.pepper.clone());
        match stored {
            Stored::Nothing => None,
            Stored::WrongIn(_) => Some(record),
            Stored::Deleted => Some(record.with_status(Status::Deleted)),
            Stored::Expired => Some(record.expiring_at(UnixMillis(0))),
        }
    }

    fn found(&self) -> Option<Arc<Record>> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.clone()
    }
}

#[async_trait]
impl CredentialStore for Slot {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        self.found().map_or(Peek::NotFound, Peek::Found)
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.pepper.as_deref()
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.found())
    }
}

/// A service that answers at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer;

impl Service<Request<String>> for Answer {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

/// The layer around it.
pub(crate) type Guarded<S> = AuthService<Answer, S, JsonResponder>;

/// Wraps the service.
pub(crate) fn guarded<S: CredentialStore>(store: S) -> Guarded<S> {
    AuthLayer::new(store).layer(Answer)
}

/// Builds the request of a sample.
pub(crate) fn request() -> Request<String> {
    let mut request = Request::new(String::new());
    let value = http::HeaderValue::try_from(format!("Bearer {TOKEN}"));
    if let Ok(value) = value {
        request.headers_mut().insert("authorization", value);
    }
    request
}

/// Sends a request to a service that answers without waiting.
#[inline(never)]
pub(crate) fn send<S: CredentialStore>(
    service: &mut Guarded<S>,
    request: Request<String>,
) -> Response<String> {
    let future = pin!(service.call(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => unreachable!("the store answers at once"),
    }
}
