//! The authority behind a change: that the actor may still make it when it is committed.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use crate::{
    clock::{Clock, UnixMillis},
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    scope::ScopeSet,
    store::{Conditions, Record, Restrictions, Status, StoreError},
};

/// On whose behalf a change is made, and what must still be true of that actor.
///
/// Between a [`Manager`](crate::manage::Manager)'s decision and its commit, the actor may be
/// revoked. A store therefore reads the actor's current [`ActorState`] in the change's transaction,
/// prevents it from changing until that transaction ends, and calls [`permits`](Self::permits):
///
/// ```
/// use tower_api_key::store::{*, backend::*};
///
/// # struct Transaction;
/// # impl Transaction {
/// #     fn user(&self, _: &str, _: Option<&str>) -> Option<ActorState> { None }
/// #     fn record(&self, _: &str, _: Option<&str>) -> Option<Record> { None }
/// # }
/// /// Reads with `FOR SHARE`, or under the lock that every writer takes.
/// fn check(tx: &Transaction, authority: &Authority) -> Result<(), WriteError> {
///     let organization = authority.organization().map(|id| id.as_str());
///     let now = match authority {
///         Authority::Unconditional => None,
///         Authority::Credential { id, .. } => {
///             tx.record(id.as_str(), organization).map(|record| ActorState::of_record(&record))
///         }
///         Authority::User { id, .. } => tx.user(id.as_str(), organization),
///     };
///     match authority.permits(now.as_ref()) {
///         true => Ok(()),
///         false => Err(WriteError::NotPermitted),
///     }
/// }
/// # assert!(check(&Transaction, &Authority::Unconditional).is_ok());
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new actor has to be a compile error in every store"
)]
pub enum Authority {
    /// An operator, or the bearer of the very credential that is revoked: there is nothing to
    /// check.
    Unconditional,
    /// A credential that authenticated a request.
    Credential {
        /// The credential's kind.
        kind: Kind,
        /// The credential's public id.
        id: CredentialId,
        /// What must still be true of it.
        requirements: Requirements,
    },
    /// A user whom the service itself has authenticated.
    User {
        /// The user's id.
        id: UserId,
        /// What must still be true of them.
        requirements: Requirements,
    },
}

/// What a decision assumed about its actor. Stores do not compare it themselves:
/// [`Authority::permits`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirements {
    /// The organization in which the actor acts; for a token or a user, one in which the user is a
    /// member.
    pub organization: Option<OrgId>,
    /// The scopes that the actor was assumed to hold there.
    pub scopes: ScopeSet,
    /// The expiry that the actor was assumed to have; `None` means never.
    pub expires_at: Option<UnixMillis>,
    /// The conditions that the actor's credential was assumed to have at most.
    pub conditions: Conditions,
    /// What the actor's credential was assumed to be restricted to at most.
    pub restrictions: Restrictions,
    /// When the decision was made.
    pub at: UnixMillis,
    /// The clock of the manager that made it, for the time of the check.
    pub(crate) clock: Option<CheckClock>,
}

/// A clock that makes no difference between two requirements.
#[derive(Clone)]
pub(crate) struct CheckClock(Arc<dyn Clock>);

impl PartialEq for CheckClock {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for CheckClock {}

// The clock is only read: a panic leaves nothing half changed.
impl UnwindSafe for CheckClock {}
impl RefUnwindSafe for CheckClock {}

impl fmt::Debug for CheckClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckClock")
    }
}

/// The current state of an actor.
///
/// A store creates it: with [`of_record`](Self::of_record) or [`of_lookup`](Self::of_lookup) for a
/// credential, with [`user`](Self::user) for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ActorState {
    /// Whether the credential is valid, or the user enabled.
    active: bool,
    organization: Option<OrgId>,
    scopes: ScopeSet,
    expires_at: Option<UnixMillis>,
    conditions: Conditions,
    restrictions: Restrictions,
}

impl Authority {
    /// Sets the clock that determines whether the actor has expired when the change is made. A
    /// change may have waited for a lock since the decision.
    pub(crate) fn with_clock(mut self, clock: &Arc<dyn Clock>) -> Self {
        if let Self::Credential { requirements, .. } | Self::User { requirements, .. } = &mut self {
            requirements.clock = Some(CheckClock(Arc::clone(clock)));
        }
        self
    }

    /// Returns what must still be true; `None` if nothing must be.
    pub(crate) fn requirements(&self) -> Option<&Requirements> {
        match self {
            Self::Unconditional => None,
            Self::Credential { requirements, .. } | Self::User { requirements, .. } => {
                Some(requirements)
            }
        }
    }

    /// Returns the organization from which the actor must be read.
    #[must_use]
    pub fn organization(&self) -> Option<&OrgId> {
        self.requirements()?.organization.as_ref()
    }

    /// Returns whether the change may be made, given the actor's current state; `None` if the actor
    /// does not exist.
    ///
    /// The actor must be active and not expired by the time of this call, act in the same
    /// organization, hold every scope that it was assumed to hold, last at least as long as
    /// assumed, be accepted wherever it was assumed to be, and be restricted no more than it was
    /// assumed to be. Call it after the locks are taken:
    /// the manager's clock goes on while a change waits for them.
    #[must_use]
    pub fn permits(&self, now: Option<&ActorState>) -> bool {
        let Some(needed) = self.requirements() else {
            return true;
        };
        now.is_some_and(|actor| {
            actor.active
                && actor.expires_at.is_none_or(|end| needed.now() < end)
                && actor.organization == needed.organization
                && needed
                    .scopes
                    .iter()
                    .all(|scope| actor.scopes.contains(scope))
                && actor
                    .expires_at
                    .is_none_or(|end| needed.expires_at.is_some_and(|taken| taken <= end))
                && actor.conditions.cover(&needed.conditions)
                && actor.restrictions.cover(&needed.restrictions)
        })
    }
}

