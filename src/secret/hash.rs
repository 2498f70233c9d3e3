//! What is stored instead of a token: the SHA-256 digest of the whole of it.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 digest (FIPS 180-4) of a whole token, prefix and id included, so that a digest copied to another row is
/// of no use there.
///
/// Held as four words, since they are compared faster than 32 bytes. Has no `PartialEq`: compare with
/// [`ConstantTimeEq`]. `Debug` shows nothing.
#[derive(Clone)]
pub struct Digest([u64; 4]);

impl Digest {
    /// Returns the digest of `token`, the bytes as sent after `Bearer `.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(token).into())
    }

    /// Takes a digest from its 32 bytes, as a store keeps them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut digest = [0; 4];
        for (word, bytes) in digest.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(digest)
    }

    /// Returns the 32 bytes, for a store to keep.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        for (chunk, word) in chunks.iter_mut().zip(self.0) {
            *chunk = word.to_le_bytes();
        }
        bytes
    }

    /// The words, as the key of a map. Looking a digest up in a map takes time that depends on the digest; nobody can
    /// steer a digest towards a stored one without inverting SHA-256.
    pub(crate) fn words(&self) -> [u64; 4] {
        self.0
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha_256() {
        // FIPS 180-4 sample: the digest of "abc".
        let abc = Digest::of(b"abc").to_bytes();
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(abc[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn bytes_survive_the_round_trip() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert_eq!(Digest::from_bytes(bytes).to_bytes(), bytes);
    }

    #[test]
    fn every_single_bit_counts() {
        let of = |bytes| Digest::from_bytes(bytes);
        for bit in 0..256 {
            let mut other = [0; 32];
            other[bit / 8] = 1 << (bit % 8);
            assert!(!bool::from(of([0; 32]).ct_eq(&of(other))), "bit {bit}");
        }
        assert!(bool::from(of([7; 32]).ct_eq(&of([7; 32]))));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Digest::of(b"x")), "Digest(..)");
    }
}
