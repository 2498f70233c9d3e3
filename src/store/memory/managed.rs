//! Management: every change is checked and made under the lock of the state, so that all of it
//! happens or nothing does.
//!
//! To find the keys of an organization, it looks at all keys: a list takes time in proportion to
//! the number of keys in the store.

use std::sync::Arc;

use async_trait::async_trait;

use super::{MemoryStore, state::State};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    id::{CredentialId, UserId},
    scope::Catalogue,
    store::{
        AuditEvent, CredentialInfo, ManageStore, Owner, Record, Status, StoreError, Usage,
        WriteError::{self, Changed, UnknownRole},
        backend::{Commit, EarlierIssue, EndTarget, Ending, ListQuery, NewCredential, Update},
    },
};

impl MemoryStore {
    /// Returns the record of a credential; for a token, the one seen from no organization.
    fn record_of(&self, state: &State, kind: Kind, id: &str) -> Option<Arc<Record>> {
        match kind {
            Kind::OrgKey => self.key(id),
            Kind::PersonalToken => self.token(state.token_digests.get(id)?),
        }
    }

    /// Returns the info of a credential of `owner`, from the maps and the state.
    fn info(&self, state: &State, owner: &Owner, id: &str) -> Option<CredentialInfo> {
        let record = self
            .record_of(state, owner.kind(), id)
            .filter(|record| belongs(record, owner))?;
        Some(state.metadata.complete(self.info_of(&record, owner)))
    }

    /// Returns the info of every credential of `owner`, in no order.
    pub(super) fn credentials_of(&self, state: &State, owner: &Owner) -> Vec<CredentialInfo> {
        let complete = |record: &Record| state.metadata.complete(self.info_of(record, owner));
        match owner {
            Owner::Organization(_) => {
                let mut found = Vec::new();
                self.0.keys.for_each(|_, key| {
                    if belongs(key, owner) {
                        found.push(complete(key));
                    }
                });
                found
            }
            Owner::User(user) => {
                let digests = state
                    .users
                    .get(user)
                    .into_iter()
                    .flat_map(|user| &user.tokens);
                digests
                    .filter_map(|digest| self.token(digest))
                    .map(|token| complete(&token))
                    .collect()
            }
        }
    }

    /// Returns the part of the info that the record contains. That an owner is gone is not a status
    /// of the credential itself.
    fn info_of(&self, record: &Record, owner: &Owner) -> CredentialInfo {
        let of_role = record
            .role()
            .and_then(|role| self.0.catalogue.scopes_of(role));
        let info = CredentialInfo::of_record(record, owner.clone(), self.0.created_at, of_role);
        CredentialInfo {
            status: match info.status {
                Status::OwnerGone | Status::OrganizationGone => Status::Active,
                own => own,
            },
            ..info
        }
    }

    /// Creates the record of a new credential.
    fn new_record(&self, insert: &NewCredential) -> Result<Record, WriteError> {
        let info = &insert.info;
        let record = match &info.owner {
            Owner::Organization(organization) => {
                Record::org_key(&info.id, insert.digest.clone(), organization)
            }
            Owner::User(user) => Record::personal_token(&info.id, insert.digest.clone(), user),
        };
        let record = match &info.role {
            Some(role) => record
                .with_role(role, &self.0.catalogue)
                .map_err(|_| UnknownRole(role.clone()))?,
            None => record,
        };
        let record = match &info.scopes {
            Some(scopes) => record.with_scopes(self.0.catalogue.expand(scopes.iter().cloned())),
            None => record,
        };
        Ok(record
            .with_status(info.status.by_itself())
            .expiring_at(info.expires_at))
    }

    /// Adds a new credential that was checked.
    fn add(
        &self,
        state: &mut State,
        insert: &NewCredential,
        record: Record,
    ) -> Result<(), WriteError> {
        match record.kind() {
            Kind::OrgKey => self.add_key(state, record),
            Kind::PersonalToken => self.add_token(state, &record)?,
        }
        state.metadata.keep(&insert.info);
        if let Some(idempotency) = &insert.idempotency {
            state.metadata.remember_key(&insert.info, idempotency);
        }
        Ok(())
    }

    /// Replaces the record and the info of a credential. The key of a deleted organization stays
    /// refused.
    fn apply_update(&self, state: &mut State, after: &CredentialInfo) {
        let changed = |record: &Record| {
            let record = Record::clone(record)
                .with_status(after.status)
                .expiring_at(after.expires_at);
            record.with_rotated(after.rotated_to.is_some())
        };
        match &after.owner {
            Owner::Organization(organization) => {
                if let Some(key) = self.key(after.id.as_str()) {
                    let record = changed(&key);
                    let gone = state.living(organization.as_str()).is_err()
                        && record.status() == Status::Active;
                    self.put_key(if gone {
                        record.with_status(Status::OrganizationGone)
                    } else {
                        record
                    });
                }
            }
            Owner::User(user) => self.update_token(state, user, after, changed),
        }
        state.metadata.keep(after);
    }

    /// Replaces the records of a token, for all memberships of its owner.
    fn update_token(
        &self,
        state: &State,
        user: &UserId,
        after: &CredentialInfo,
        changed: impl FnOnce(&Record) -> Record,
    ) {
        let Some((digest, user)) = state
            .token_digests
            .get(&after.id)
            .zip(state.users.get(user))
        else {
            return;
        };
        if let Some(token) = self.token(digest) {
            self.put_token(
                *digest,
                state.entry(&changed(&token), user, &self.0.catalogue),
            );
        }
    }
}

/// Returns the sort key of a credential. Lists are in descending order of it.
fn place(credential: &CredentialInfo) -> (UnixMillis, &str) {
    (credential.created_at, credential.id.as_str())
}

/// Returns whether `owner` owns the credential.
fn belongs(record: &Record, owner: &Owner) -> bool {
    match owner {
        Owner::Organization(id) => {
            record.kind() == Kind::OrgKey && record.organization() == Some(id)
        }
        Owner::User(id) => record.kind() == Kind::PersonalToken && record.user() == Some(id),
    }
}

/// Returns whether a credential is still as it was read, in everything that an update may change.
fn unchanged(update: &Update, now: &CredentialInfo) -> bool {
    let before = &update.before;
    (
        &before.name,
        before.status,
        before.expires_at,
        &before.rotated_to,
    ) == (&now.name, now.status, now.expires_at, &now.rotated_to)
}

#[async_trait]
impl ManageStore for MemoryStore {
    fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
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

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        let mut state = self.lock();
        let now = SystemClock.now();
        let mut told = Vec::new();
        for used in uses.iter().map(|used| used.clipped(now)) {
            let record = self.record_of(&state, used.kind, used.id.as_str());
            let owner = record.and_then(|record| Owner::of_record(&record));
            if let Some(credential) =
                owner.and_then(|owner| self.info(&state, &owner, used.id.as_str()))
            {
                told.extend(state.metadata.record_use(&used, credential));
            }
        }
        Ok(told)
    }
}
