//! Changes, which a store sends to the caches in front of it.
//!
//! You need these types if credentials can change behind a [`Cached`](super::Cached): pass a single
//! [`Change`] to [`Cached::apply`](super::Cached::apply), or implement a [`Feed`] of them and let
//! the cache [follow](super::Cached::follow) it.

use async_trait::async_trait;

use crate::{
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
};

/// A change that makes cached answers wrong. Creations are sent too: they end negative answers.
///
/// Where your own code changes what a record is made of, tell the cache after the commit:
///
/// ```
/// use tower_api_key::store::{Cached, Change, MemoryStore};
///
/// # fn role_changed(cache: &Cached<MemoryStore>) {
/// // update members set role = 'viewer' where user = 'alice' …
/// cache.apply(&Change::User("alice".into()));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A credential was created, changed or deleted.
    Credential {
        /// The credential's kind.
        kind: Kind,
        /// The credential's public id.
        id: CredentialId,
    },
    /// A user or any of their memberships was changed.
    User(UserId),
    /// An organization was changed or deleted.
    Organization(OrgId),
    /// Anything may have changed.
    Everything,
}

impl Change {
    /// Returns what changed, as one of a few fixed words.
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Self::Credential { .. } => "credential",
            Self::User(_) => "user",
            Self::Organization(_) => "organization",
            Self::Everything => "everything",
        }
    }
}

/// An event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a follower has to handle each of them"
)]
pub enum FeedEvent {
    /// Something changed.
    Changed(Change),
    /// Changes may be missed. Cached answers are trusted only up to the configured bound.
    Lost,
    /// The feed works again; everything that happened while it was lost has been sent before this.
    Restored,
}

/// A feed of changes, in the order in which they happened for each subject.
///
/// The SQL stores have feeds that read a change log. Implement one for a store of your own, over a
/// channel, a message queue, or `LISTEN`; emit [`FeedEvent::Lost`] whenever a change may have been
/// missed, and [`FeedEvent::Restored`] once nothing can be missing any more.
///
/// ```
/// use tokio::sync::broadcast::{Receiver, error::RecvError};
/// use tower_api_key::store::{Change, Feed, FeedEvent};
///
/// struct Channel(Receiver<Change>);
///
/// #[tower_api_key::async_trait]
/// impl Feed for Channel {
///     async fn next(&mut self) -> Option<FeedEvent> {
///         match self.0.recv().await {
///             Ok(change) => Some(FeedEvent::Changed(change)),
///             // Some were dropped: anything may have changed.
///             Err(RecvError::Lagged(_)) => Some(FeedEvent::Changed(Change::Everything)),
///             Err(RecvError::Closed) => None,
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Feed: Send + 'static {
    /// Waits for the next event; `None` if there will never be another, which counts as lost for
    /// good.
    async fn next(&mut self) -> Option<FeedEvent>;
}
