//! Management: every change is checked and made under the lock of the book, so that all of it happens or nothing does.
//!
//! The keys of an organization are found by looking at all keys: a list takes time in proportion to their number.

use std::sync::Arc;

use async_trait::async_trait;

use super::{MemoryStore, book::Book, key::ById};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{CredentialInfo, Event, Owner},
    principal::{Catalogue, CredentialId, UserId},
    store::{
        Alteration, Commit, Insert, ListQuery, ManagedStore, Record, Standing, StoreError, Use,
        WriteError::{self, CapReached, Changed, Taken, UnknownRole, UnknownUser},
    },
};

impl MemoryStore {
    fn record_of(&self, book: &Book, kind: Kind, id: &str) -> Option<Arc<Record>> {
        match kind {
            Kind::OrgKey => self.keys.pin().get(&ById(id.as_bytes())).map(|key| Arc::clone(&key.0)),
            Kind::PersonalToken => {
                self.tokens.pin().get(book.token_digests.get(id)?).map(|entry| Arc::clone(&entry.alone))
            }
        }
    }

    /// What the maps and the book know of a credential of `owner`.
    fn known(&self, book: &Book, owner: &Owner, id: &str) -> Option<CredentialInfo> {
        let record = self.record_of(book, owner.kind(), id).filter(|record| belongs(record, owner))?;
        Some(book.ledger.complete(self.told_by(&record, owner)))
    }

    fn all(&self, book: &Book, owner: &Owner) -> Vec<CredentialInfo> {
        let complete = |record: &Record| book.ledger.complete(self.told_by(record, owner));
        match owner {
            Owner::Organization(_) => {
                let keys = self.keys.pin();
                keys.iter().filter(|key| belongs(&key.0, owner)).map(|key| complete(&key.0)).collect()
            }
            Owner::User(user) => {
                let tokens = self.tokens.pin();
                let digests = book.users.get(user).into_iter().flat_map(|user| &user.tokens);
                digests.filter_map(|digest| tokens.get(digest)).map(|entry| complete(&entry.alone)).collect()
            }
        }
    }

    /// What a record says by itself.
    fn told_by(&self, record: &Record, owner: &Owner) -> CredentialInfo {
        let of_role = record.role().and_then(|role| self.catalogue.scopes_of(role));
        let own = Some(record.scopes()).filter(|scopes| record.kind() == Kind::OrgKey && of_role != Some(*scopes));
        CredentialInfo {
            role: record.role().map(Into::into),
            scopes: own.map(|scopes| scopes.iter().map(Into::into).collect()),
            standing: match record.standing() {
                Standing::OwnerGone | Standing::OrganizationGone => Standing::Active,
                own => own,
            },
            expires_at: record.expires_at(),
            ..CredentialInfo::new(record.id(), owner.clone())
        }
    }

    fn may_insert(&self, book: &Book, insert: &Insert) -> Result<(), WriteError> {
        let info = &insert.info;
        match &info.owner {
            Owner::Organization(id) => drop(book.living(id.as_str())?),
            Owner::User(id) => drop(book.users.get(id).ok_or_else(|| UnknownUser(id.as_str().into()))?),
        }
        if let Some(cap) = insert.cap {
            let now = info.created_at;
            let counts = |one: &CredentialInfo| {
                one.standing != Standing::Deleted
                    && one.rotated_to.is_none()
                    && one.expires_at.is_none_or(|end| now < end)
            };
            if self.all(book, &info.owner).iter().filter(|one| counts(one)).count() >= cap as usize {
                return Err(CapReached(cap));
            }
        }
        let id = info.id.as_str();
        let taken = match info.kind() {
            Kind::OrgKey => self.keys.pin().contains(&ById(id.as_bytes())),
            Kind::PersonalToken => {
                book.token_digests.contains_key(id) || self.tokens.pin().contains_key(&insert.digest.words())
            }
        };
        let repeated =
            insert.idempotency.as_ref().is_some_and(|(key, _)| book.ledger.issued_under(&info.owner, key).is_some());
        if taken || repeated { Err(Taken(id.into())) } else { Ok(()) }
    }

    fn new_record(&self, insert: &Insert) -> Result<Record, WriteError> {
        let info = &insert.info;
        let record = match &info.owner {
            Owner::Organization(organization) => Record::org_key(&info.id, insert.digest.clone(), organization),
            Owner::User(user) => Record::personal_token(&info.id, insert.digest.clone(), user),
        };
        let record = match &info.role {
            Some(role) => record.with_role(role, &self.catalogue).map_err(|_| UnknownRole(role.clone()))?,
            None => record,
        };
        let record = match &info.scopes {
            Some(scopes) => record.with_scopes(self.catalogue.expand(scopes.iter().cloned())),
            None => record,
        };
        Ok(record.with_standing(info.standing).expiring_at(info.expires_at))
    }

