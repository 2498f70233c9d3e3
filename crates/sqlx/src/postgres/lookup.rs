//! Looking up the credential of a request: one prepared statement.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore, contains_no_nul,
    row::{PgColumns, store_error},
};
use tower_api_key::{
    secret::{Digest, Pepper, Peppers, SaltedDigests},
    store::{CredentialStore, Lookup, LookupKey, Record, StoreError},
};

#[async_trait]
impl CredentialStore for PostgresStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let record = match lookup.key() {
            LookupKey::OrgKey { id } => self.find_key(id).await,
            LookupKey::PersonalToken { digest } => {
                self.find_token(digest, lookup.organization()).await
            }
        };
        Ok(record?.map(Arc::new))
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        self.peppers.as_ref().map(Peppers::current)
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.salted.as_ref()
    }
}

impl PostgresStore {
    async fn find_key(&self, id: &str) -> Result<Option<Record>, StoreError> {
        if !contains_no_nul(id) {
            return Ok(None);
        }
        let row = self
            .fetch(self.statements.find_key.query().bind(id))
            .await?;
        row.map(|row| self.reader().key(&PgColumns(&row), id))
            .transpose()
    }

    async fn find_token(
        &self,
        digest: &Digest,
        organization: Option<&str>,
    ) -> Result<Option<Record>, StoreError> {
        let organization = organization.filter(|id| contains_no_nul(id));
        let query = self.token_query(digest).bind(organization);
        let row = self.fetch(query).await?;
        row.map(|row| self.reader().token(&PgColumns(&row), digest, organization))
            .transpose()
    }

    fn token_query(&self, digest: &Digest) -> Query<'static, Postgres, PgArguments> {
        let bytes = |digest: &Digest| digest.to_bytes().to_vec();
        if self.peppers.is_none() {
            return self.statements.find_token.query().bind(bytes(digest));
        }
        let candidates = self.digests().candidates(digest);
        let candidates: Vec<_> = candidates.iter().map(bytes).collect();
        self.statements.find_peppered_token.query().bind(candidates)
    }

    async fn fetch(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, StoreError> {
        query.fetch_optional(&self.pool).await.map_err(store_error)
    }
}
