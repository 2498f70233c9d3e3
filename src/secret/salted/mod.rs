//! Salted digests: what another system keeps of its keys, if it hashes each with a salt of its own.
//!
//! Nothing is salted here: a minted secret is random, so a salt would add nothing. The types let a
//! store verify what was imported.

mod salt;
mod sha256;

use std::{fmt, sync::Arc};

pub use salt::{InvalidSalt, Salt};
pub use sha256::SaltedSha256;

use super::Digest;
use crate::error::ConfigError;

/// Maximum length of a name, so that name and salt fit into a column for the names of peppers.
const MAX_NAME: usize = 14;

/// How another system computes the digests of its keys from a salt and the secret.
///
/// Implement it to import such digests, unless [`SaltedSha256`] is what the other system does:
///
/// ```
/// use tower_api_key::secret::{Digest, SaltedDigest};
///
/// /// The salt is hashed as hexadecimal text, with a colon after it.
/// #[derive(Debug)]
/// struct HexSalt;
///
/// impl SaltedDigest for HexSalt {
///     fn name(&self) -> &str {
///         "hex-salt"
///     }
///
///     fn digest(&self, salt: &[u8], secret: &[u8]) -> Digest {
///         let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
///         Digest::of(&[salt.as_bytes(), b":", secret].concat())
///     }
/// }
/// ```
///
/// It is computed for every key that is presented, also on a hit of a cache, and blocks the
/// executor meanwhile: use it only for hashes that take microseconds. bcrypt, scrypt and Argon2
/// take a thousand times longer ([what to do with them](crate::guide::moving)). A panic in it is a
/// 503 for the keys that it belongs to.
pub trait SaltedDigest: fmt::Debug + Send + Sync + 'static {
    /// Returns the name, which is stored with each salt: 1 to 14 letters, digits, `-` and `_`. It
    /// must stay the same as long as there are such digests.
    fn name(&self) -> &str;

    /// Returns the digest that the other system keeps for a key with this salt, of 1 to 36 bytes.
    ///
    /// It is also called with a salt of 16 zero bytes, for keys that are unknown or have no such
    /// salt, so that they take as long; the result is ignored. Accept that length even if the other
    /// system's salts have another one: a panic is ignored too, but costs time and is reported by the
    /// panic hook at each request.
    ///
    /// `secret` is the whole token as it was sent, or the secret alone if the token's
    /// [shape](crate::credential::TokenShape) says so.
    fn digest(&self, salt: &[u8], secret: &[u8]) -> Digest;
}

/// The salted digests that a store verifies: one kind, or several from several systems.
///
/// Pass them to `SqliteStore::with_salted_digests`, `PostgresStore::with_salted_digests` or
/// [`MemoryStore::with_salted_digests`](crate::store::MemoryStore::with_salted_digests), and
/// import keys with [`Import::with_salt`](crate::manage::Import::with_salt). The
/// [guide](crate::guide::moving#salted-digests) has the steps. A clone is cheap.
///
/// ```
/// use tower_api_key::secret::{SaltedDigests, SaltedSha256};
///
/// let salted = SaltedDigests::new(SaltedSha256::SaltFirst)?;
/// let salt = salted.salt("sha256-prefix", b"test-salt")?;
/// assert_eq!(salt.bytes(), b"test-salt");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SaltedDigests(Arc<[Arc<dyn SaltedDigest>]>);

impl SaltedDigests {
    /// Creates the salted digests of one system.
    ///
    /// # Errors
    /// [`ConfigError::InvalidSaltedDigestName`].
    pub fn new(digest: impl SaltedDigest) -> Result<Self, ConfigError> {
        Self(Arc::new([])).with(digest)
    }

    /// Adds those of another system.
    ///
    /// # Errors
    /// [`ConfigError::InvalidSaltedDigestName`]; [`ConfigError::DuplicateSaltedDigest`] for a name
    /// that is already there.
    pub fn with(self, digest: impl SaltedDigest) -> Result<Self, ConfigError> {
        let name = digest.name();
        if !is_name(name) {
            return Err(ConfigError::InvalidSaltedDigestName(name.into()));
        }
        if self.named(name).is_some() {
            return Err(ConfigError::DuplicateSaltedDigest(name.into()));
        }
        let earlier = self.0.iter().cloned();
        let added: Arc<dyn SaltedDigest> = Arc::new(digest);
        Ok(Self(earlier.chain([added]).collect()))
    }

    /// Returns a key's salt, with the salted digest of this name that it belongs to.
    ///
    /// # Errors
    /// [`InvalidSalt::UnknownDigest`]; [`InvalidSalt::Length`] for an empty salt and one of more
    /// than 36 bytes.
    pub fn salt(&self, name: &str, salt: &[u8]) -> Result<Salt, InvalidSalt> {
        let digest = self.named(name);
        let digest = digest.ok_or_else(|| InvalidSalt::UnknownDigest(name.into()))?;
        Salt::new(Arc::clone(digest), salt)
    }

    /// Returns the salted digest with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<dyn SaltedDigest>> {
        self.all().find(|digest| digest.name() == name)
    }

    /// Returns all of them, in the order in which they were added.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn SaltedDigest>> {
        self.0.iter()
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    impl SaltedDigest for Named {
        fn name(&self) -> &str {
            self.0
        }

        fn digest(&self, _: &[u8], secret: &[u8]) -> Digest {
            Digest::of(secret)
        }
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "a.b", "a:b", "a b", "\u{e9}", "fifteen-letters"] {
            let refused = SaltedDigests::new(Named(name)).unwrap_err();
            let wanted = ConfigError::InvalidSaltedDigestName(name.into());
            assert_eq!(refused, wanted);
        }
        let all = SaltedDigests::new(Named("a"))
            .and_then(|all| all.with(Named("B_2-letters-14")))
            .unwrap();
        let names: Vec<_> = all.all().map(|digest| digest.name()).collect();
        assert_eq!(names, ["a", "B_2-letters-14"]);
        let twice = all.with(Named("a")).unwrap_err();
        assert_eq!(twice, ConfigError::DuplicateSaltedDigest("a".into()));
    }

    #[test]
    fn a_salt_has_a_known_name_and_1_to_36_bytes() {
        let salted = SaltedDigests::new(Named("a")).unwrap();
        for (name, length, wanted) in [
            ("a", 0, Some(InvalidSalt::Length(0))),
            ("a", 1, None),
            ("a", 36, None),
            ("a", 37, Some(InvalidSalt::Length(37))),
            ("b", 16, Some(InvalidSalt::UnknownDigest("b".into()))),
        ] {
            let salt = salted.salt(name, &vec![7; length]);
            assert_eq!(salt.err(), wanted, "{name} {length}");
        }
    }
}
