//! Digests: the SHA-256 of a whole token, stored instead of the token.

use std::fmt;

use sha2::{Digest as _, Sha256, block_api::compress256};
use subtle::{Choice, ConstantTimeEq};

use super::{text, work};

/// The SHA-256 digest (FIPS 180-4) of a whole token. Prefix and id are included, so that a digest
/// copied to another row is useless there. The exception is a token of another system
/// [of which only the secret is hashed](crate::credential::TokenShape::OrgKeyHashedBySecret).
///
/// Stores keep it, as [bytes](Self::to_bytes) or as [text](Self::to_hex). You create one yourself
/// only to import tokens ([`of`](Self::of), [`from_hex`](Self::from_hex),
/// [`from_base64`](Self::from_base64)) or to read your own table
/// ([`from_bytes`](Self::from_bytes)).
///
/// It is held as four words, which compare faster than 32 bytes. There is no `PartialEq`: compare
/// with [`ConstantTimeEq`]. `Debug` shows nothing.
#[derive(Clone)]
pub struct Digest([u64; 4]);

impl Digest {
    /// The digest that an unknown credential is compared with, so that it takes as long as a wrong
    /// secret.
    pub(crate) const DECOY: Self = Self([0; 4]);

    /// Returns the digest of `token`, the bytes as sent after `Bearer `.
    #[must_use]
    #[inline]
    pub fn of(token: &[u8]) -> Self {
        work::hashed();
        match padded(token) {
            Some(block) => {
                let mut state = INITIAL;
                compress256(&mut state, &[block]);
                let word = |high: u32, low: u32| {
                    u64::from(high.swap_bytes()) + (u64::from(low.swap_bytes()) << 32)
                };
                let [a, b, c, d, e, f, g, h] = state;
                Self([word(a, b), word(c, d), word(e, f), word(g, h)])
            }
            None => Self::from_bytes(Sha256::digest(token).into()),
        }
    }

    /// Creates a digest from its 32 bytes, as a store keeps them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut digest = [0; 4];
        for (word, bytes) in digest.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(digest)
    }

    /// Parses a digest that another system stored as 64 hexadecimal digits, in either case.
    ///
    /// ```
    /// use tower_api_key::secret::Digest;
    ///
    /// // printf %s ak_test.not-a-real-secret | sha256sum
    /// let stored = "9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53";
    /// let digest = Digest::from_hex(stored)?;
    /// assert_eq!(digest.to_bytes(), Digest::of(b"ak_test.not-a-real-secret").to_bytes());
    /// # Ok::<(), tower_api_key::secret::ParseDigestError>(())
    /// ```
    ///
    /// # Errors
    /// [`ParseDigestError`].
    pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
        text::from_hex(text)
            .map(Self::from_bytes)
            .ok_or(ParseDigestError)
    }

    /// Parses a digest that another system stored in Base64 (RFC 4648): the standard or the
    /// URL-safe alphabet, with or without padding.
    ///
    /// # Errors
    /// [`ParseDigestError`].
    pub fn from_base64(text: &str) -> Result<Self, ParseDigestError> {
        text::from_base64(text)
            .map(Self::from_bytes)
            .ok_or(ParseDigestError)
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

    /// Returns 64 lower-case hexadecimal digits, for a store that keeps text.
    ///
    /// Handle it like a secret. It is not the token, but anyone who can read it can recognize the
    /// token, and anyone who can write it into your database has a credential. This is why `Debug`
    /// shows nothing and there is no `Display`: do not log it.
    ///
    /// ```
    /// use tower_api_key::secret::Digest;
    ///
    /// let kept = Digest::of(b"ak_example.not-a-real-secret").to_hex();
    /// assert_eq!(kept.len(), 64);
    /// assert_eq!(Digest::from_hex(&kept)?.to_hex(), kept);
    /// # Ok::<(), tower_api_key::secret::ParseDigestError>(())
    /// ```
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.to_bytes() {
            for half in [byte >> 4, byte & 0xf] {
                hex.extend(char::from_digit(half.into(), 16));
            }
        }
        hex
    }

    /// Returns the words, as the key of a map. A map lookup takes time that depends on the digest,
    /// but an attacker cannot steer a digest towards a stored one without inverting SHA-256.
    pub(crate) fn words(&self) -> [u64; 4] {
        self.0
    }

    /// Creates a digest from the key of a map.
    pub(crate) fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }
}

