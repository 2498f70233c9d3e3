//! Query parameters. Which there are is fixed, except for the key in `metadata[key]`.

use std::fmt::Display;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use tower_api_key::{
    clock::UnixMillis,
    manage::{MAX_PAGE, PageCursor},
    store::{EffectiveStatus, Filter, Metadata},
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
            .with_expiring_before(parameters.integer("expires_before")?.map(UnixMillis))
            .with_unused_since(parameters.integer("unused_since")?.map(UnixMillis));
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
            before: parameters.integer("before")?,
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
            (Some((one, _)), Some((other, _))) => Err(match one == other {
                true => invalid(&one, "it is there more than once"),
                false => invalid(&other, format!("there is {one:?} already")),
            }),
            (found, _) => Ok(found),
        }
    }

    fn take(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let found = self.take_if(|other| other == name)?;
        Ok(found.map(|(_, value)| value))
    }

    fn integer(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let value = self.take(name)?.map(|value| value.parse());
        let value = value.transpose();
        value.map_err(|_| invalid(name, "use an integer of at most 64 bits"))
    }

    /// Removes the page size.
    fn take_limit(&mut self) -> Result<u32, Fault> {
        let Some(limit) = self.take("limit")? else {
            return Ok(DEFAULT_LIMIT);
        };
        let limit = limit.parse().ok();
        limit
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| invalid("limit", format!("use 1 to {MAX_PAGE}")))
    }

    /// Removes the pair of metadata that the list is limited to, `metadata[key]=value`. The store
    /// filters by one.
    fn take_metadata(&mut self) -> Result<Option<(String, String)>, Fault> {
        let found = self.take_if(|name| metadata_key(name).is_some())?;
        let found = found.and_then(|(name, value)| Some((metadata_key(&name)?.to_owned(), value)));
        if let Some((key, value)) = &found {
            let pair = Metadata::new([(key.as_str(), value.as_str())]);
            let _ = pair.map_err(|error| invalid("metadata", error))?;
        }
        Ok(found)
    }

    /// Refuses a parameter that the endpoint does not have.
    fn finish(self) -> Result<(), Fault> {
        match self.0.first() {
            Some((name, _)) => Err(invalid(name, "this endpoint has no such parameter")),
            None => Ok(()),
        }
    }
}
