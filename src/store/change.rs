//! What changed, told from the store to the caches in front of it.

use async_trait::async_trait;

use crate::{
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
};

/// A change that makes cached answers wrong. Creations are told too: they end negative answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A credential was created, changed or deleted.
    Credential {
        /// Its kind.
        kind: Kind,
        /// Its public id.
        id: CredentialId,
    },
    /// A person was changed, or any of their memberships was.
    User(UserId),
    /// An organization was changed or deleted.
    Organization(OrgId),
    /// Anything may have changed.
    Everything,
}

impl Change {
    /// What changed, as one of a few fixed words.
    pub(crate) fn subject(&self) -> &'static str {
        match self {
            Self::Credential { .. } => "credential",
            Self::User(_) => "user",
            Self::Organization(_) => "organization",
            Self::Everything => "everything",
        }
    }
}

/// What a feed has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever follows has to handle each of them"
)]
pub enum FeedEvent {
    /// Something changed.
    Changed(Change),
    /// Changes may be happening that are not told. Nothing may be trusted for longer than the stated bound.
    Lost,
    /// Everything that happened while the feed was lost has been told before this.
    Restored,
}

/// A source of changes, in the order in which they happened for each subject.
#[async_trait]
pub trait Feed: Send + 'static {
    /// Waits for the next event; `None` when there will never be one again, which counts as lost for good.
    async fn next(&mut self) -> Option<FeedEvent>;
}
