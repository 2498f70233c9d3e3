//! Changes, which a store sends to the caches in front of it.

use async_trait::async_trait;

use crate::{
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
};

/// A change that makes cached answers wrong. Creations are sent too: they end negative answers.
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
    reason = "whoever follows has to handle each of them"
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
#[async_trait]
pub trait Feed: Send + 'static {
    /// Waits for the next event; `None` if there will never be another, which counts as lost for
    /// good.
    async fn next(&mut self) -> Option<FeedEvent>;
}