    fn add(&self, book: &mut Book, insert: &Insert, record: Record) -> Result<(), WriteError> {
        match record.kind() {
            Kind::OrgKey => self.add_key(book, record),
            Kind::PersonalToken => self.add_token(book, &record)?,
        }
        book.ledger.keep(&insert.info);
        if let Some((key, request)) = &insert.idempotency {
            book.ledger.remember_key(&insert.info.owner, key, &insert.info.id, *request);
        }
        Ok(())
    }

    fn alter(&self, book: &mut Book, after: &CredentialInfo) {
        let changed =
            |record: &Record| Record::clone(record).with_standing(after.standing).expiring_at(after.expires_at);
        match &after.owner {
            Owner::Organization(organization) => {
                let keys = self.keys.pin();
                if let Some(key) = keys.get(&ById(after.id.as_str().as_bytes())) {
                    let record = changed(&key.0);
                    let gone = book.living(organization.as_str()).is_err() && record.standing() == Standing::Active;
                    let record = if gone { record.with_standing(Standing::OrganizationGone) } else { record };
                    self.replace_key(key, record);
                }
            }
            Owner::User(user) => self.alter_token(book, user, after, changed),
        }
        book.ledger.keep(after);
    }

    fn alter_token(&self, book: &Book, user: &UserId, after: &CredentialInfo, changed: impl FnOnce(&Record) -> Record) {
        let tokens = self.tokens.pin();
        let Some((digest, user)) = book.token_digests.get(&after.id).zip(book.users.get(user)) else { return };
        if let Some(entry) = tokens.get(digest) {
            tokens.insert(*digest, book.entry(&changed(&entry.alone), user, &self.catalogue));
        }
    }
}

/// Where a credential stands in a list, from behind.
fn place(credential: &CredentialInfo) -> (UnixMillis, &str) {
    (credential.created_at, credential.id.as_str())
}

fn belongs(record: &Record, owner: &Owner) -> bool {
    match owner {
        Owner::Organization(id) => record.kind() == Kind::OrgKey && record.organization() == Some(id),
        Owner::User(id) => record.kind() == Kind::PersonalToken && record.user() == Some(id),
    }
}

/// Whether a credential still is as it was read, in what an alteration may change.
fn unchanged(alteration: &Alteration, now: &CredentialInfo) -> bool {
    let before = &alteration.before;
    (&before.name, before.standing, before.expires_at, &before.rotated_to)
        == (&now.name, now.standing, now.expires_at, &now.rotated_to)
}

#[async_trait]
impl ManagedStore for MemoryStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn credential(&self, owner: &Owner, id: &str) -> Result<Option<CredentialInfo>, StoreError> {
        Ok(self.known(&self.book(), owner, id))
    }

    async fn issued_under(&self, owner: &Owner, key: &str) -> Result<Option<(CredentialInfo, [u8; 32])>, StoreError> {
        let book = self.book();
        let issued = book.ledger.issued_under(owner, key);
        Ok(issued.and_then(|(id, request)| Some((self.known(&book, owner, id.as_str())?, *request))))
    }

    async fn credentials(&self, owner: &Owner, query: &ListQuery) -> Result<Vec<CredentialInfo>, StoreError> {
        let mut all = self.all(&self.book(), owner);
        all.retain(|one| {
            let behind = |(at, id): &(UnixMillis, CredentialId)| place(one) < (*at, id.as_str());
            query.filter.shows(one, query.now) && query.after.as_ref().is_none_or(behind)
        });
        all.sort_unstable_by(|one, other| place(other).cmp(&place(one)));
        all.truncate(query.limit as usize);
        Ok(all)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        let mut book = self.book();
        let inserted = match &commit.insert {
            Some(insert) => {
                self.may_insert(&book, insert)?;
                Some((insert, self.new_record(insert)?))
            }
            None => None,
        };
        for change in &commit.changes {
            let now = self.known(&book, &commit.owner, change.before.id.as_str());
            if !now.is_some_and(|now| unchanged(change, &now)) {
                return Err(Changed);
            }
        }
        if let Some((insert, record)) = inserted {
            self.add(&mut book, insert, record)?;
        }
        for change in &commit.changes {
            self.alter(&mut book, &change.after);
        }
        for event in &commit.events {
            book.ledger.tell(event);
        }
        Ok(())
    }

    async fn events(&self, owner: &Owner, before: Option<i64>, limit: u32) -> Result<Vec<Event>, StoreError> {
        Ok(self.book().ledger.events(owner, before, limit))
    }

    async fn record_uses(&self, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
        let mut book = self.book();
        let mut told = Vec::new();
        for used in uses {
            let record = self.record_of(&book, used.kind, used.id.as_str());
            let owner = record.and_then(|record| Owner::of_record(&record));
            if let Some(credential) = owner.and_then(|owner| self.known(&book, &owner, used.id.as_str())) {
                told.extend(book.ledger.record_use(used, credential));
            }
        }
        Ok(told)
    }
}
