//! Rotation: replaces a credential with a new one, with or without an overlap in which both are
//! valid.

use std::time::Duration;

use super::{
    Actor, Issued, MAX_ATTEMPTS, ManageError, Manager, fingerprint,
    request::IssueRequest,
    rules::{check_expiry, check_idempotency_key, check_rights, later},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    secret::Secret,
    store::{
        AuditAction, AuditEvent, CredentialInfo, EffectiveStatus, ManageStore, Status, WriteError,
        backend::{Commit, Idempotency, Update},
    },
};

/// How to rotate a credential. By default the old one ends at once, and the new one expires when
/// the old one would have.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::manage::Rotation;
///
/// // Clients have a day to switch to the new key, which never expires.
/// let rotation = Rotation::default()
///     .with_overlap(Duration::from_secs(24 * 3600))
///     .expiring_at(None);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Rotation {
    pub(super) overlap: Duration,
    pub(super) expires_at: Option<Option<UnixMillis>>,
    idempotency_key: Option<Box<str>>,
}

impl Rotation {
    /// Keeps the old credential valid for this long, unless it expires earlier.
    pub fn with_overlap(self, overlap: Duration) -> Self {
        Self { overlap, ..self }
    }

    /// Sets when the new credential expires; `None` means never.
    pub fn expiring_at(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            expires_at: Some(moment.into()),
            ..self
        }
    }

    /// Makes it safe to repeat the request, like
    /// [`NewKey::with_idempotency_key`](super::NewKey::with_idempotency_key): the owner's next
    /// identical request with the same key returns the successor again, without its secret. Keys of
    /// rotations and of new credentials are the same set.
    pub fn with_idempotency_key(self, key: &str) -> Self {
        Self {
            idempotency_key: Some(key.into()),
            ..self
        }
    }

    /// Returns the idempotency key, with the fingerprint of this rotation of the credential `id`.
    fn idempotency(&self, kind: Kind, id: &str) -> Result<Option<Idempotency>, ManageError> {
        let Some(key) = &self.idempotency_key else {
            return Ok(None);
        };
        check_idempotency_key(key)?;
        let fingerprint = fingerprint::of_rotation(kind, id, self);
        Ok(Some(Idempotency::new(key.clone(), fingerprint)))
    }
}

impl<S: ManageStore> Manager<S> {
    /// Replaces a credential with a new one that has the same name and rights and a secret of its
    /// own. Scopes that the catalogue no longer has are dropped. The actor must hold what the new
    /// credential may do.
    ///
    /// At most two credentials of a rotation chain are valid at once: if the old one has itself
    /// replaced a credential that is still valid, that one ends now. During an overlap both count
    /// against the owner's [cap](Self::with_max_credentials).
    ///
    /// # Errors
    /// As for [`delete`](Self::delete); [`ManageError::Busy`], [`ManageError::CapReached`],
    /// [`ManageError::AlreadyRotated`], [`ManageError::Disabled`], [`ManageError::OverlapTooLong`],
    /// [`ManageError::ScopeNotHeld`], [`ManageError::RestrictionsBeyondCreator`],
    /// [`ManageError::ConditionsBeyondCreator`]; for an idempotency key
    /// [`ManageError::InvalidIdempotencyKey`], [`ManageError::IdempotencyConflict`],
    /// [`ManageError::IssuedInactive`]; for the new expiry, which is the old one unless
    /// set, [`ManageError::ExpiryInPast`], [`ManageError::ExpiryBeyondPolicy`],
    /// [`ManageError::ExpiryBeyondCreator`].
    pub async fn rotate(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        rotation: Rotation,
    ) -> Result<Issued, ManageError> {
        self.within_deadline(self.replace(actor, kind, id, rotation))
            .await
    }