impl Requirements {
    /// Creates the requirements of an actor without an organization, scopes or an expiry, for a
    /// decision made at `at`.
    #[must_use]
    pub fn new(at: UnixMillis) -> Self {
        Self {
            organization: None,
            scopes: ScopeSet::empty(),
            expires_at: None,
            conditions: Conditions::default(),
            restrictions: Restrictions::default(),
            at,
            clock: None,
        }
    }

    /// Returns the time of the check, at least that of the decision.
    fn now(&self) -> UnixMillis {
        let now = self.clock.as_ref().map(|clock| clock.0.now());
        now.map_or(self.at, |now| now.max(self.at))
    }
}

impl ActorState {
    /// Creates the state of a credential from the record that a lookup in the organization of the
    /// [`Authority`] would return.
    pub fn of_record(record: &Record) -> Self {
        Self {
            active: record.status() == Status::Active,
            organization: record
                .organization()
                .filter(|organization| record.may_act_in(organization))
                .cloned(),
            scopes: record.scopes().clone(),
            expires_at: record.expires_at(),
            conditions: record.conditions().cloned().unwrap_or_default(),
            restrictions: record.restrictions().cloned().unwrap_or_default(),
        }
    }

    /// Creates the state of a credential from what its lookup returned. One whose role the catalogue
    /// does not have holds nothing, which is not an outage.
    ///
    /// # Errors
    /// Any other failure of the lookup.
    pub fn of_lookup(
        found: Result<Option<Record>, StoreError>,
    ) -> Result<Option<Self>, StoreError> {
        match found {
            Ok(record) => Ok(record.as_ref().map(Self::of_record)),
            Err(error) => match error.found() {
                Some(record) => Ok(Some(Self::of_record(record))),
                None => Err(error),
            },
        }
    }

    /// Creates the state of a user: whether they are enabled, and, if the authority names an
    /// existing organization of which they are a member, that organization with the scopes of their
    /// role.
    pub fn user(enabled: bool, membership: Option<(OrgId, ScopeSet)>) -> Self {
        let (organization, scopes) = membership.unzip();
        Self {
            active: enabled,
            organization,
            scopes: scopes.unwrap_or_else(ScopeSet::empty),
            expires_at: None,
            conditions: Conditions::default(),
            restrictions: Restrictions::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(change: impl FnOnce(&mut Requirements)) -> Authority {
        let mut requirements = Requirements::new(UnixMillis(1000));
        requirements.organization = Some("org".into());
        requirements.scopes = ScopeSet::from_iter(["a", "b"]);
        requirements.expires_at = Some(UnixMillis(2000));
        change(&mut requirements);
        Authority::Credential {
            kind: Kind::OrgKey,
            id: "key".into(),
            requirements,
        }
    }

    #[test]
    fn requirements_are_compared_and_shown_without_their_clock() {
        let requirements = |change: fn(&mut Requirements)| {
            let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock::default());
            let needed = authority(change).with_clock(&clock);
            needed.requirements().unwrap().clone()
        };
        let one = requirements(|_| ());
        assert_eq!(one, requirements(|_| ()));
        assert_ne!(one, requirements(|needed| needed.organization = None));
        let shown = format!("{one:?}");
        assert!(shown.contains("clock: Some(CheckClock)"), "{shown}");
    }

    #[test]
    fn an_actor_must_be_what_the_decision_took_it_for() {
        let member =
            |scopes: &[&str]| Some(("org".into(), scopes.iter().copied().collect::<ScopeSet>()));
        let ends = |state: ActorState, end: i64| ActorState {
            expires_at: Some(UnixMillis(end)),
            ..state
        };
        let user = ActorState::user;
        let cases = [
            (
                "the same",
                Some(ends(user(true, member(&["a", "b"])), 2000)),
                true,
            ),
            (
                "more scopes",
                Some(user(true, member(&["a", "b", "c"]))),
                true,
            ),
            ("one scope less", Some(user(true, member(&["a"]))), false),
            ("not active", Some(user(false, member(&["a", "b"]))), false),
            ("no longer a member", Some(user(true, None)), false),
            (
                "another organization",
                Some(user(
                    true,
                    Some(("other".into(), ScopeSet::from_iter(["a", "b"]))),
                )),
                false,
            ),
            (
                "expired",
                Some(ends(user(true, member(&["a", "b"])), 1000)),
                false,
            ),
            (
                "a life cut short",
                Some(ends(user(true, member(&["a", "b"])), 1999)),
                false,
            ),
            ("gone", None, false),
        ];
        for (name, state, permitted) in cases {
            assert_eq!(
                authority(|_| {}).permits(state.as_ref()),
                permitted,
                "{name}"
            );
        }
        assert!(Authority::Unconditional.permits(None));
        let forever = authority(|needed| needed.expires_at = None);
        assert!(forever.permits(Some(&user(true, member(&["a", "b"])))));
        assert!(
            !forever.permits(Some(&ends(user(true, member(&["a", "b"])), i64::MAX))),
            "it was taken to last for ever"
        );
    }
}
