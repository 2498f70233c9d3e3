//! `api-keys key`: what is particular to keys of organizations.

use clap::Args;
use tower_api_key::{
    credential::Kind,
    manage::{Issued, NewKey},
    store::{Attributes, Owner},
};

use super::credential::args::{Common, OwnerArgs};
use crate::{database::Backend, failure::Failure, session::Session};

/// The organization whose keys are managed.
#[derive(Args, Clone)]
pub(crate) struct KeyOf {
    /// The organization
    #[arg(long, value_name = "ORG")]
    org: String,
}

/// What a new key may do.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct KeyRights {
    /// A role of the catalogue, whose later changes the key follows
    #[arg(long)]
    role: Option<String>,
    /// Scopes, separated by commas; without a role and scopes the key may do nothing
    #[arg(long, value_delimiter = ',', value_name = "SCOPE")]
    scopes: Option<Vec<String>>,
}

/// The organization for whom keys are imported.
#[derive(Args)]
pub(crate) struct KeyOfImport {
    /// The organization for lines that name none
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

impl From<KeyOfImport> for Option<String> {
    fn from(KeyOfImport { org }: KeyOfImport) -> Self {
        org
    }
}

impl OwnerArgs for KeyOf {
    const KIND: Kind = Kind::OrgKey;
    const FIELD: &'static str = "org";
    type Rights = KeyRights;
    type OfImport = KeyOfImport;

    fn owner(&self) -> Owner {
        Owner::of(Self::KIND, &self.org)
    }

    async fn issue<S: Backend>(
        session: &Session<S>,
        owner: Owner,
        common: &Common,
        rights: KeyRights,
        attributes: Attributes,
    ) -> Result<Issued, Failure> {
        let new = NewKey::named(&common.name)
            .expiring_at(common.expires.0)
            .with_attributes(attributes);
        let new = match (rights.role, rights.scopes) {
            (Some(role), _) => new.with_role(&role),
            (None, scopes) => new.with_scopes(scopes.unwrap_or_default()),
        };
        let new = match &common.idempotency_key {
            Some(key) => new.with_idempotency_key(key),
            None => new,
        };
        Ok(session
            .manager
            .issue_key(&session.actor(owner), new)
            .await?)
    }
}
