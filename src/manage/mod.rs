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
//! enables and deletes; `rotate`, `revoke`, `import` and `list` are what their names suggest. What
//! happens by itself is in `expiry`, `usage` and `retention`.
//! [`ManageStore`] is what a store has to implement.

mod actor;
mod change;
mod cursor;
mod deadline;
mod edit;
mod error;
mod expiry;
mod fingerprint;
mod import;
mod issue;
mod list;
mod request;
mod retention;
mod revoke;
mod rotate;
mod rotation_state;
mod rules;
mod settings;
mod sink;
mod text;
mod usage;

use std::{fmt, sync::Arc, time::Duration};

pub use actor::Actor;
pub use cursor::PageCursor;
pub use edit::Edit;
pub use error::ManageError;
pub use import::Import;
pub use issue::Issued;
pub use list::{MAX_PAGE, Page};
pub use request::{NewKey, NewToken};
pub use rotate::Rotation;
pub use rotation_state::RotationState;

use crate::{
    clock::{Clock, UnixMillis},
    credential::{Kind, TokenFormat},
    observe,
    panics::catch,
    scope::AcceptedScopes,
    store::{
        Attributes, AuditAction, AuditEvent, CredentialInfo, Granularity, ManageStore, Owner,
        WriteError,
        backend::{Authority, Cap, Commit},
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
    /// Maximum lifetime of a key; `None` means that a key need not expire.
    max_key_life: Option<Duration>,
    /// The same of a personal token.
    max_token_life: Option<Duration>,
    max_overlap: Duration,
    /// How long a call may take.
    deadline: Duration,
    /// How far apart recorded uses are.
    granularity: Granularity,
    /// Called with every stored event.
    hook: Arc<dyn Fn(&AuditEvent) + Send + Sync>,
}

/// Number of attempts at a change while others change the same credential.
const MAX_ATTEMPTS: usize = 8;

impl<S> Manager<S> {
    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the maximum lifetime of a credential of `kind`.
    fn max_life(&self, kind: Kind) -> Option<Duration> {
        match kind {
            Kind::OrgKey => self.max_key_life,
            Kind::PersonalToken => self.max_token_life,
        }
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
            .owner(kind, &self.accepted, &self.store.catalogue().tables())
            .ok_or(ManageError::NotAllowed)
    }

    /// Commits a change and passes its events to the hook.
    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.store.commit(commit).await?;
        commit.events.iter().for_each(|event| self.notify(event));
        Ok(())
    }

    /// Returns what must still be true of the actor, by this manager's clock, when a change decided
    /// at `at` is made.
    fn authority(&self, actor: &Actor, at: UnixMillis) -> Authority {
        actor.authority(at).with_clock(&self.clock)
    }

    /// Checks that an actor's authority still holds where nothing is to be changed.
    async fn confirm(&self, actor: &Actor, owner: &Owner) -> Result<(), ManageError> {
        let authority = self.authority(actor, self.clock.now());
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
            attributes: match action {
                AuditAction::Issued | AuditAction::Imported | AuditAction::Edited => {
                    credential.attributes.clone()
                }
                _ => Attributes::default(),
            },
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
            .field("max_key_life", &self.max_key_life)
            .field("max_token_life", &self.max_token_life)
            .field("max_overlap", &self.max_overlap)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
