//! Names of things, each of its own type, so that a user's id is never taken for an organization's.

use std::{borrow::Borrow, fmt, hash, marker::PhantomData, sync::Arc};

/// An identifier of one kind of thing. Compared byte for byte; a clone shares the text.
///
/// Made from any text (`OrgId::from("org_1")`); which ids can be created is decided by
/// [`check_organization_id`](crate::store::check_organization_id) and the functions beside it.
pub struct Id<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

/// The id of an organization, as sent in the organization header (`org_…`).
pub type OrgId = Id<Organization>;
/// The id of a person.
pub type UserId = Id<User>;
/// The id of a credential: public, safe to log. For an organization key the part between prefix and dot.
pub type CredentialId = Id<Credential>;

/// Marks an [`OrgId`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Organization {}
/// Marks a [`UserId`].
#[derive(Debug)]
#[non_exhaustive]
pub enum User {}
/// Marks a [`CredentialId`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Credential {}

/// The longest id that is created or passed on to a store, in bytes.
const MAX_LEN: usize = 256;

/// Returns whether `id` can be the value of a header: 1 to 256 bytes of visible ASCII, `VCHAR` of RFC 5234.
pub(crate) fn is_visible_id(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

impl<K> Id<K> {
    /// Returns the text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> From<&str> for Id<K> {
    fn from(text: &str) -> Self {
        Self {
            text: text.into(),
            kind: PhantomData,
        }
    }
}

impl<K> From<String> for Id<K> {
    fn from(text: String) -> Self {
        Self {
            text: text.into(),
            kind: PhantomData,
        }
    }
}

impl<K> From<&Self> for Id<K> {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Id<K> {}

// Hashes as its text does, as `Borrow<str>` demands.
impl<K> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<K> Borrow<str> for Id<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
