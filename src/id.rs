//! Ids, with one type for each kind of thing, so that a user's id cannot be mistaken for an
//! organization's.
//!
//! Ids are your own: the crate reads no meaning into them. Functions that take one accept text.
//!
//! One rule for each kind decides which ids can be created. Every store applies it before it
//! queries its database: [`check_organization_id`], [`check_user_id`] and
//! [`check_credential_id`](crate::credential::check_credential_id). An id that no request could
//! carry would exist forever without being reachable, and one that differs from another only in
//! invisible characters would be mistaken for it. Existing ids can still be read, changed and
//! deleted.

use std::{borrow::Borrow, fmt, sync::Arc};

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        ///
        /// Made from any text; compared byte for byte. A clone shares the text.
        #[derive(Clone, PartialEq, Eq, Hash)] // hashes as its text does, as `Borrow<str>` demands
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&Self> for $name {
            fn from(id: &Self) -> Self {
                id.clone()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// The id of an organization, as sent in the organization header (`org_…`).
    ///
    /// ```
    /// use tower_api_key::{id::OrgId, store::Owner};
    ///
    /// let owner = Owner::Organization("org_1".into());
    /// assert_eq!(owner, Owner::Organization(OrgId::from("org_1")));
    /// ```
    OrgId;
    /// The id of a user: the one under which your service knows the person.
    UserId;
    /// The id of a credential: public, safe to log. For an organization key it is the part between
    /// prefix and dot.
    CredentialId;
}

/// An id that no header or token could carry, so that nothing can be created under it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid id {0:?}: use 1 to 256 visible ASCII characters, \
     for a key only letters, digits, `-`, `_`, `~`, `+` and `/`"
)]
pub struct InvalidId(Box<str>);

impl InvalidId {
    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl From<&str> for InvalidId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// Maximum length of an id that is created or passed to a store, in bytes.
const MAX_LEN: usize = 256;

/// Returns whether `id` can be a header's value: 1 to 256 bytes of visible ASCII, `VCHAR` of RFC
/// 5234.
pub(crate) fn is_visible_id(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// Checks the id of a new organization: what the [organization header](crate::AuthLayer) can carry,
/// 1 to 256 bytes of visible ASCII.
///
/// Stores call it when they create an organization. Call it yourself where organizations are
/// created in tables of your own: an id that it refuses could never be named in a request.
///
/// ```
/// use tower_api_key::id::check_organization_id;
///
/// assert!(check_organization_id("org_1").is_ok());
/// assert!(check_organization_id("Müller & Co.").is_err()); // spaces, and not ASCII
/// ```
///
/// # Errors
/// [`InvalidId`].
pub fn check_organization_id(id: &str) -> Result<(), InvalidId> {
    check_visible(id)
}

/// Checks the id of a new user: 1 to 256 bytes of visible ASCII, as for an organization.
///
/// # Errors
/// [`InvalidId`].
pub fn check_user_id(id: &str) -> Result<(), InvalidId> {
    check_visible(id)
}

/// Checks that an id can be a header's value.
pub(crate) fn check_visible(id: &str) -> Result<(), InvalidId> {
    if is_visible_id(id.as_bytes()) {
        Ok(())
    } else {
        Err(id.into())
    }
}
