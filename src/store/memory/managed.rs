//! Management: every change is checked and made under the lock of the state, so that all of it
//! happens or nothing does.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    store::{
        AuditEvent, CredentialInfo, ManageStore, Owner, Record, Status, StoreError, Usage,
        WriteError::{self, Changed},
        backend::{
            Commit, EarlierIssue, EndTarget, Ending, ExpiryWatch, ListQuery, Sweep, SweptBatch,
            UnusedPage, UnusedQuery, Update,
        },
    },
};

#[async_trait]
impl ManageStore for MemoryStore {
    fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
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
        Ok(self.info(&self.lock(), owner, id))
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        let state = self.lock();
        let issued = state.metadata.issued_under(owner, key);
        Ok(issued.and_then(|issued| {
            Some(EarlierIssue {
                info: self.info(&state, owner, issued.id.as_str())?,
                fingerprint: issued.fingerprint,
            })
        }))
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        let mut listed = self.credentials_of(&self.lock(), owner);
        listed.retain(|one| query.lists(one));
        listed.sort_unstable_by(|one, other| place(other).cmp(&place(one)));
        listed.truncate(query.limit as usize);
        Ok(listed)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        let mut state = self.lock();
        self.check_authority(&state, &commit.authority)?;
        let inserted = match &commit.insert {
            Some(insert) => {
                self.may_insert(&state, insert)?;
                Some((insert, self.new_record(insert)?))
            }
            None => None,
        };
        for change in &commit.changes {
            let now = self.info(&state, &commit.owner, change.before.id.as_str());
            if !now.is_some_and(|now| unchanged(change, &now)) {
                return Err(Changed);
            }
        }
        self.check_cap(&state, commit)?;
        if let Some((insert, record)) = inserted {
            self.add(&mut state, insert, record)?;
        }
        for change in &commit.changes {
            self.apply_update(&mut state, &change.after);
        }
        for event in &commit.events {
            state.metadata.add_event(event);
        }
        Ok(())
    }

    /// Stores the record with its data, which a commit does not have.
    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        let record = self.checked(record)?;
        match record.kind() {
            Kind::OrgKey => self.insert_key(record),
            Kind::PersonalToken => self.insert_token(record),
        }
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let mut state = self.lock();
        self.check_authority(&state, &ending.authority)?;
        let mut ended = match &ending.target {
            EndTarget::One(id) => Vec::from_iter(self.info(&state, &ending.owner, id.as_str())),
            EndTarget::All => self.credentials_of(&state, &ending.owner),
        };
        ended.retain(|info| ending.to.applies_to(info.status));
        for info in &mut ended {
            info.status = ending.to.status();
            info.deleted_at = (info.status == Status::Deleted).then_some(ending.at);
            self.apply_update(&mut state, info);
            state.metadata.add_event(&ending.event(info.id.clone()));
        }
        Ok(ended.into_iter().map(|info| info.id).collect())
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        Ok(self.lock().metadata.events(owner, before, limit))
    }

    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        _limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        Ok(self.report_expiry(watch, now.min(SystemClock.now())))
    }

    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        Ok(self.lock().metadata.expiry_events(after, limit))
    }

    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        Ok(self.all_unused(query))
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        Ok(self.sweep_now(&sweep.clipped(SystemClock.now())))
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        let mut state = self.lock();
        let now = SystemClock.now();
        let mut events = Vec::new();
        for used in uses.iter().map(|used| used.clipped(now)) {
            let record = self.record_of(&state, used.kind, used.id.as_str());
            let owner = record.and_then(|record| Owner::of_record(&record));
            if let Some(credential) =
                owner.and_then(|owner| self.info(&state, &owner, used.id.as_str()))
            {
                events.extend(state.metadata.record_use(&used, credential));
            }
        }
        Ok(events)
    }
}

/// Returns the sort key of a credential. Lists are in descending order of it.
fn place(credential: &CredentialInfo) -> (UnixMillis, &str) {
    (credential.created_at, credential.id.as_str())
}

/// Returns whether a credential is still as it was read, in everything that an update may change.
fn unchanged(update: &Update, now: &CredentialInfo) -> bool {
    let before = &update.before;
    (
        &before.name,
        &before.attributes,
        before.status,
        before.expires_at,
        &before.rotated_to,
    ) == (
        &now.name,
        &now.attributes,
        now.status,
        now.expires_at,
        &now.rotated_to,
    )
}
