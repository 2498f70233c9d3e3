//! Management: reads and changes on behalf of an actor.
//!
//! Reads are single statements about one owner (`sql`). A change is one transaction (`commit`), on
//! behalf of an actor who may still make it (`authority`). So are ending credentials (`end`),
//! recording uses (`uses`), reporting credentials that expire (`expiry`), removing a user (`erase`)
//! and removing old rows (`sweep`).

mod authority;
mod commit;
mod end;
mod erase;
mod expiry;
mod list;
mod rehash;
mod sql;
mod sweep;
mod uses;
mod write;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

pub(super) use sql::ByOwner;

use super::{
    PostgresStore, contains_no_nul,
    row::{PgColumns, get},
};
use crate::shared::fingerprint;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, ExpiryWatch, ManageStore, Owner, StoreError, Usage, WriteError,
        backend::{
            Commit, EarlierIssue, Ending, ListQuery, Sweep, SweptBatch, UnusedPage, UnusedQuery,
            audit_event, credential_info,
        },
    },
};

fn info(row: &PgRow, owner: &Owner) -> Result<CredentialInfo, StoreError> {
    let id: String = get(row, "id")?;
    Ok(credential_info(&PgColumns(row), id.into(), owner))
}

#[async_trait]
impl ManageStore for PostgresStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    fn supports_restrictions(&self) -> bool {
        true
    }

    fn supports_attributes(&self) -> bool {
        true
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        if !contains_no_nul(owner.id()) || !contains_no_nul(id) {
            return Ok(None);
        }
        let query = self
            .by_owner
            .of_kind(owner.kind())
            .credential
            .query()
            .bind(owner.id())
            .bind(id);
        self.read(query)
            .await?
            .first()
            .map(|row| info(row, owner))
            .transpose()
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        if !contains_no_nul(owner.id()) || !contains_no_nul(key) {
            return Ok(None);
        }
        let query = self
            .by_owner
            .of_kind(owner.kind())
            .issued_under
            .query()
            .bind(owner.id())
            .bind(key);
        let rows = self.read(query).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let fingerprint = fingerprint(get(row, "request_hash")?)?;
        Ok(Some(EarlierIssue::new(info(row, owner)?, fingerprint)))
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        let texts = [Some(owner.id())]
            .into_iter()
            .chain([query.after.as_ref().map(|after| after.id.as_str())])
            .chain(list::pair(query))
            .chain([query.filter.name.as_deref()]);
        if !texts.flatten().all(contains_no_nul) {
            return Ok(Vec::new()); // nothing that the database has contains it
        }
        let page = self.by_owner.of_kind(owner.kind()).page.query();
        let rows = self.scan(list::bind(page, owner, query)).await?;
        rows.iter().map(|row| info(row, owner)).collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.commit_in_tx(commit).await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.end_target(ending).await
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        if !contains_no_nul(owner.id()) {
            return Ok(Vec::new());
        }
        let through = before.map_or(i64::MAX, |number| number.saturating_sub(1));
        let query = self
            .by_owner
            .of_kind(owner.kind())
            .events
            .query()
            .bind(owner.id())
            .bind(through)
            .bind(i64::from(limit));
        let rows = self.scan(query).await?;
        rows.iter()
            .map(|row| audit_event(&PgColumns(row), owner))
            .collect()
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        self.record_uses_in_tx(uses).await
    }

    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.report_expiry(watch, now, limit).await
    }

    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.read_expiry_events(after, limit).await
    }

    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        self.find_unused(query).await
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        self.sweep_all(sweep).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        self.rehash_in_tx(kind, id, presented).await
    }
}
