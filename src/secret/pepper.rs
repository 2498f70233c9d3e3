//! Peppers: keys kept outside the database, without which its digests are useless.
//!
//! A peppered digest is the HMAC-SHA-256 (RFC 2104, FIPS 198-1) of a token's SHA-256 digest, not of
//! the token. The plain text therefore never leaves the layer, and another system's digests can be
//! peppered too.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Digest;
use crate::error::ConfigError;

/// Minimum length of a pepper's secret: that of the digest (RFC 2104, section 3).
const MIN_SECRET: usize = 32;

const MAX_NAME: usize = 64;

/// A key for digests, identified by its name. `Debug` shows only the name.
#[derive(Clone)]
pub struct Pepper {
    name: Box<str>,
    key: Hmac<Sha256>,
}

impl Pepper {
    fn new(name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(ConfigError::InvalidPepperName(name.into()));
        }
        if secret.len() < MIN_SECRET {
            return Err(ConfigError::PepperTooShort(secret.len()));
        }
        let key =
            Hmac::new_from_slice(secret).map_err(|_| ConfigError::PepperTooShort(secret.len()))?;
        Ok(Self {
            name: name.into(),
            key,
        })
    }

    /// Returns the name, which is stored with each digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the peppered digest of a token with the plain digest `plain`.
    #[must_use]
    pub fn digest(&self, plain: &Digest) -> Digest {
        let mut mac = self.key.clone();
        mac.update(&plain.to_bytes());
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }
}

impl PartialEq for Pepper {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Pepper {}

impl Hash for Pepper {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pepper").field(&self.name).finish()
    }
}

/// The peppers of a store: the current one, with which digests are computed, and older ones with
/// which stored digests may still have been computed.
///
/// Pass them to `SqliteStore::with_peppers` or `PostgresStore::with_peppers`; a
/// [`MemoryStore`](crate::store::MemoryStore) stores nothing that could be copied at rest. Keep the
/// secrets outside the database. The [guide](crate::guide::peppers) explains what peppers protect
/// from and how to replace one.
///
/// ```
/// use tower_api_key::secret::Peppers;
///
/// # let (this_year, last_year) = ([b't'; 32], [b's'; 32]);
/// let peppers = Peppers::new("2026", &this_year)?.with_older("2025", &last_year)?;
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Peppers {
    current: Arc<Pepper>,
    older: Vec<Arc<Pepper>>,
    plain: bool,
}

impl Peppers {
    /// Creates the peppers of a store from the current one: a name of 1 to 64 letters, digits, `-`,
    /// `_`, `.`, and a random secret of at least 32 bytes.
    ///
    /// # Errors
    /// [`ConfigError::InvalidPepperName`], [`ConfigError::PepperTooShort`].
    pub fn new(name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self {
            current: Arc::new(Pepper::new(name, secret)?),
            older: Vec::new(),
            plain: true,
        })
    }

    /// Adds an older pepper, whose digests are still verified.
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`ConfigError::DuplicatePepper`] for a name that is already
    /// there.
    pub fn with_older(mut self, name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        if self.named(name).is_some() {
            return Err(ConfigError::DuplicatePepper(name.into()));
        }
        self.older.push(Arc::new(Pepper::new(name, secret)?));
        Ok(self)
    }

    /// Stops accepting digests without a pepper, which are accepted by default.
    ///
    /// Call this once no plain digest is left; until then anyone who can write to the database can
    /// insert the digest of a token they chose.
    #[must_use]
    pub fn without_plain_digests(self) -> Self {
        Self {
            plain: false,
            ..self
        }
    }

    /// Returns the pepper with which digests are computed.
    #[must_use]
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// Returns whether digests without a pepper are accepted.
    #[must_use]
    pub fn accepts_plain(&self) -> bool {
        self.plain
    }

    /// Returns the pepper with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Pepper>> {
        self.all().find(|pepper| pepper.name() == name)
    }

    /// Returns all peppers, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Pepper>> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peppered_digest_is_hmac_sha_256_of_the_digest() {
        // RFC 4231, test case 2, uses the key "Jefe", which is too short here, so this computes the
        // definition of RFC 2104 by hand.
        let secret = [0x0b; 40];
        let plain = Digest::of(b"test");
        let block = |pad: u8| -> Vec<u8> {
            (0..64)
                .map(|i| secret.get(i).copied().unwrap_or(0) ^ pad)
                .collect()
        };
        let inner = Digest::of(&[block(0x36), plain.to_bytes().to_vec()].concat());
        let outer = Digest::of(&[block(0x5c), inner.to_bytes().to_vec()].concat());
        let pepper = Pepper::new("test", &secret).unwrap();
        assert_eq!(pepper.digest(&plain).to_bytes(), outer.to_bytes());
    }

    #[test]
    fn what_could_not_serve_is_refused() {
        assert_eq!(
            Peppers::new("a", &[0; 31]).unwrap_err(),
            ConfigError::PepperTooShort(31)
        );
        for name in ["", "a b", "a\0", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(
                Peppers::new(name, &[0; 32]).unwrap_err(),
                ConfigError::InvalidPepperName(name.into())
            );
        }
        let twice = Peppers::new("a", &[0; 32])
            .unwrap()
            .with_older("b", &[1; 32])
            .unwrap()
            .with_older("a", &[2; 32]);
        assert_eq!(twice.unwrap_err(), ConfigError::DuplicatePepper("a".into()));
    }

    #[test]
    fn debug_shows_names_alone() {
        let peppers = Peppers::new("new", &[b'N'; 32])
            .unwrap()
            .with_older("old", &[b'O'; 32])
            .unwrap();
        let shown = format!("{peppers:?}");
        assert!(shown.contains("new") && shown.contains("old"));
        assert!(
            !shown.contains("NN") && !shown.contains("78, 78") && !shown.contains("4e"),
            "{shown}"
        );
    }
}
