//! Management over a file.

mod read;
mod write;

use async_trait::async_trait;

use self::read::{BY_ID, BY_IDEMPOTENCY_KEY, EVENTS, EventRow, InfoRow, LIST, event, info};
use super::{SqliteStore, admin::Write, row::failed};
use crate::{
    credential::Kind,
    manage::{CredentialInfo, Event, Owner, State},
    principal::Catalogue,
    secret::Digest,
    store::{Commit, ListQuery, ManagedStore, StoreError, Use, WriteError},
};

pub(super) use self::write::{commit, record, rehash};

/// A statement about the credentials of one owner, for an organization and for a person: each has its index. `?1` is the kind,
/// `?2` the owner.
macro_rules! of_owner {
    ($before:literal, $after:literal) => {
        [concat!($before, " c.organization_id = ?2 ", $after), concat!($before, " c.user_id = ?2 ", $after)]
    };
}

use of_owner;

fn of(owner: &Owner, [key, token]: [&'static str; 2]) -> &'static str {
    match owner {
        Owner::Organization(_) => key,
        Owner::User(_) => token,
    }
}

/// What can fail where there is nothing to refuse.
fn of_store(error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        other => StoreError::unavailable(other),
    }
}

#[async_trait]
impl ManagedStore for SqliteStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        let mut connection = self.acquire().await?;
        let query = sqlx::query_as(of(owner, BY_ID)).bind(owner.kind().as_str()).bind(owner.id()).bind(id);
        let row = query.fetch_optional(&mut *connection).await.map_err(failed)?;
        row.map(|row| info(owner, row)).transpose()
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        let mut connection = self.acquire().await?;
        let query = sqlx::query_as(of(owner, BY_IDEMPOTENCY_KEY));
        let query = query.bind(owner.kind().as_str()).bind(owner.id()).bind(key);
        let row: Option<InfoRow> = query.fetch_optional(&mut *connection).await.map_err(failed)?;
        let Some(mut row) = row else { return Ok(None) };
        let request = row.11.take().and_then(|request| request.try_into().ok());
        let request = request.ok_or_else(|| StoreError::corrupt("the fingerprint does not have 32 bytes"))?;
        Ok(Some((info(owner, row)?, request)))
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        let mut connection = self.acquire().await?;
        let ListQuery { filter, after, limit, now } = query;
        let (created_at, id) = after.as_ref().map(|(at, id)| (at.0, id.as_str())).unzip();
        let query = sqlx::query_as(of(owner, LIST)).bind(owner.kind().as_str()).bind(owner.id());
        let query = query.bind(filter.state.map(State::as_str)).bind(now.0);
        let query = query.bind(filter.expiring_before.map(|at| at.0)).bind(filter.unused_since.map(|at| at.0));
        let query = query.bind(created_at).bind(id).bind(i64::from(*limit));
        let rows: Vec<InfoRow> = query.fetch_all(&mut *connection).await.map_err(failed)?;
        rows.into_iter().map(|row| info(owner, row)).collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.write(Write::Commit(commit)).await
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut connection = self.acquire().await?;
        let query = sqlx::query_as(of(owner, EVENTS)).bind(owner.id());
        let rows: Vec<EventRow> =
            query.bind(before).bind(i64::from(limit)).fetch_all(&mut *connection).await.map_err(failed)?;
        rows.into_iter().map(|row| event(owner, row)).collect()
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        let mut told = Vec::new();
        self.write(Write::Record(uses, &mut told)).await.map_err(of_store)?;
        Ok(told)
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let mut done = false;
        self.write(Write::Rehash { kind, id, presented, done: &mut done }).await.map_err(of_store)?;
        Ok(done)
    }
}
