//! The credentials of the store: reading what is known of one, adding one, changing one.
//!
//! To find the keys of an organization, it looks at all keys: a list takes time in proportion to
//! the number of keys in the store.

use std::sync::Arc;

use super::{MemoryStore, state::State};
use crate::{
    credential::Kind,
    id::UserId,
    store::{
        CredentialInfo, Owner, Record, Status,
        WriteError::{self, UnknownRole},
        backend::{NewCredential, own_salt},
    },
};

impl MemoryStore {
    /// Returns the record of a credential; for a token, the one seen from no organization.
    pub(super) fn record_of(&self, state: &State, kind: Kind, id: &str) -> Option<Arc<Record>> {
        match kind {
            Kind::OrgKey => self.key(id),
            Kind::PersonalToken => self.token(state.token_digests.get(id)?),
        }
    }

    /// Returns the info of a credential of `owner`, from the maps and the state.
    pub(super) fn info(&self, state: &State, owner: &Owner, id: &str) -> Option<CredentialInfo> {
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
                self.shared.keys.for_each(|_, key| {
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
        let (created_at, own) = (self.shared.created_at, record.stored_scopes());
        let info = CredentialInfo::of_record(record, owner.clone(), created_at, own);
        CredentialInfo {
            status: match info.status {
                Status::OwnerGone | Status::OrganizationGone => Status::Active,
                own => own,
            },
            ..info
        }
    }

    /// Creates the record of a new credential.
    pub(super) fn new_record(&self, insert: &NewCredential) -> Result<Record, WriteError> {
        let info = &insert.info;
        let record = match &info.owner {
            Owner::Organization(organization) => {
                Record::org_key(&info.id, insert.digest.clone(), organization)
            }
            Owner::User(user) => Record::personal_token(&info.id, insert.digest.clone(), user),
        };
        let record = match (&insert.salt, record.kind()) {
            (None, _) => record,
            (Some(salt), Kind::OrgKey) => record.with_salt(own_salt(salt, self.salted.as_ref())?),
            (Some(_), Kind::PersonalToken) => return Err(WriteError::SaltOnToken),
        };
        let unknown = || UnknownRole(info.role.clone().unwrap_or_default());
        let record = record.with_rights_of(info, &self.tables());
        Ok(record
            .map_err(|_| unknown())?
            .with_attributes(info.attributes.clone())
            .with_status(info.status.by_itself())
            .expiring_at(info.expires_at))
    }

    /// Adds a new credential that was checked.
    pub(super) fn add(
        &self,
        state: &mut State,
        insert: &NewCredential,
        record: Record,
    ) -> Result<(), WriteError> {
        match record.kind() {
            Kind::OrgKey => drop(self.add_key(state, record)),
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
    pub(super) fn apply_update(&self, state: &mut State, after: &CredentialInfo) {
        let changed = |record: &Record| {
            let record = Record::clone(record)
                .with_status(after.status)
                .expiring_at(after.expires_at)
                .with_attributes(after.attributes.clone());
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
            self.put_token(*digest, state.entry(&changed(&token), user, &self.tables()));
        }
    }
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