/// The text is not a SHA-256 digest. The error does not contain the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: 64 hexadecimal digits, or 32 bytes in Base64")]
#[non_exhaustive]
pub struct ParseDigestError;

/// The initial hash value (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Returns the one block that a message of up to 55 bytes is padded to (FIPS 180-4, section 5.1.1):
/// the message, a set bit, zeros, its length in bits. Every minted token is that short, and this
/// avoids the buffering of a general hasher.
#[inline]
fn padded(message: &[u8]) -> Option<[u8; 64]> {
    let mut block = [0; 64];
    let (text, length) = block.split_last_chunk_mut::<8>()?;
    let (head, tail) = text.split_at_mut_checked(message.len())?;
    *tail.first_mut()? = 0x80;
    head.copy_from_slice(message);
    *length = (message.len() as u64 * 8).to_be_bytes();
    Some(block)
}

impl ConstantTimeEq for Digest {
    #[inline]
    fn ct_eq(&self, other: &Self) -> Choice {
        work::compared();
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
    use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};

    use super::*;

    #[test]
    fn is_sha_256() {
        // FIPS 180-4 sample: the digest of "abc".
        let abc = Digest::of(b"abc").to_bytes();
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(abc[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn short_and_long_messages_meet_the_general_hasher() {
        for len in 0..200 {
            let message: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
            assert_eq!(
                Digest::of(&message).to_bytes(),
                <[u8; 32]>::from(Sha256::digest(&message)),
                "{len} bytes"
            );
        }
    }

    #[test]
    fn a_message_of_up_to_55_bytes_is_padded_to_one_block() {
        for len in 0..=55 {
            let block = padded(&vec![b'm'; len]).unwrap();
            let (text, bits) = block.split_last_chunk::<8>().unwrap();
            assert_eq!(text[len], 0x80, "{len} bytes");
            assert_eq!(u64::from_be_bytes(*bits), 8 * len as u64, "{len} bytes");
        }
        assert_eq!(padded(&[b'm'; 56]), None);
    }

    #[test]
    fn bytes_survive_the_round_trip() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert_eq!(Digest::from_bytes(bytes).to_bytes(), bytes);
    }

    #[test]
    fn hex_and_base64_are_read_whole_or_not_at_all() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 255 - i as u8); // both alphabets show themselves
        let hex = hex::encode(bytes);
        for text in [hex.clone(), hex.to_uppercase()] {
            assert_eq!(Digest::from_hex(&text).unwrap().to_bytes(), bytes, "{text}");
            assert_eq!(Digest::from_bytes(bytes).to_hex(), hex);
        }
        let standard = Base64Unpadded::encode_string(&bytes);
        let url = Base64UrlUnpadded::encode_string(&bytes);
        assert_ne!(standard, url);
        for text in [
            standard.clone(),
            url.clone(),
            format!("{standard}="),
            format!("{url}="),
        ] {
            assert_eq!(
                Digest::from_base64(&text).unwrap().to_bytes(),
                bytes,
                "{text}"
            );
        }
        let bad =
            |text: &str| Digest::from_hex(text).is_err() && Digest::from_base64(text).is_err();
        for text in [
            "",
            "=",
            "00",
            &hex[1..],
            &format!("{hex}0"),
            &format!("{hex}00"),
            &format!(" {hex}"),
            "zz",
        ] {
            assert!(bad(text), "{text:?}");
        }
        for text in [
            &standard[1..],
            &format!("{standard}=="),
            &format!("{standard}A"),
            &format!("{}!", &standard[1..]),
        ] {
            assert!(bad(text), "{text:?}");
        }
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
