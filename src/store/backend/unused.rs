//! Credentials whose last recorded use is long ago.

use crate::{clock::UnixMillis, credential::Kind, id::CredentialId, store::CredentialInfo};

/// Which credentials a store looks through for [`unused`](super::ManageStore::unused), in the order
/// of their ids.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct UnusedQuery {
    /// Those of this kind.
    pub kind: Kind,
    /// The last recorded use was before this moment. Without one, a credential may be in use all
    /// the same: it may be new here, or uses may not have been recorded.
    pub before: UnixMillis,
    /// Uses are recorded only if one is at or after this moment.
    pub recorded_since: UnixMillis,
    /// Only those after this id.
    pub after: Option<CredentialId>,
    /// How many to look through.
    pub limit: u32,
    /// The time that decides what has expired.
    pub now: UnixMillis,
}

/// Credentials that were not used since, among those that were looked through.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UnusedPage {
    /// Those that are active, not expired and not replaced.
    ///
    /// Empty if the store has recorded no use since
    /// [`recorded_since`](UnusedQuery::recorded_since): then all would look unused.
    pub unused: Vec<CredentialInfo>,
    /// The last id that was looked through; `None` if none is left.
    pub through: Option<CredentialId>,
}

impl UnusedQuery {
    /// Returns whether `credential`, which the store has looked through, is one. For stores that do
    /// not select by themselves.
    #[must_use]
    pub fn selects(&self, credential: &CredentialInfo) -> bool {
        credential.last_used_at.is_some_and(|at| at < self.before)
            && credential.rotated_to.is_none()
            && credential.effective_status(self.now) == crate::store::EffectiveStatus::Active
    }
}

impl UnusedPage {
    /// Creates a page from the credentials and the last id that was looked through.
    #[must_use]
    pub fn new(unused: Vec<CredentialInfo>, through: Option<CredentialId>) -> Self {
        Self { unused, through }
    }
}
