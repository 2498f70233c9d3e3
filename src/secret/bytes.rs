//! Secrets that are read from a request, and wiped with it.

use std::{fmt, ops::Deref};

use sha2::digest::zeroize::Zeroize as _;

use super::text;

/// Bytes that are overwritten with zeros when they are dropped.
pub(crate) struct SecretBytes(Box<[u8]>);

impl SecretBytes {
    /// Creates `length` zeros, to be filled in place: a growing buffer would leave copies behind.
    pub(super) fn zeros(length: usize) -> Self {
        Self(vec![0; length].into())
    }

    /// Decodes padded Base64 in the standard alphabet; `None` if the text is anything else.
    pub(crate) fn from_base64(text: &[u8]) -> Option<Self> {
        text::secret_from_base64(text)
    }

    fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl AsMut<[u8]> for SecretBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiped_bytes_are_zeros_and_debug_shows_nothing() {
        let mut secret = SecretBytes::from_base64(b"dGVzdDp4").unwrap();
        assert_eq!(&*secret, b"test:x");
        assert_eq!(format!("{secret:?}"), "SecretBytes(..)");
        secret.wipe();
        assert_eq!(&*secret, [0; 6]);
    }
}
