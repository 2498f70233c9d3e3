//! Requests to issue a key or a token.

use std::future::Future;

use serde::{Deserialize, de::DeserializeOwned};
use tower_api_key::{
    Principal,
    clock::UnixMillis,
    manage::{Issued, Manager, NewKey, NewToken},
    store::{Attributes, Conditions, InvalidNetwork, ManageStore, Network, Restrictions},
};
use utoipa::ToSchema;

use super::pairs::Pairs;
use crate::{caller::Caller, error::Fault};

/// A body that asks for a credential.
pub(crate) trait Issue: DeserializeOwned + Send + 'static {
    /// Issues it.
    fn issue<S: ManageStore>(
        self,
        manager: &Manager<S>,
        caller: &Caller,
        idempotency_key: Option<String>,
    ) -> impl Future<Output = Result<Issued, Fault>> + Send;
}

/// An organization key to issue. It may do at most what its creator may.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrganizationKey)]
pub(crate) struct NewKeyBody {
    /// Shown in lists.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Milliseconds since 1970-01-01T00:00:00Z; `null` or absent: never.
    expires_at: Option<i64>,
    /// What it is for.
    #[schema(min_length = 1, max_length = 500)]
    description: Option<String>,
    /// Pairs of the owner's own.
    metadata: Option<Pairs>,
    /// Its role; not together with `scopes`. Without either: the creator's role, or a copy of the
    /// creator's scopes if they do not come from a role alone.
    role: Option<String>,
    /// Its scopes; not together with `role`.
    scopes: Option<Vec<String>>,
    /// The only networks (CIDR) from which it is accepted; `null` or absent: those of the creator's
    /// credential.
    allowed_networks: Option<Vec<String>>,
    /// The only environment in which it is accepted; `null` or absent: that of the creator's
    /// credential.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    environment: Option<String>,
}

impl Issue for NewKeyBody {
    async fn issue<S: ManageStore>(
        self,
        manager: &Manager<S>,
        caller: &Caller,
        idempotency_key: Option<String>,
    ) -> Result<Issued, Fault> {
        let principal = &caller.principal;
        let conditions = conditions(principal, self.allowed_networks, self.environment)?;
        let attributes = attributes(self.description, self.metadata, conditions)?;
        let new = NewKey::named(&self.name)
            .expiring_at(self.expires_at.map(UnixMillis))
            .with_attributes(attributes);
        let new = match (self.role, self.scopes, principal.role()) {
            (Some(_), Some(_), _) => {
                return Err(Fault::invalid_body("use `role` or `scopes`, not both"));
            }
            (Some(role), None, _) => new.with_role(&role),
            (None, Some(scopes), _) => new.with_scopes(scopes),
            (None, None, Some(role)) => new.with_role(role),
            (None, None, None) => new.with_scopes(principal.scopes().iter()),
        };
        let new = match idempotency_key {
            Some(key) => new.with_idempotency_key(&key),
            None => new,
        };
        Ok(manager.issue_key(&caller.actor, new).await?)
    }
}

/// A personal token to issue. It may do what its owner may, unless it is restricted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPersonalToken)]
pub(crate) struct NewTokenBody {
    /// Shown in lists.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Milliseconds since 1970-01-01T00:00:00Z; `null` or absent: never.
    expires_at: Option<i64>,
    /// What it is for.
    #[schema(min_length = 1, max_length = 500)]
    description: Option<String>,
    /// Pairs of the owner's own.
    metadata: Option<Pairs>,
    /// The only scopes that it may have; `null` or absent: those of the token that creates it.
    scopes: Option<Vec<String>>,
    /// The only organizations in which it may act; `null` or absent: those of the token that
    /// creates it.
    #[schema(max_items = 100)]
    organizations: Option<Vec<String>>,
    /// The only networks (CIDR) from which it is accepted; `null` or absent: those of the token
    /// that creates it.
    allowed_networks: Option<Vec<String>>,
    /// The only environment in which it is accepted; `null` or absent: that of the token that
    /// creates it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    environment: Option<String>,
}

impl Issue for NewTokenBody {
    async fn issue<S: ManageStore>(
        self,
        manager: &Manager<S>,
        caller: &Caller,
        idempotency_key: Option<String>,
    ) -> Result<Issued, Fault> {
        let principal = &caller.principal;
        let conditions = conditions(principal, self.allowed_networks, self.environment)?;
        let attributes = attributes(self.description, self.metadata, conditions)?;
        let mut new = NewToken::named(&self.name)
            .expiring_at(self.expires_at.map(UnixMillis))
            .with_attributes(attributes);
        let own = principal.restrictions();
        if let Some(scopes) = self.scopes {
            new = new.with_scopes(scopes);
        } else if let Some(scopes) = own.and_then(Restrictions::scopes) {
            new = new.with_scopes(scopes.iter());
        }
        if let Some(organizations) = self.organizations {
            new = new.with_organizations(organizations);
        } else if let Some(organizations) = own.and_then(Restrictions::organizations) {
            new = new.with_organizations(organizations);
        }
        if let Some(key) = idempotency_key {
            new = new.with_idempotency_key(&key);
        }
        Ok(manager.issue_token(&caller.actor, new).await?)
    }
}

fn attributes(
    description: Option<String>,
    metadata: Option<Pairs>,
    conditions: Conditions,
) -> Result<Attributes, Fault> {
    let mut attributes = Attributes::default().with_conditions(conditions);
    if let Some(description) = description {
        attributes = attributes.with_description(description);
    }
    if let Some(pairs) = metadata {
        attributes = attributes.with_metadata(pairs.metadata()?);
    }
    Ok(attributes)
}

/// Returns the conditions of a new credential: those that are named, else the creator's own.
fn conditions(
    creator: &Principal,
    networks: Option<Vec<String>>,
    environment: Option<String>,
) -> Result<Conditions, InvalidNetwork> {
    let own = creator.attributes().map(|own| own.conditions.clone());
    let mut conditions = own.unwrap_or_default();
    if let Some(named) = networks {
        conditions = conditions.with_networks(parse_networks(&named)?);
    }
    if let Some(named) = environment {
        conditions = conditions.with_environment(named);
    }
    Ok(conditions)
}

/// Parses networks in CIDR notation.
pub(super) fn parse_networks(texts: &[String]) -> Result<Vec<Network>, InvalidNetwork> {
    texts.iter().map(|text| text.parse()).collect()
}
