//! Management over a database.

mod row;
mod sql;
mod write;

use async_trait::async_trait;

use self::row::{event, info, request};
pub(super) use self::sql::Managed;
use super::{PostgresStore, row::failed, storable};
use crate::{
    credential::Kind,
    manage::{CredentialInfo, Event, Owner, State},
    principal::Catalogue,
    secret::Digest,
    store::{Commit, ListQuery, ManagedStore, StoreError, Use, WriteError},
};

/// What can fail where there is nothing to refuse.
fn of_store(error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        other => StoreError::unavailable(other),
    }
}

#[async_trait]
impl ManagedStore for PostgresStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        if !storable(owner.id()) || !storable(id) {
            return Ok(None);
        }
        let query = self.statements.managed.by_id.for_owner(owner).query();
        let query = query.bind(owner.kind().as_str()).bind(owner.id()).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        row.map(|row| info(owner, &row)).transpose()
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        if !storable(owner.id()) || !storable(key) {
            return Ok(None);
        }
        let query = self.statements.managed.by_idempotency_key.for_owner(owner).query();
        let query = query.bind(owner.kind().as_str()).bind(owner.id()).bind(key);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        row.map(|row| Ok((info(owner, &row)?, request(&row)?))).transpose()
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        if !storable(owner.id()) {
            return Ok(Vec::new());
        }
        let ListQuery { filter, after, limit, now } = query;
        let (created_at, id) = after.as_ref().map(|(at, id)| (at.0, id.as_str())).unzip();
        let query = self.statements.managed.list.for_owner(owner).query();
        let query = query.bind(owner.kind().as_str()).bind(owner.id());
        let query = query.bind(filter.state.map(State::as_str)).bind(now.0);
        let query = query.bind(filter.expiring_before.map(|at| at.0)).bind(filter.unused_since.map(|at| at.0));
        let query = query.bind(created_at).bind(id).bind(i64::from(*limit));
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| info(owner, row)).collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.transact(async |db| write::commit(db, self, commit).await).await
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        if !storable(owner.id()) {
            return Ok(Vec::new());
        }
        let query = self.statements.managed.events.for_owner(owner).query();
        let query = query.bind(owner.id()).bind(before).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| event(owner, row)).collect()
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        let told = self.transact(async |db| Ok(write::record(db, &self.statements, uses).await?)).await;
        told.map_err(of_store)
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        self.transact(async |db| Ok(write::rehash(db, self, kind, id, presented).await?)).await.map_err(of_store)
    }
}
