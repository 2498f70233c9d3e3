//! What management asks: questions in `read`, changes in `write`, what was used in `uses`, the audit trail in `events`.
//!
//! Every statement names its owner, so that another owner's credential is no row of it.

mod events;
mod read;
mod rehash;
mod uses;
mod write;

use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    credential::Kind,
    manage::{CredentialInfo, Event, Owner},
    principal::Catalogue,
    secret::Digest,
    store::{Commit, ListQuery, ManagedStore, StoreError, Use, WriteError},
};

/// A statement in two forms: about keys of an organization, and about tokens of a person.
struct ByOwner {
    organization: &'static str,
    user: &'static str,
}

impl ByOwner {
    fn of(&self, owner: &Owner) -> &'static str {
        match owner {
            Owner::Organization(_) => self.organization,
            Owner::User(_) => self.user,
        }
    }
}

/// Puts the owner, who is `?1`, between the two parts of a statement about the credentials `c`.
///
/// The plus keeps SQLite from reading all credentials of the kind, which it takes for the better index.
macro_rules! of_owner {
    ($before:expr, $after:expr) => {
        ByOwner {
            organization: concat!($before, " c.organization_id = ?1 AND +c.kind = 'org_key' ", $after),
            user: concat!($before, " c.user_id = ?1 AND +c.kind = 'pat' ", $after),
        }
    };
}
use of_owner;

#[async_trait]
impl ManagedStore for SqliteStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        read::credential(&mut *self.acquire().await?, owner, id).await
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        read::issued_under(&mut *self.acquire().await?, owner, key).await
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        read::credentials(&mut *self.acquire().await?, owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        let peppers = self.peppers.as_ref();
        self.write(async |db| write::commit(db, commit, peppers).await).await
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        events::of(&mut *self.acquire().await?, owner, before, limit).await
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        self.write(async |db| uses::record(db, uses).await).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let peppers = self.peppers.as_ref();
        self.write(async |db| rehash::rehash(db, kind, id, presented, peppers).await).await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row};

    use super::*;

    #[tokio::test]
    async fn no_statement_reads_what_is_not_its_owners_or_sorts() {
        let store = SqliteStore::in_memory(Catalogue::documented()).await.unwrap();
        let by_owner =
            [("issued", read::ISSUED), ("page", read::PAGE), ("counting", write::COUNTING), ("events", events::PAGE)];
        let by_owner = by_owner.into_iter().flat_map(|(name, sql)| [(name, sql.organization), (name, sql.user)]);
        for (name, sql) in by_owner.chain([("one", read::ONE), ("alter", write::ALTER), ("known", uses::KNOWN)]) {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::query(explain).fetch_all(&store.pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            let narrow = ["(organization_id=?", "(user_id=?", "(kind=? AND id=?"];
            assert!(steps.iter().all(|step| narrow.iter().any(|key| step.contains(key))), "{name}: {steps:#?}");
        }
    }
}
