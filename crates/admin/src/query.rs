//! Query parameters. Which there are is fixed, except for the key in `metadata[key]`.

use std::{fmt::Display, str::FromStr};

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use tower_api_key::{
    clock::UnixMillis,
    manage::{MAX_PAGE, PageCursor},
    store::{EffectiveStatus, Filter},
};

use crate::error::Fault;

/// Page size, if the query does not name one.
pub(crate) const DEFAULT_LIMIT: u32 = 50;

/// Every state, in the order in which an error lists them.
pub(crate) const STATES: [EffectiveStatus; 4] = [
    EffectiveStatus::Active,
    EffectiveStatus::Disabled,
    EffectiveStatus::Expired,
    EffectiveStatus::Deleted,
];

/// Which credentials to list.
pub(crate) struct Listing {
    pub(crate) filter: Filter,
    pub(crate) cursor: Option<PageCursor>,
    pub(crate) limit: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let mut parameters = Parameters::from_request_parts(parts, state).await?;
        let state = parameters.take("state")?.map(|word| parse_state(&word));
        let mut filter = Filter::default()
            .with_state(state.transpose()?)
            .with_expiring_before(parameters.parse("expires_before")?.map(UnixMillis))
            .with_unused_since(parameters.parse("unused_since")?.map(UnixMillis));
        if let Some(text) = parameters.take("name")? {
            filter = filter.with_name(text);
        }
        if let Some((key, value)) = parameters.take_metadata()? {
            filter = filter.with_metadata(key, value);
        }
        let cursor = parameters.take("cursor")?.map(|text| text.parse());
        let listing = Self {
            filter,
            cursor: cursor.transpose()?,
            limit: parameters.take_limit()?,
        };
        parameters.finish()?;
        Ok(listing)
    }
}

/// Which events to list.
pub(crate) struct EventListing {
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for EventListing {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let mut parameters = Parameters::from_request_parts(parts, state).await?;
        let listing = Self {
            before: parameters.parse("before")?,
            limit: parameters.take_limit()?,
        };
        parameters.finish()?;
        Ok(listing)
    }
}

fn parse_state(word: &str) -> Result<EffectiveStatus, Fault> {
    let found = STATES.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        let words = STATES.map(EffectiveStatus::as_str).join(", ");
        invalid("state", format!("{word:?} is not one of {words}"))
    })
}

fn invalid(name: &str, why: impl Display) -> Fault {
    Fault::invalid_query(format!("query parameter {name:?}: {why}"))
}

/// Returns the key in a parameter's name, as OpenAPI's style `deepObject` writes it.
fn metadata_key(name: &str) -> Option<&str> {
    name.strip_prefix("metadata[")?.strip_suffix(']')
}

/// The parameters of a query that are not read yet.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    async fn from_request_parts<S: Send + Sync>(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Self, Fault> {
        let Query(pairs) = Query::from_request_parts(parts, state).await?;
        Ok(Self(pairs))
    }

    /// Removes the parameter that `named` accepts; more than one is an error.
    fn take_if(&mut self, named: impl Fn(&str) -> bool) -> Result<Option<(String, String)>, Fault> {
        let mut found = self.0.extract_if(.., |(name, _)| named(name));
        match (found.next(), found.next()) {
            (Some(_), Some((name, _))) => Err(invalid(&name, "it is there more than once")),
            (found, _) => Ok(found),
        }
    }

    fn take(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let found = self.take_if(|other| other == name)?;
        Ok(found.map(|(_, value)| value))
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let value = self.take(name)?.map(|value| value.parse());
        value.transpose().map_err(|error| invalid(name, error))
    }

    /// Removes the page size.
    fn take_limit(&mut self) -> Result<u32, Fault> {
        let limit = self.parse("limit")?.unwrap_or(DEFAULT_LIMIT);
        match limit {
            1..=MAX_PAGE => Ok(limit),
            _ => Err(invalid("limit", format!("use 1 to {MAX_PAGE}"))),
        }
    }

    /// Removes the pair of metadata that the list is limited to, `metadata[key]=value`. The store
    /// filters by one.
    fn take_metadata(&mut self) -> Result<Option<(String, String)>, Fault> {
        let found = self.take_if(|name| metadata_key(name).is_some())?;
        Ok(found.and_then(|(name, value)| Some((metadata_key(&name)?.to_owned(), value))))
    }

    /// Refuses a parameter that the endpoint does not have.
    fn finish(self) -> Result<(), Fault> {
        match self.0.first() {
            Some((name, _)) => Err(invalid(name, "this endpoint has no such parameter")),
            None => Ok(()),
        }
    }
}
