//! What management asks and changes.
//!
//! Questions are single statements, about one owner (`sql`, read in `row`). A change is one transaction (`commit`), and so
//! is what was used since (`uses`).

mod commit;
mod rehash;
mod row;
mod sql;
mod uses;

use async_trait::async_trait;

pub(super) use sql::ByOwner;

use super::{
    PostgresStore,
    row::{failed, get},
    storable,
};
use crate::{
    credential::Kind,
    manage::{CredentialInfo, Event, Owner, State},
    principal::Catalogue,
    secret::Digest,
    store::{Commit, ListQuery, ManagedStore, StoreError, Use, WriteError},
};

#[async_trait]
impl ManagedStore for PostgresStore {
    fn catalogue(&self) -> &Catalogue {
        self.catalogue()
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        if !storable(owner.id()) || !storable(id) {
            return Ok(None);
        }
        let query = self.by_owner.of_kind(owner.kind()).credential.query().bind(owner.id()).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        row.map(|row| row::info(&row, owner)).transpose()
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        if !storable(owner.id()) || !storable(key) {
            return Ok(None);
        }
        let query = self.by_owner.of_kind(owner.kind()).issued_under.query().bind(owner.id()).bind(key);
        let Some(row) = query.fetch_optional(&self.pool).await.map_err(failed)? else { return Ok(None) };
        let request = get::<&[u8]>(&row, "request")?.try_into();
        let request = request.map_err(|_| StoreError::corrupt("the fingerprint does not have 32 bytes"))?;
        Ok(Some((row::info(&row, owner)?, request)))
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        let ListQuery { filter, after, limit, now } = query;
        if !storable(owner.id()) || after.as_ref().is_some_and(|(_, id)| !storable(id.as_str())) {
            return Ok(Vec::new());
        }
        let sql = self.by_owner.of_kind(owner.kind());
        let page = if after.is_some() { &sql.next_page } else { &sql.first_page };
        let page = page.query().bind(owner.id()).bind(filter.state.map(State::as_str));
        let page = page.bind(filter.expiring_before.map(|moment| moment.0));
        let page = page.bind(filter.unused_since.map(|moment| moment.0)).bind(now.0).bind(i64::from(*limit));
        let page = match after {
            Some((created_at, id)) => page.bind(created_at.0).bind(id.as_str()),
            None => page,
        };
        let rows = page.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| row::info(row, owner)).collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.do_all_of(commit).await
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        if !storable(owner.id()) {
            return Ok(Vec::new());
        }
        let through = before.map_or(i64::MAX, |number| number.saturating_sub(1));
        let query =
            self.by_owner.of_kind(owner.kind()).events.query().bind(owner.id()).bind(through).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| row::event(row, owner)).collect()
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        self.note(uses).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        self.make_anew(kind, id, presented).await
    }
}
