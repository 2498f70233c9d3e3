//! Managing credentials: issue, list, rotate and revoke them, with an audit trail.
//!
//! A [`Manager`] is the only writer that a service needs. Every call names an [`Actor`], which
//! determines whose credentials are managed; nothing in a request can change that. The rules:
//!
//! - **An actor grants at most what it holds**: a new credential's scopes, organization and expiry
//!   stay within its creator's. Rotating and enabling count as granting. No scopes mean no rights.
//! - **Another owner's id is unknown.** The response is the same as for an id that does not exist.
//! - **The secret is returned once**, in [`Issued`], and cannot be read again.
//! - **Each change is an audit event**, stored in the same transaction ([`AuditEvent`]) and passed
//!   to the [hook](Manager::on_event).
//! - **A refusal changes nothing**, and gives the reason ([`ManageError`]).
//!
//! ```
//! use tower_api_key::{credential::Kind, manage::*, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
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
//! In the source: `issue` creates credentials, following the `rules`; `change` renames, disables,
//! enables and deletes; `rotate`, `revoke`, `import` and `list` are what their names suggest.
//! [`ManageStore`] is what a store has to implement.

mod actor;
mod change;
mod cursor;
mod deadline;
mod error;
mod fingerprint;
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
pub use cursor::PageCursor;
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
    store::{
        AuditAction, AuditEvent, CredentialInfo, ManageStore, Owner, WriteError,
        backend::{Cap, Commit},
    },
};

/// Issues, lists, rotates and revokes the credentials in a store. See the [module](self).
///
/// Give it the same store as the layers, including its cache, so that a revocation takes effect at
/// once. Clones share everything.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::{AuthLayer, manage::Manager, store::{Cached, MemoryStore}};
///
/// let store = Cached::new(MemoryStore::new());
/// let auth = AuthLayer::new(store.clone());
/// let manager = Manager::new(store)
///     .with_max_credentials(20)
///     .with_max_lifetime(Duration::from_secs(365 * 24 * 3600))
///     .on_event(|event| println!("{} {}", event.action.as_str(), event.credential));
/// ```
///
/// It also writes [last uses](Self::run_usage_recorder). A service that manages credentials in its
/// own table needs no manager for that: see [`LastUse::unwritten`](crate::LastUse::unwritten).
#[derive(Clone)]
#[must_use]
pub struct Manager<S> {
    store: S,
    format: TokenFormat,
    clock: Arc<dyn Clock>,
    /// The scopes of which one is required to manage an organization's keys.
    accepted: AcceptedScopes,
    /// Maximum number of usable credentials per owner.
    cap: u32,
    /// Maximum lifetime; `None` means that a credential may never expire.
    max_life: Option<Duration>,
    max_overlap: Duration,
    /// How long a call may take.
    deadline: Duration,
    /// Called with every stored event.
    hook: Arc<dyn Fn(&AuditEvent) + Send + Sync>,
}

/// Number of attempts at a change while others change the same credential.
const MAX_ATTEMPTS: usize = 8;

impl<S> Manager<S> {
    /// Creates a manager over `store`.
    ///
    /// Defaults: tokens of the default format, at most 100 credentials per owner, any lifetime,
    /// overlaps of at most seven days, five seconds per call. Managing an organization's keys
    /// requires `organizations:manage`.
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

    /// Sets the token format. Give the layers the same one.
    pub fn with_token_format(self, format: TokenFormat) -> Self {
        Self { format, ..self }
    }

    /// Sets the clock that decides expiry.
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Sets the scopes of which any one is required to manage an organization's keys;
    /// `organizations:manage` by default. Set it if your catalogue has other scopes. All users
    /// manage their own personal tokens.
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

    /// Sets how many credentials of one owner may be usable at the same time: those that are active
    /// and not expired, including rotated ones that are still in their overlap. Beyond that,
    /// issuing, enabling, and rotating with an overlap are refused.
    pub fn with_max_credentials(self, cap: u32) -> Self {
        Self { cap, ..self }
    }

    /// Sets the maximum lifetime of a new credential. There is none by default: a credential may
    /// never expire.
    pub fn with_max_lifetime(self, life: Duration) -> Self {
        Self {
            max_life: Some(life),
            ..self
        }
    }

    /// Sets the maximum overlap of a rotation.
    pub fn with_max_overlap(self, overlap: Duration) -> Self {
        Self {
            max_overlap: overlap,
            ..self
        }
    }

    /// Sets how long a call may take as a whole, 5 s by default; after that it fails with
    /// [`ManageError::Unavailable`]. Through a [`Cached`](crate::store::Cached), a change that has
    /// begun continues even then, so that the cache learns when it ends; it may be made after the
    /// call has failed.
    ///
    /// The deadline uses tokio's timer. A call that has to wait for its store must run inside a
    /// tokio runtime with time enabled, and panics otherwise.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the hook that is called with every event once it is stored. It runs within the request,
    /// so hand the event over and return. The events' numbers are not known yet and are `None`.
    ///
    /// The change is already made by then. If the hook panics, the call still succeeds, the panic
    /// is reported to [`observe`](mod@crate::observe), and the remaining events are passed to the
    /// hook. It is not called for a change whose outcome the call did not learn
    /// ([`ManageError::Unavailable`]), nor if the process ends between the commit and the hook:
    /// [`events`](Self::events) lists those too.
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

    /// Returns the cap for a commit at `at`.
    fn cap_of(&self, at: UnixMillis) -> Option<Cap> {
        Some(Cap::new(self.cap, at))
    }

    /// Passes a stored event to the hook. The change is made: a panicking hook must not lose a new
    /// credential's secret.
    fn notify(&self, event: &AuditEvent) {
        if catch(|| (self.hook)(event)).is_none() {
            observe::hook_panicked(event.action.as_str(), event.credential.as_str());
        }
    }
}

impl<S: ManageStore> Manager<S> {
    /// Returns the owner whose credentials of `kind` the actor manages: the first step of every
    /// call.
    fn owner(&self, actor: &Actor, kind: Kind) -> Result<Owner, ManageError> {
        actor.check_ids()?;
        actor
            .owner(kind, &self.accepted, self.store.catalogue())
            .ok_or(ManageError::NotAllowed)
    }

    /// Commits a change and passes its events to the hook.
    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.store.commit(commit).await?;
        commit.events.iter().for_each(|event| self.notify(event));
        Ok(())
    }

    /// Checks that an actor's authority still holds where nothing is to be changed.
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

    /// Returns a credential of `owner`. One of another owner is unknown.
    async fn find(&self, owner: &Owner, id: &str) -> Result<CredentialInfo, ManageError> {
        self.store
            .credential(owner, id)
            .await?
            .ok_or(ManageError::UnknownCredential)
    }
}

impl Actor {
    /// Creates the audit event of what this actor did to a credential.
    fn event(
        &self,
        at: UnixMillis,
        action: AuditAction,
        credential: &CredentialInfo,
    ) -> AuditEvent {
        AuditEvent {
            origin: self.origin.clone(),
            ..AuditEvent::new(
                at,
                action,
                credential.owner.clone(),
                &credential.id,
                self.who.clone(),
            )
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
