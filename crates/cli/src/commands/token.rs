//! `api-keys token`: what is particular to personal access tokens of users.

use clap::Args;
use tower_api_key::{
    credential::Kind,
    manage::{Issued, NewToken},
    store::{Attributes, Owner},
};

use super::credential::args::{Common, OwnerArgs};
use crate::{database::Backend, failure::Failure, session::Session};

/// The user whose tokens are managed.
#[derive(Args, Clone)]
pub(crate) struct TokenOf {
    /// The user
    #[arg(long, value_name = "USER")]
    user: String,
}

/// What a new token is restricted to. By default it may do what its owner may.
#[derive(Args)]
pub(crate) struct TokenRights {
    /// The only scopes that it may have, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "SCOPE")]
    scopes: Option<Vec<String>>,
    /// The only organizations in which it may act, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ORG")]
    orgs: Option<Vec<String>>,
}

/// The user for whom tokens are imported.
#[derive(Args)]
pub(crate) struct TokenOfImport {
    /// The user for lines that name none
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl From<TokenOfImport> for Option<String> {
    fn from(TokenOfImport { user }: TokenOfImport) -> Self {
        user
    }
}

impl OwnerArgs for TokenOf {
    const KIND: Kind = Kind::PersonalToken;
    const FIELD: &'static str = "user";
    type Rights = TokenRights;
    type OfImport = TokenOfImport;

    fn owner(&self) -> Owner {
        Owner::of(Self::KIND, &self.user)
    }

    async fn issue<S: Backend>(
        session: &Session<S>,
        owner: Owner,
        common: &Common,
        rights: TokenRights,
        attributes: Attributes,
    ) -> Result<Issued, Failure> {
        let mut new = NewToken::named(&common.name)
            .expiring_at(common.expires.0)
            .with_attributes(attributes);
        if let Some(scopes) = rights.scopes {
            new = new.with_scopes(scopes);
        }
        if let Some(orgs) = rights.orgs {
            new = new.with_organizations(orgs);
        }
        if let Some(key) = &common.idempotency_key {
            new = new.with_idempotency_key(key);
        }
        Ok(session
            .manager
            .issue_token(&session.actor(owner), new)
            .await?)
    }
}
