//! The settings of a [`Manager`].

use std::{sync::Arc, time::Duration};

use super::Manager;
use crate::{
    clock::{Clock, SystemClock},
    credential::{Kind, TokenFormat},
    error::ConfigError,
    scope::AcceptedScopes,
    store::{AuditEvent, Granularity},
};

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
            max_key_life: None,
            max_token_life: None,
            max_overlap: Duration::from_secs(7 * 24 * 3600),
            deadline: Duration::from_secs(5),
            granularity: Granularity::adaptive(),
            hook: Arc::new(|_| {}),
        }
    }

    /// Sets the token format. Give the layers the same one.
    pub fn with_token_format(self, format: TokenFormat) -> Self {
        Self { format, ..self }
    }

    /// Returns the token format.
    #[must_use]
    pub fn token_format(&self) -> &TokenFormat {
        &self.format
    }

    /// Returns the clock that decides expiry.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Sets the clock that decides expiry, and what is old.
    ///
    /// A store removes, reports and records by its own clock if this one is ahead, so a test should
    /// start a `ManualClock` in the past.
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

    /// Sets the maximum lifetime of a new credential of either kind. There is none by default: a
    /// credential need not expire.
    pub fn with_max_lifetime(self, life: Duration) -> Self {
        self.with_max_lifetime_of(Kind::OrgKey, life)
            .with_max_lifetime_of(Kind::PersonalToken, life)
    }

    /// Sets the maximum lifetime of a new credential of one kind: for example, tokens of people for
    /// 90 days, and keys of servers for a year.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_api_key::{credential::Kind, manage::Manager, store::MemoryStore};
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// let manager = Manager::new(MemoryStore::new())
    ///     .with_max_lifetime_of(Kind::OrgKey, 365 * DAY)
    ///     .with_max_lifetime_of(Kind::PersonalToken, 90 * DAY);
    /// ```
    pub fn with_max_lifetime_of(mut self, kind: Kind, life: Duration) -> Self {
        match kind {
            Kind::OrgKey => self.max_key_life = Some(life),
            Kind::PersonalToken => self.max_token_life = Some(life),
        }
        self
    }

    /// Sets the maximum overlap of a rotation.
    pub fn with_max_overlap(self, overlap: Duration) -> Self {
        Self {
            max_overlap: overlap,
            ..self
        }
    }

    /// Sets how long a call may take as a whole, 5 s by default; after that it fails with
    /// [`ManageError::Unavailable`](super::ManageError::Unavailable). Through a [`Cached`](crate::store::Cached), a change that has
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
    /// ([`ManageError::Unavailable`](super::ManageError::Unavailable)), nor if the process ends between the commit and the hook:
    /// [`events`](Self::events) lists those too.
    pub fn on_event(self, hook: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        Self {
            hook: Arc::new(hook),
            ..self
        }
    }

    /// Sets how far apart the recorded uses of one credential are;
    /// [`Granularity::adaptive`] by default. Give all nodes the same: each decides about the uses
    /// that it writes.
    pub fn with_use_granularity(self, granularity: Granularity) -> Self {
        Self {
            granularity,
            ..self
        }
    }
}
