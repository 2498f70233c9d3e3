//! What a commit is checked for, under the lock of the state: nothing is changed before all of it
//! holds.

use super::{MemoryStore, state::State};
use crate::{
    credential::{Kind, check_credential_id},
    id::OrgId,
    store::{
        CredentialInfo, EffectiveStatus, Owner,
        WriteError::{self, CapReached, NotPermitted, Taken, UnknownUser},
        backend::{ActorState, Authority, Commit, NewCredential},
    },
};

impl MemoryStore {
    /// Checks that the id is valid and free, the owner exists, and the idempotency key is new.
    pub(super) fn may_insert(
        &self,
        state: &State,
        insert: &NewCredential,
    ) -> Result<(), WriteError> {
        let info = &insert.info;
        check_credential_id(info.kind(), info.id.as_str())?;
        match &info.owner {
            Owner::Organization(id) => drop(state.living(id.as_str())?),
            Owner::User(id) => drop(
                state
                    .users
                    .get(id)
                    .ok_or_else(|| UnknownUser(id.as_str().into()))?,
            ),
        }
        let id = info.id.as_str();
        let taken = match info.kind() {
            Kind::OrgKey => self.key(id).is_some(),
            Kind::PersonalToken => {
                state.token_digests.contains_key(id) || self.token(&insert.digest.words()).is_some()
            }
        };
        let repeated = insert
            .idempotency
            .as_ref()
            .is_some_and(|it| state.metadata.issued_under(&info.owner, &it.key).is_some());
        if taken || repeated || state.is_removed(info.kind(), id, &insert.digest) {
            Err(Taken(id.into()))
        } else {
            Ok(())
        }
    }

    /// Refuses a commit that would bring the owner above its cap. Nothing of it is made yet.
    pub(super) fn check_cap(&self, state: &State, commit: &Commit) -> Result<(), WriteError> {
        let Some(cap) = commit.cap else { return Ok(()) };
        let accepted =
            |one: &CredentialInfo| one.effective_status(cap.at) == EffectiveStatus::Active;
        let untouched = |one: &CredentialInfo| {
            commit
                .changes
                .iter()
                .all(|change| change.before.id != one.id)
        };
        let kept = self
            .credentials_of(state, &commit.owner)
            .iter()
            .filter(|one| accepted(one) && untouched(one))
            .count();
        let made = commit
            .insert
            .iter()
            .map(|insert| &insert.info)
            .chain(commit.changes.iter().map(|c| &c.after));
        if kept + made.filter(|one| accepted(one)).count() <= cap.limit as usize {
            Ok(())
        } else {
            Err(CapReached(cap.limit))
        }
    }

    /// Checks that the actor may still make the change. The state stays locked until the change is
    /// made.
    pub(super) fn check_authority(
        &self,
        state: &State,
        authority: &Authority,
    ) -> Result<(), WriteError> {
        let organization = authority.organization().map(OrgId::as_str);
        let tables = self.tables();
        let state = match authority {
            Authority::Unconditional => None,
            Authority::Credential {
                kind: Kind::OrgKey,
                id,
                ..
            } => self
                .key(id.as_str())
                .and_then(|key| key.resolved(&tables).ok())
                .map(|record| ActorState::of_record(&record)),
            Authority::Credential {
                kind: Kind::PersonalToken,
                id,
                ..
            } => {
                let digest = state.token_digests.get(id);
                digest.and_then(|digest| {
                    let entry = self
                        .shared
                        .tokens
                        .with(digest, |entry| entry.resolved(&tables));
                    let record = entry?.answer(organization, &tables).ok()?;
                    Some(ActorState::of_record(&record))
                })
            }
            Authority::User { id, .. } => state.users.get(id).map(|user| {
                let living = organization.and_then(|id| state.living(id).ok());
                let member = living.and_then(|org| user.roles.get(&org).map(|role| (org, role)));
                let scopes = |role: &str| tables.scopes_of(role).cloned();
                ActorState::user(
                    !user.disabled,
                    member.and_then(|(org, role)| Some((org, scopes(role)?))),
                )
            }),
        };
        if authority.permits(state.as_ref()) {
            Ok(())
        } else {
            Err(NotPermitted)
        }
    }
}
