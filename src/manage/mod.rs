//! The life of a credential: issued, listed, rotated, revoked, with an audit trail.
//!
//! A [`Manager`] is the only writer that a service needs. It is asked by an [`Actor`], from whom it follows whose
//! credentials these are; nothing that a request says can change that. What it keeps to:
//!
//! - **Whoever creates hands out what they hold**, at most: scopes, organization and expiry of a new credential are within
//!   those of its creator. To rotate or to enable counts as handing out. No scopes mean no rights.
//! - **Another owner's id is unknown.** The answer is that for an id that nobody has.
//! - **The secret is handed out once**, in [`Issued`], and cannot be read again.
//! - **Each change is an event**, in the same transaction ([`AuditEvent`]), and goes to the [hook](Manager::on_event).
//! - **A refusal changes nothing**, and says why ([`ManageError`]).
//!
//! ```
//! use tower_api_key::{credential::Kind, manage::*, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = std::sync::Arc::new(MemoryStore::new());
//! store.create_organization("org_1", None).await?;
//! let manager = Manager::new(store.clone());
//! let operator = Actor::operator("setup", Owner::Organization("org_1".into()));
//!
//! let issued = manager.issue_key(&operator, NewKey::named("ci").with_role("viewer")).await?;
//! let id = issued.info().id.clone();
//! let token = issued.into_secret(); // show it once
//!
//! let page = manager.list(&operator, Kind::OrgKey, &Filter::default(), None, 50).await?;
//! assert_eq!(&*page.items[0].name, "ci");
//! manager.delete(&operator, Kind::OrgKey, id.as_str()).await?; // from here on it is refused
//! # Ok(())
//! # }
//! ```
//!
//! In the source: `issue` makes credentials, by the `rules`; `change` renames, disables, enables and deletes; `rotate`,
//! `revoke`, `import` and `list` do what they say. What a store has to do for it is
//! [`ManageStore`].

mod actor;
mod change;
mod cursor;
mod deadline;
mod error;
mod import;
mod issue;
mod list;
mod revoke;
mod rotate;
mod rules;
mod text;
mod usage;

use std::{fmt, sync::Arc, time::Duration};

pub use actor::Actor;
pub use cursor::Cursor;
pub use error::ManageError;
pub use import::Import;
pub use issue::{Issued, NewKey, NewToken};
pub use list::Page;
pub use rotate::Rotation;

use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::{Kind, TokenFormat},
    error::ConfigError,
    observe,
    panics::catch,
    scope::AcceptedScopes,
    store::{AuditAction, AuditEvent, Cap, Commit, CredentialInfo, ManageStore, Owner, WriteError},
};

/// Issues, lists, rotates and revokes the credentials in a store. See the [module](self).
///
/// Give it the store that the layers have, cache and all, so that a revocation counts at once. A clone shares everything.
#[derive(Clone)]
pub struct Manager<S> {
    store: S,
    format: TokenFormat,
    clock: Arc<dyn Clock>,
    accepted: AcceptedScopes,
    cap: u32,
    max_life: Option<Duration>,
    max_overlap: Duration,
    deadline: Duration,
    hook: Arc<dyn Fn(&AuditEvent) + Send + Sync>,
}

/// How often a change is tried again when somebody else changes the same credential.
const MAX_ATTEMPTS: usize = 8;

