//! A key's salt, with the salted digest that it belongs to.

use std::{
    fmt,
    hash::{Hash, Hasher},
    panic::RefUnwindSafe,
    sync::Arc,
};

use super::{Digest, SaltedDigest};

/// Maximum length of a salt, so that name and salt fit into a column for the names of peppers.
const MAX_SALT: usize = 36;

/// The salt with which another system computed a key's digest.
///
/// [`SaltedDigests::salt`](super::SaltedDigests::salt) creates it, for
/// [`Import::with_salt`](crate::manage::Import::with_salt) and
/// [`Record::with_salt`](crate::store::Record::with_salt). Two are equal if their names and bytes
/// are. `Debug` shows only the name.
#[derive(Clone)]
pub struct Salt {
    algorithm: Arc<dyn SaltedDigest>,
    bytes: Box<[u8]>,
}

/// Why a salt was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSalt {
    /// There is no salted digest with this name.
    #[error("there is no salted digest {0:?}")]
    UnknownDigest(Box<str>),
    /// The salt is empty or has too many bytes.
    #[error("the salt has {0} bytes: use 1 to {MAX_SALT}")]
    Length(usize),
}

impl Salt {
    pub(super) fn new(algorithm: Arc<dyn SaltedDigest>, salt: &[u8]) -> Result<Self, InvalidSalt> {
        if !(1..=MAX_SALT).contains(&salt.len()) {
            return Err(InvalidSalt::Length(salt.len()));
        }
        let bytes = salt.into();
        Ok(Self { algorithm, bytes })
    }

    /// Returns the name of the [`SaltedDigest`], to be stored with the salt.
    #[must_use]
    pub fn name(&self) -> &str {
        self.algorithm.name()
    }

    /// Returns the salt.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of a key with this salt: `secret` is what [`SaltedDigest::digest`] gets.
    #[must_use]
    pub fn digest(&self, secret: &[u8]) -> Digest {
        self.algorithm.digest(&self.bytes, secret)
    }
}

// A digest that panicked has left nothing half done that the crate looks at: a `Principal` stays as
// usable across `catch_unwind` as it is without a salt.
impl RefUnwindSafe for Salt {}

impl PartialEq for Salt {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), &self.bytes) == (other.name(), &other.bytes)
    }
}

impl Eq for Salt {}

impl Hash for Salt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name(), &self.bytes).hash(state);
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Salt").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::super::{SaltedDigests, SaltedSha256};

    #[test]
    fn salts_are_compared_and_hashed_by_name_and_bytes() {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst)
            .and_then(|salted| salted.with(SaltedSha256::SaltLast))
            .unwrap();
        let salt = |name, bytes| salted.salt(name, bytes).unwrap();
        let one = salt("sha256-prefix", b"a");
        let hasher = RandomState::new();
        let same = salt("sha256-prefix", b"a");
        assert_eq!(one, same);
        assert_eq!(hasher.hash_one(&one), hasher.hash_one(&same));
        for other in [salt("sha256-prefix", b"b"), salt("sha256-suffix", b"a")] {
            assert_ne!(one, other);
            assert_ne!(hasher.hash_one(&one), hasher.hash_one(&other));
        }
    }

    #[test]
    fn debug_shows_the_name_alone() {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst).unwrap();
        let salt = salted.salt("sha256-prefix", b"planted").unwrap();
        assert_eq!(format!("{salt:?}"), r#"Salt("sha256-prefix")"#);
    }
}
