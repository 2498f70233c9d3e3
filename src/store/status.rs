//! The status of a credential: whether it is valid, apart from its expiry.

/// Whether a credential is valid, apart from its expiry.
///
/// All states but [`Active`](Self::Active) get the same response as an unknown credential; the
/// difference is for the logs.
///
/// ```
/// use tower_api_key::{secret::Digest, store::{Record, Status}};
///
/// let key = Record::org_key("example", Digest::of(b"ak_example.test"), "org_1")
///     .with_status(Status::Disabled);
/// assert_eq!(Status::parse(key.status().as_str()), Some(Status::Disabled)); // as stored
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It is valid.
    Active,
    /// It is deleted.
    Deleted,
    /// It is disabled and may be enabled again.
    Disabled,
    /// The user who owns it is deleted or disabled.
    OwnerGone,
    /// The organization that owns the key is gone.
    OrganizationGone,
}

impl Status {
    /// Returns the word that stores keep. Whether an owner is gone is derived from the owner, so a
    /// record with such a status of its own is stored as disabled: it must not become usable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self.by_itself() {
            Self::Active => "active",
            Self::Deleted => "deleted",
            _ => "disabled",
        }
    }

    /// Returns the status of a credential by itself, as a store keeps it. That an owner is gone is
    /// derived from the owner: a record that has it by itself is disabled, and must not become
    /// valid with its owner.
    pub(crate) fn by_itself(self) -> Self {
        match self {
            Self::Active => Self::Active,
            Self::Deleted => Self::Deleted,
            Self::Disabled | Self::OwnerGone | Self::OrganizationGone => Self::Disabled,
        }
    }

    /// Parses what [`as_str`](Self::as_str) returned.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "disabled" => Some(Self::Disabled),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}
