//! Why a store refuses a change.

/// Why a change was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The id, or the digest of a personal token, is taken, perhaps by something deleted.
    #[error("{0:?} is taken")]
    Taken(Box<str>),
    /// A key's id that could not stand in a token.
    #[error("{0:?} cannot be the id of a key: letters, digits, `-`, `_`, `~`, `+`, `/`, at least one")]
    InvalidId(Box<str>),
    /// A personal token's record that names an organization, a role or scopes, which its owner's memberships decide.
    #[error("what a personal token may do follows from memberships and cannot be set on it")]
    GrantOnToken,
    /// No such organization, or a deleted one.
    #[error("there is no organization {0:?}")]
    UnknownOrganization(Box<str>),
    /// No such person.
    #[error("there is no user {0:?}")]
    UnknownUser(Box<str>),
    /// No such credential, or one that was deleted before.
    #[error("there is no credential {0:?}")]
    UnknownCredential(Box<str>),
    /// The catalogue has no such role.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// The owner has as many credentials as it may have.
    #[error("the owner already has {0} credentials, which is the most")]
    CapReached(u32),
    /// A credential is not as it was read: somebody else changed it meanwhile.
    #[error("the credential was changed by somebody else meanwhile")]
    Changed,
    /// The store could not do it. Whether the change was made is unknown only for a lost connection during the commit.
    #[error(transparent)]
    Store(#[from] super::StoreError),
}
