//! What the handlers read from the head of a request besides the query.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use tower_api_key::{
    Principal,
    condition::RequestHead,
    manage::{Actor, ManageError},
    store::ManageStore,
};

use crate::{error::Fault, routes::Shared};

/// The caller, whom the layer has authenticated.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) actor: Actor,
    /// Where the request came from, if the service names it.
    pub(crate) origin: Option<String>,
}

impl<S: ManageStore> FromRequestParts<Shared<S>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared<S>) -> Result<Self, Fault> {
        let extracted =
            <Principal as FromRequestParts<Shared<S>>>::from_request_parts(parts, shared);
        let principal = extracted.await?;
        let origin = (shared.origin)(&RequestHead::from(&*parts));
        let actor = Actor::from_principal(&principal);
        let actor = match &origin {
            Some(origin) => actor.with_origin(origin),
            None => actor,
        };
        Ok(Self {
            principal,
            actor,
            origin,
        })
    }
}

/// The id in the path, percent-decoded: its last parameter, as the prefix may have some too.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| Fault::INVALID_PATH)?;
        let last = parameters.iter().last().map(|(_, value)| value.to_owned());
        last.map(Self).ok_or(Fault::NOT_FOUND)
    }
}

/// The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), taken as it is.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

/// The name of the header.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(key), None) => {
                let key = key
                    .to_str()
                    .map_err(|_| ManageError::InvalidIdempotencyKey)?;
                Some(key.to_owned())
            }
            (Some(_), Some(_)) => return Err(Fault::REPEATED_KEY),
        };
        Ok(Self(key))
    }
}
