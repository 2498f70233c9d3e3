//! Secrets: tokens, their digests, and peppers. They are never displayed.

mod digest;
mod pepper;
mod text;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use digest::{Digest, ParseDigestError};
pub use pepper::{Pepper, Peppers};

/// A whole token in plain text, to be shown to its owner once.
///
/// The text is wiped when the value is dropped. There is no `Display`, `Clone` or `PartialEq`;
/// `Debug` shows `Secret(..)`. Wiping does not cover copies made by the caller of
/// [`expose_secret`](Self::expose_secret).
pub struct Secret(SecretString);

impl Secret {
    pub(crate) fn new(token: String) -> Self {
        Self(token.into())
    }

    /// Returns the token, `ak_…` or `pat_…`.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
