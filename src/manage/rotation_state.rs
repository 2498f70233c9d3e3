//! How far a rotation is: whether clients still use the old credential, and when it is safe to end
//! it.

use super::{Actor, ManageError, Manager};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    store::{CredentialInfo, EffectiveStatus, ManageStore},
};

/// Within this time each node writes what it has seen, in milliseconds. Of a rotated credential no
/// use hides a later one.
const ROUND: i64 = 60_000;

/// How far the rotation of a credential is.
///
/// It is computed from the recorded [uses](crate::LastUse), so it is as current as they are: a use
/// shows once the recorder has written it, within a minute unless the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RotationState {
    /// The credential has no successor.
    NotRotated,
    /// No client has used the successor yet.
    SuccessorUnused,
    /// Clients use the successor, and the old credential has been used since, or may have been
    /// without a record of it.
    InUse,
    /// The old credential was not used later than a minute after the successor's first use, and
    /// another minute is over, by the clock of this manager, in which each node has written its uses:
    /// end it with [`delete`](Manager::delete). A client that has not called since the successor's
    /// first use shows only at its next call, and the state is [`InUse`](Self::InUse) again: wait as
    /// long as your slowest client takes between two calls.
    SafeToEnd,
    /// The old credential is deleted, disabled or expired.
    Ended,
}

impl<S: ManageStore> Manager<S> {
    /// Returns how far the rotation of a credential is. Ask for the old one: the credential that
    /// [`rotate`](Self::rotate) replaced.
    ///
    /// Without [recorded uses](Self::run_usage_recorder) the successor counts as unused.
    ///
    /// For clients that call at least once a day, asked a day after the rotation:
    ///
    /// ```
    /// # use tower_api_key::{credential::Kind, manage::*, store::ManageStore};
    /// # async fn end_if_safe(
    /// #     manager: &Manager<impl ManageStore>,
    /// #     actor: &Actor,
    /// #     old: &str,
    /// # ) -> Result<(), ManageError> {
    /// if manager.rotation_state(actor, Kind::OrgKey, old).await? == RotationState::SafeToEnd {
    ///     manager.delete(actor, Kind::OrgKey, old).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`]; [`ManageError::UnknownCredential`];
    /// [`ManageError::Damaged`] if a moment that matters cannot be read;
    /// [`ManageError::Unavailable`].
    pub async fn rotation_state(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
    ) -> Result<RotationState, ManageError> {
        let owner = self.owner(actor, kind)?;
        self.within_deadline(async {
            let old = self.find(&owner, id).await?;
            let Some(successor) = &old.rotated_to else {
                return Ok(RotationState::NotRotated);
            };
            let new = self.store.credential(&owner, successor.as_str()).await?;
            if old.damaged || new.as_ref().is_some_and(|new| new.damaged) {
                return Err(ManageError::Damaged);
            }
            let first_use = new.and_then(|new| new.first_used_at);
            Ok(state(&old, first_use, self.clock.now()))
        })
        .await
    }
}

/// Returns the state of a rotation. `first_use` is that of the successor.
fn state(old: &CredentialInfo, first_use: Option<UnixMillis>, now: UnixMillis) -> RotationState {
    if old.effective_status(now) != EffectiveStatus::Active {
        return RotationState::Ended;
    }
    let Some(first_use) = first_use else {
        return RotationState::SuccessorUnused;
    };
    let certain = first_use.0.saturating_add(ROUND);
    let is_unused = old.last_used_at.is_none_or(|last| last.0 < certain);
    match now.0 >= certain.saturating_add(ROUND) && is_unused {
        true => RotationState::SafeToEnd,
        false => RotationState::InUse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Owner, Status};

    const ROTATED: UnixMillis = UnixMillis(1_000_000);
    /// When the successor was first used.
    const FIRST: i64 = ROTATED.0 + 5_000;
    /// From then on, a use of the old one is one of a client that has not switched.
    const CERTAIN: i64 = FIRST + 60_000;
    /// Then each use before that is recorded.
    const WRITTEN: i64 = CERTAIN + 60_000;

    fn old(last_used_at: Option<i64>) -> CredentialInfo {
        CredentialInfo {
            rotated_to: Some("new".into()),
            rotated_at: Some(ROTATED),
            last_used_at: last_used_at.map(UnixMillis),
            expires_at: Some(UnixMillis(CERTAIN + 1_000_000)),
            ..CredentialInfo::new("old", Owner::Organization("org_1".into()), UnixMillis(0))
        }
    }

    fn at(now: i64, old: &CredentialInfo, first_use: Option<i64>) -> RotationState {
        state(old, first_use.map(UnixMillis), UnixMillis(now))
    }

    #[test]
    fn it_is_safe_to_end_exactly_once_no_use_can_be_hidden_and_none_is_recorded() {
        for (last_used_at, now, expected) in [
            (None, WRITTEN - 1, RotationState::InUse),
            (None, WRITTEN, RotationState::SafeToEnd),
            (Some(FIRST), WRITTEN, RotationState::SafeToEnd),
            (Some(CERTAIN - 1), WRITTEN, RotationState::SafeToEnd),
            (Some(CERTAIN), WRITTEN, RotationState::InUse),
            (Some(CERTAIN), WRITTEN + 900_000, RotationState::InUse),
        ] {
            let state = at(now, &old(last_used_at), Some(FIRST));
            assert_eq!(state, expected, "{last_used_at:?} {now}");
        }
        assert_eq!(
            at(WRITTEN, &old(None), None),
            RotationState::SuccessorUnused
        );
    }

    #[test]
    fn an_old_credential_that_is_no_longer_accepted_has_ended() {
        let mut deleted = old(None);
        deleted.status = Status::Deleted;
        let expired = old(None);
        let end = expired.expires_at.unwrap().0;
        for (old, now) in [(&deleted, WRITTEN), (&expired, end)] {
            for first_use in [None, Some(FIRST)] {
                assert_eq!(at(now, old, first_use), RotationState::Ended);
            }
        }
        assert_ne!(at(end - 1, &expired, None), RotationState::Ended);
    }
}
