//! Creating peppers from their secrets.

use std::sync::Arc;

use super::{Pepper, Peppers, hmac::Key};
use crate::error::ConfigError;

/// Minimum length of a pepper's secret: that of the digest (RFC 2104, section 3).
const MIN_SECRET: usize = 32;

/// Maximum length of a pepper's name, which is stored beside each digest.
const MAX_NAME: usize = 64;

impl Pepper {
    /// Creates a pepper, checking its name and the length of its secret.
    fn new(name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let known = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain);
        // A dot first would be a salt: both are kept in one column.
        if !known || name.starts_with('.') {
            return Err(ConfigError::InvalidPepperName(name.into()));
        }
        if secret.len() < MIN_SECRET {
            return Err(ConfigError::PepperTooShort(secret.len()));
        }
        let key = Key::new(secret).ok_or(ConfigError::PepperTooShort(secret.len()))?;
        Ok(Self {
            name: name.into(),
            key,
        })
    }
}

impl Peppers {
    /// Creates the peppers of a store from the current one: a name of 1 to 64 letters, digits, `-`,
    /// `_`, `.`, not beginning with `.`, and a random secret of at least 32 bytes.
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

    /// Adds another pepper, whose digests are verified too: an older one, or the next one before it
    /// becomes current.
    ///
    /// # Errors
    /// As for [`new`](Self::new); [`ConfigError::DuplicatePepper`] for a name that is already
    /// there.
    pub fn with_other(mut self, name: &str, secret: &[u8]) -> Result<Self, ConfigError> {
        if self.named(name).is_some() {
            return Err(ConfigError::DuplicatePepper(name.into()));
        }
        self.older.push(Arc::new(Pepper::new(name, secret)?));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;
    use crate::secret::Digest;

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
        for name in ["", ".a", "a b", "a\0", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(
                Peppers::new(name, &[0; 32]).unwrap_err(),
                ConfigError::InvalidPepperName(name.into())
            );
        }
        let twice = Peppers::new("a", &[0; 32])
            .unwrap()
            .with_other("b", &[1; 32])
            .unwrap()
            .with_other("a", &[2; 32]);
        assert_eq!(twice.unwrap_err(), ConfigError::DuplicatePepper("a".into()));
    }

    #[test]
    fn peppers_are_compared_and_hashed_by_their_names() {
        let hasher = RandomState::new();
        let pepper = |name, byte| Pepper::new(name, &[byte; 32]).unwrap();
        let (one, same, other) = (pepper("a", 0), pepper("a", 1), pepper("b", 0));
        assert_eq!(one, same);
        assert_eq!(hasher.hash_one(&one), hasher.hash_one(&same));
        assert_ne!(one, other);
        assert_ne!(hasher.hash_one(&one), hasher.hash_one(&other));
    }

    #[test]
    fn debug_shows_names_alone() {
        let peppers = Peppers::new("new", &[b'N'; 32])
            .unwrap()
            .with_other("old", &[b'O'; 32])
            .unwrap();
        let shown = format!("{peppers:?}");
        assert!(shown.contains("new") && shown.contains("old"));
        assert!(
            !shown.contains("NN") && !shown.contains("78, 78") && !shown.contains("4e"),
            "{shown}"
        );
    }
}
