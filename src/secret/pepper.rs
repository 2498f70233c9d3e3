//! Peppers: keys outside of the database without which its digests are of no use.
//!
//! A peppered digest is HMAC-SHA-256 (RFC 2104, FIPS 198-1) of the SHA-256 digest of a token, and not of the token: so the
//! plain text never leaves the door, and the digests of another system can be brought under a pepper too.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Digest;
use crate::error::ConfigError;

/// The least length of a pepper's secret: that of the digest (RFC 2104, section 3).
const MIN_SECRET: usize = 32;

const MAX_NAME: usize = 64;

/// A key for digests, known by its name. `Debug` shows the name alone.
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

    /// Returns the name, which is kept beside each digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the digest under this pepper of what has the digest `plain` without one.
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

/// The peppers of a store: one under which digests are made, and older ones under which they may still be kept.
///
/// For `SqliteStore::with_peppers` and `PostgresStore::with_peppers`; a [`MemoryStore`](crate::store::MemoryStore) keeps
/// nothing that could be copied at rest. Keep the secrets outside of the database. What they are good for, and how one takes
/// the place of another, is in the [guide](crate::guide::peppers).
///
/// ```
/// use tower_api_key::secret::Peppers;
///
/// # let (this_year, last_year) = ([b't'; 32], [b's'; 32]);
/// let peppers = Peppers::new("2026", &this_year)?.accepting("2025", &last_year)?;
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Peppers {
    current: Arc<Pepper>,
    older: Vec<Arc<Pepper>>,
    plain: bool,
}

impl Peppers {
    /// Takes the current pepper: a name of 1 to 64 letters, digits, `-`, `_`, `.`, and a random secret of at least 32
    /// bytes.
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

    /// Takes an older pepper, whose digests are still verified.
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`ConfigError::DuplicatePepper`] for a name that is there already.
    pub fn accepting(mut self, name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        if self.named(name).is_some() {
            return Err(ConfigError::DuplicatePepper(name.into()));
        }
        self.older.push(Arc::new(Pepper::new(name, secret)?));
        Ok(self)
    }

    /// Stops accepting digests that were made without a pepper, which are accepted otherwise.
    ///
    /// To be called once none is left. Until then whoever can write to the database can plant the digest of a token of their
    /// own.
    #[must_use]
    pub fn refusing_plain(self) -> Self {
        Self {
            plain: false,
            ..self
        }
    }

    /// Returns the one under which digests are made.
    #[must_use]
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// Returns whether digests that were made without a pepper are accepted.
    #[must_use]
    pub fn accepts_plain(&self) -> bool {
        self.plain
    }

    /// Finds one by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Pepper>> {
        self.all().find(|pepper| pepper.name() == name)
    }

    /// Yields all of them, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Pepper>> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peppered_digest_is_hmac_sha_256_of_the_digest() {
        // RFC 4231, test case 2, has the key "Jefe", which is too short here; so the definition of RFC 2104 by hand.
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
            .accepting("b", &[1; 32])
            .unwrap()
            .accepting("a", &[2; 32]);
        assert_eq!(twice.unwrap_err(), ConfigError::DuplicatePepper("a".into()));
    }

    #[test]
    fn debug_shows_names_alone() {
        let peppers = Peppers::new("new", &[b'N'; 32])
            .unwrap()
            .accepting("old", &[b'O'; 32])
            .unwrap();
        let shown = format!("{peppers:?}");
        assert!(shown.contains("new") && shown.contains("old"));
        assert!(
            !shown.contains("NN") && !shown.contains("78, 78") && !shown.contains("4e"),
            "{shown}"
        );
    }
}