    /// Commits the rotation. If another request changed the credential in between, it starts again.
    async fn replace(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        rotation: Rotation,
    ) -> Result<Issued, ManageError> {
        let owner = self.owner(actor, kind)?;
        let idempotency = rotation.idempotency(kind, id)?;
        for _ in 0..MAX_ATTEMPTS {
            if let Some(issued) = self.replay(actor, &owner, idempotency.as_ref()).await? {
                return Ok(issued);
            }
            if rotation.overlap > self.max_overlap {
                return Err(ManageError::OverlapTooLong(self.max_overlap));
            }
            let old = self.find(&owner, id).await?;
            let now = self.clock.now();
            let expires_at = rotation.expires_at.unwrap_or(old.expires_at);
            if let Err(refusal) = self.may_rotate(actor, &old, expires_at, now) {
                // A concurrent request may have used the idempotency key since.
                let earlier = self.replay(actor, &owner, idempotency.as_ref()).await?;
                return earlier.ok_or(refusal);
            }
            let (mut commit, secret) =
                self.succession(actor, &old, rotation.overlap, expires_at, now)?;
            self.end_predecessor(actor, &old, &mut commit, now).await?;
            let Some(insert) = &mut commit.insert else {
                return Err(ManageError::Busy);
            };
            insert.idempotency = idempotency.clone();
            let info = insert.info.clone();
            match self.commit(&commit).await {
                Ok(()) => return Ok(Issued::new(info, secret)),
                Err(WriteError::Changed | WriteError::Taken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManageError::Busy)
    }

    /// Checks that the credential can be rotated, and that the actor may grant it again.
    fn may_rotate(
        &self,
        actor: &Actor,
        old: &CredentialInfo,
        expires_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<(), ManageError> {
        match old.status {
            Status::Active if old.damaged => return Err(ManageError::Damaged),
            Status::Active if old.rotated_to.is_some() => {
                return Err(ManageError::AlreadyRotated);
            }
            Status::Active => {}
            Status::Deleted => return Err(ManageError::Deleted),
            _ => return Err(ManageError::Disabled),
        }
        check_rights(actor, old, &self.store.catalogue().tables())?;
        check_expiry(actor, expires_at, now, self.max_life(old.kind()))
    }

    /// Returns the successor, the end of its predecessor, and the events of both.
    fn succession(
        &self,
        actor: &Actor,
        old: &CredentialInfo,
        overlap: Duration,
        expires_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<(Commit, Secret), ManageError> {
        let request = IssueRequest::like(old, expires_at, &self.store.catalogue().tables());
        let (insert, secret) = self.mint(actor, &old.owner, &request, Some(old.id.clone()), now)?;
        let new = &insert.info;
        let events = vec![
            AuditEvent {
                related: Some(new.id.clone()),
                ..actor.event(now, AuditAction::Rotated, old)
            },
            AuditEvent {
                related: Some(old.id.clone()),
                ..actor.event(now, AuditAction::Issued, new)
            },
        ];
        let changes = vec![Update {
            before: old.clone(),
            after: replaced(old, new.id.clone(), overlap, now),
        }];
        // Without an overlap the new credential takes the old one's slot under the cap, if it had
        // one.
        let is_exchange = overlap.is_zero() && old.effective_status(now) == EffectiveStatus::Active;
        let cap = self.cap_of(now).filter(|_| !is_exchange);
        let commit = Commit {
            insert: Some(insert),
            changes,
            events,
            cap,
            ..Commit::new(old.owner.clone(), self.authority(actor, now))
        };
        Ok((commit, secret))
    }

    /// Adds the end of the credential that `old` itself replaced, if it is still in its overlap, so
    /// that at most two credentials of a chain are valid.
    async fn end_predecessor(
        &self,
        actor: &Actor,
        old: &CredentialInfo,
        commit: &mut Commit,
        now: UnixMillis,
    ) -> Result<(), ManageError> {
        let Some(id) = &old.rotated_from else {
            return Ok(());
        };
        let Some(before) = self.store.credential(&old.owner, id.as_str()).await? else {
            return Ok(());
        };
        // A damaged credential cannot be compared. If it is accepted at all, its overlap ends it.
        if before.damaged || before.id == old.id {
            return Ok(());
        }
        if before.status != Status::Deleted && before.expires_at.is_none_or(|end| now < end) {
            commit
                .events
                .push(actor.event(now, AuditAction::Deleted, &before));
            let after = CredentialInfo {
                status: Status::Deleted,
                deleted_at: Some(now),
                ..before.clone()
            };
            commit.changes.push(Update { before, after });
        }
        Ok(())
    }
}

/// Returns `old` as it is once `successor` has replaced it: deleted, or valid until the overlap
/// ends.
fn replaced(
    old: &CredentialInfo,
    successor: CredentialId,
    overlap: Duration,
    now: UnixMillis,
) -> CredentialInfo {
    let mut after = CredentialInfo {
        rotated_to: Some(successor),
        rotated_at: Some(now),
        ..old.clone()
    };
    if overlap.is_zero() {
        after.status = Status::Deleted;
        after.deleted_at = Some(now);
    } else {
        let end = later(now, overlap);
        after.expires_at = Some(old.expires_at.map_or(end, |own| own.min(end)));
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        secret::Digest,
        store::{Directory, MemoryStore, Owner, Record},
    };

    const NOW: UnixMillis = UnixMillis(1_000);

    fn owner() -> Owner {
        Owner::Organization("org_1".into())
    }

    fn operator() -> Actor {
        Actor::operator("test", owner())
    }

    fn info(id: &str) -> CredentialInfo {
        CredentialInfo::new(id, owner(), NOW)
    }

    #[test]
    fn what_cannot_be_rotated_is_refused_with_the_reason() {
        let manager = Manager::new(MemoryStore::new());
        let cases: [(fn(&mut CredentialInfo), _); 5] = [
            (|_| {}, None),
            (|old| old.damaged = true, Some("damaged")),
            (
                |old| old.rotated_to = Some("k2".into()),
                Some("already_rotated"),
            ),
            (|old| old.status = Status::Deleted, Some("deleted")),
            (|old| old.status = Status::Disabled, Some("disabled")),
        ];
        for (change, code) in cases {
            let mut old = info("k1");
            change(&mut old);
            let refused = manager.may_rotate(&operator(), &old, None, NOW).err();
            assert_eq!(refused.map(|error| error.code()), code);
        }
    }

    #[tokio::test]
    async fn a_predecessor_is_ended_if_it_is_or_may_become_valid() {
        let store = MemoryStore::new();
        store.create_organization("org_1", None).await.unwrap();
        let key = |id: &str| Record::org_key(id, Digest::of(id.as_bytes()), "org_1");
        for record in [
            key("valid"),
            key("expiring").expiring_at(UnixMillis(NOW.0 + 1)),
            key("expired").expiring_at(NOW),
            key("disabled").with_status(Status::Disabled),
            key("deleted").with_status(Status::Deleted),
            key("its_own"),
        ] {
            store.insert(record).await.unwrap();
        }
        let manager = Manager::new(store);
        for (id, predecessor, ended) in [
            ("k1", "valid", 1),
            ("k1", "expiring", 1),
            ("k1", "disabled", 1), // it could be enabled again
            ("k1", "expired", 0),
            ("k1", "deleted", 0),
            ("k1", "unknown", 0),
            ("its_own", "its_own", 0),
        ] {
            let old = CredentialInfo {
                rotated_from: Some(predecessor.into()),
                ..info(id)
            };
            let actor = operator();
            let mut commit = Commit::new(owner(), actor.authority(NOW));
            let added = manager.end_predecessor(&actor, &old, &mut commit, NOW);
            added.await.unwrap();
            let found = (commit.changes.len(), commit.events.len());
            assert_eq!(found, (ended, ended), "{predecessor}");
        }
    }
}
