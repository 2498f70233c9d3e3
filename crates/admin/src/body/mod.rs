//! Bodies of requests. Each names its members; others are refused.

mod change;
mod issue;
mod object;
mod pairs;

use axum::{
    Json,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

pub(crate) use change::{EditBody, RevokeBody, RotateBody};
pub(crate) use issue::{Issue, NewKeyBody, NewTokenBody};

pub(crate) use pairs::Pairs;

use object::Object;

use crate::error::Fault;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let Json(Object(body)) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}
