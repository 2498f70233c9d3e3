//! Which credentials a store lists, and in which order.

use crate::{
    clock::UnixMillis,
    id::CredentialId,
    store::{CredentialInfo, Filter},
};

/// Which credentials to list.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct ListQuery {
    /// Only those that match this filter.
    pub filter: Filter,
    /// Only those after this place in the order of the list.
    pub after: Option<Position>,
    /// Page size.
    pub limit: u32,
    /// The time that decides what has expired.
    pub now: UnixMillis,
}

impl ListQuery {
    /// Returns whether the list has `credential`, apart from the page size. For stores that do not
    /// filter by themselves.
    #[must_use]
    pub fn lists(&self, credential: &CredentialInfo) -> bool {
        let place = (credential.created_at, credential.id.as_str());
        let is_after = |after: &Position| place < (after.created_at, after.id.as_str());
        self.after.as_ref().is_none_or(is_after) && self.filter.shows(credential, self.now)
    }
}

/// A credential's place in a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// When it was created.
    pub created_at: UnixMillis,
    /// Its id, which decides between those created in the same millisecond.
    pub id: CredentialId,
}

impl Position {
    /// Creates the place of a credential from its creation time and its id.
    #[must_use]
    pub fn new(created_at: UnixMillis, id: impl Into<CredentialId>) -> Self {
        Self {
            created_at,
            id: id.into(),
        }
    }
}