impl<S> Manager<S> {
    /// Makes a manager over `store`: tokens of the default format, at most 100 credentials for an owner, any life, overlaps
    /// of at most seven days, five seconds for a call; an organization's keys are managed by those who hold
    /// `organizations:manage`.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self {
            store,
            format: TokenFormat::default(),
            clock: Arc::new(SystemClock::default()),
            accepted: AcceptedScopes::key_management(),
            cap: 100,
            max_life: None,
            max_overlap: Duration::from_secs(7 * 24 * 3600),
            deadline: Duration::from_secs(5),
            hook: Arc::new(|_| {}),
        }
    }

    /// Sets what tokens look like; the layers have to be told the same.
    #[must_use]
    pub fn with_token_format(self, format: TokenFormat) -> Self {
        Self { format, ..self }
    }

    /// Sets the clock that expiries are judged by.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Sets the scopes of which any one is needed to manage the keys of an organization. Everybody manages their own
    /// personal tokens.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`], [`ConfigError::InvalidScope`].
    pub fn with_management_scopes<T: Into<Box<str>>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            accepted: AcceptedScopes::any(scopes)?,
            ..self
        })
    }

    /// Sets how many credentials of one owner may be accepted at the same time: those that are active and not expired,
    /// including ones that were rotated and still are in their overlap. Issuing, enabling, and rotating with an overlap
    /// are refused beyond that.
    #[must_use]
    pub fn with_max_credentials(self, cap: u32) -> Self {
        Self { cap, ..self }
    }

    /// Sets the longest life of a new credential; without one, which is the default, it may last for ever.
    #[must_use]
    pub fn with_max_lifetime(self, life: Duration) -> Self {
        Self {
            max_life: Some(life),
            ..self
        }
    }

    /// Sets the longest overlap of a rotation.
    #[must_use]
    pub fn with_max_overlap(self, overlap: Duration) -> Self {
        Self {
            max_overlap: overlap,
            ..self
        }
    }

    /// Sets how long a call may take as a whole, 5 s by default; after that it is
    /// [`ManageError::Unavailable`].
    ///
    /// The deadline uses tokio's timer. A call that has to wait for its store must run inside a tokio runtime with time
    /// enabled, and panics otherwise.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the hook that is called with every event once it is stored. It runs within the request: hand over and return.
    /// The events' numbers are not known yet, and 0.
    ///
    /// The change is made by then. If the hook panics, the call succeeds all the same, the panic is reported to
    /// [`observe`](mod@crate::observe), and the remaining events are passed to the hook.
    #[must_use]
    pub fn on_event(self, hook: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        Self {
            hook: Arc::new(hook),
            ..self
        }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    fn cap_of(&self, at: UnixMillis) -> Option<Cap> {
        Some(Cap::new(self.cap, at))
    }

    /// Passes an event that is stored to the hook. What is done is done: a panic of the hook must not take the secret of a
    /// new credential along.
    fn notify(&self, event: &AuditEvent) {
        if catch(|| (self.hook)(event)).is_none() {
            observe::hook_panicked(event.action.as_str(), event.credential.as_str());
        }
    }
}

impl<S: ManageStore> Manager<S> {
    /// Whose credentials of `kind` the actor manages: the first line of every call.
    fn owner(&self, actor: &Actor, kind: Kind) -> Result<Owner, ManageError> {
        actor.check_ids()?;
        actor
            .owner(kind, &self.accepted, self.store.catalogue())
            .ok_or(ManageError::NotAllowed)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.store.commit(commit).await?;
        commit.events.iter().for_each(|event| self.notify(event));
        Ok(())
    }

    /// Makes sure that an actor still is what they were taken for, where nothing is to be changed.
    async fn confirm(&self, actor: &Actor, owner: &Owner) -> Result<(), ManageError> {
        let authority = actor.authority(self.clock.now());
        match authority.requirements() {
            Some(_) => Ok(self
                .store
                .commit(&Commit::new(owner.clone(), authority))
                .await?),
            None => Ok(()),
        }
    }

    async fn find(&self, owner: &Owner, id: &str) -> Result<CredentialInfo, ManageError> {
        self.store
            .credential(owner, id)
            .await?
            .ok_or(ManageError::UnknownCredential)
    }
}

impl Actor {
    fn event(
        &self,
        at: UnixMillis,
        action: AuditAction,
        credential: &CredentialInfo,
    ) -> AuditEvent {
        AuditEvent {
            number: 0,
            at,
            action,
            owner: credential.owner.clone(),
            credential: credential.id.clone(),
            related: None,
            by: self.who.clone(),
            origin: self.origin.clone(),
        }
    }
}

impl<S> fmt::Debug for Manager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("accepted", &self.accepted)
            .field("cap", &self.cap)
            .field("max_life", &self.max_life)
            .field("max_overlap", &self.max_overlap)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
