//! Secrets: tokens, their digests, peppers and salts. They are never displayed.
//!
//! | type | what it is | where it may be |
//! |---|---|---|
//! | [`Secret`] | a new token in plain text | in the one response that shows it to its owner |
//! | [`Digest`] | the SHA-256 of a token | in the store |
//! | [`Peppers`] | keys for the digests | in the environment or a secret manager, never in the store |
//! | [`Salt`] | what another system hashed with a key that was imported | in the store, beside the digest |

mod bytes;
mod digest;
mod pepper;
mod salted;
mod text;
pub(crate) mod work;

use std::fmt;

use sha2::digest::zeroize::Zeroize as _;

pub(crate) use bytes::SecretBytes;
pub use digest::{Digest, ParseDigestError};
pub use pepper::{Pepper, Peppers};
pub use salted::{InvalidSalt, Salt, SaltedDigest, SaltedDigests, SaltedSha256};
pub(crate) use text::{from_base64url, to_base64url};

/// A whole token in plain text, to be shown to its owner once.
///
/// The text is wiped when the value is dropped. There is no `Display`, `Clone` or `PartialEq`;
/// `Debug` shows `Secret(..)`. Wiping does not cover copies made by the caller of
/// [`expose_secret`](Self::expose_secret).
///
/// ```
/// use tower_api_key::credential::{Kind, TokenFormat};
///
/// let minted = TokenFormat::default().mint(Kind::PersonalToken)?;
/// assert_eq!(format!("{:?}", minted.secret), "Secret(..)");
/// assert!(minted.secret.expose_secret().starts_with("pat_")); // send this, and nothing else
/// # Ok::<(), tower_api_key::credential::MintError>(())
/// ```
pub struct Secret(String);

impl Secret {
    /// Takes ownership of a minted token.
    pub(crate) fn new(token: String) -> Self {
        Self(token)
    }

    /// Returns the token, `ak_…` or `pat_…`.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Overwrites the text with zeros, as a `str`: for a `String` zeroize needs a feature that
    /// sha2 does not turn on.
    fn wipe(&mut self) {
        self.0.as_mut_str().zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_secret_is_zeros() {
        let mut secret = Secret::new("ak_id.secret".to_owned());
        secret.wipe();
        assert_eq!(secret.expose_secret(), "\0".repeat(12));
    }

    #[test]
    fn debug_of_a_secret_shows_nothing() {
        let secret = Secret::new("ak_id.secret".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
